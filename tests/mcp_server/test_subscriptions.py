"""Who follows a resource is told when it changes: both eras, HTTP and stdio, each tenant of its own alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceUpdatedNotification

from industriverse.mcp_server.legacy import URIS_PER_SESSION
from industriverse.mcp_server.web import WebSettings
from industriverse.operations.home import paths_of
from industriverse.operations.tokens import TokenStore
from stdio_server import parameters
from web_server import served

# The handshake era's way to subscribe is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

PATIENCE_S = 20.0
QUIET_S = 0.6
REGIME = "eil://regime/p"


def rows(first: int, count: int) -> dict[str, Any]:
    """Two noisy channels, one sample a minute."""
    noise = np.random.default_rng(first).normal(size=(count, 2)) + 20.0
    start = datetime(2026, 3, 1, tzinfo=UTC)
    return {
        "stream": "p",
        "channels": [{"name": name, "unit": "Cel"} for name in ("a", "b")],
        "times": [(start + timedelta(minutes=first + row)).isoformat() for row in range(count)],
        "values": noise.tolist(),
    }


@dataclass(frozen=True)
class Tenants:
    url: str
    tokens: dict[str, str]

    def learn(self, tenant: str) -> None:
        """A stream of a tenant that has a state."""
        self.feed(tenant, 0, 200)
        self.post(tenant, "/v1/signal/compile", {"stream": "p"})

    def feed(self, tenant: str, first: int, count: int) -> None:
        self.post(tenant, "/v1/telemetry/ingest", rows(first, count))

    def post(self, tenant: str, path: str, body: dict[str, Any]) -> None:
        headers = {"authorization": f"Bearer {self.tokens[tenant]}"}
        answer = httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """A server of two tenants, each with a learned stream of the same name."""
    home = tmp_path_factory.mktemp("subscriptions") / "home"
    store, now = TokenStore(paths_of(home).tokens), time.time_ns()
    tokens = {name: store.add("n", "admin", now_ns=now, tenant=name).text for name in ("north", "south")}
    tokens["own"] = store.add("o", "admin", now_ns=now).text
    with served(home, settings=WebSettings(tokens=True)) as url:
        found = Tenants(url, tokens)
        for tenant in tokens:
            found.learn(tenant)
        yield found


@dataclass
class Ear:
    """What a client has heard of changes."""

    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def hears(self) -> str:
        return await asyncio.wait_for(self.heard.get(), PATIENCE_S)

    async def hears_nothing(self) -> None:
        await asyncio.sleep(QUIET_S)
        assert self.heard.empty(), self.heard.get_nowait()


@asynccontextmanager
async def listening(server: Any, era: str, *uris: str) -> AsyncIterator[tuple[Ear, Client]]:
    """A client that follows resources in the way of its era."""
    ear = Ear()

    async def hear(message: Any) -> None:
        if era == "legacy" and isinstance(message, ResourceUpdatedNotification):
            await ear.heard.put(str(message.params.uri))

    async with Client(server, mode=era, message_handler=hear) as client:
        if era == "legacy":
            for uri in uris:
                await client.subscribe_resource(uri)
            yield ear, client
            return
        async with client.listen(resource_subscriptions=list(uris)) as subscription:

            async def listen() -> None:
                async for event in subscription:
                    await ear.heard.put(str(event.uri))  # type: ignore[union-attr]

            task = asyncio.create_task(listen())
            try:
                yield ear, client
            finally:
                task.cancel()


@asynccontextmanager
async def following(tenants: Tenants, tenant: str, era: str, *uris: str) -> AsyncIterator[Ear]:
    headers = {"authorization": f"Bearer {tenants.tokens[tenant]}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        listening(streamable_http_client(f"{tenants.url}/mcp", http_client=http), era, *uris) as (ear, _),
    ):
        yield ear


@pytest.mark.parametrize(("era", "minute"), [("auto", 300), ("legacy", 400)])
def test_each_tenant_hears_of_its_own_changes_alone(era: str, minute: int, tenants: Tenants) -> None:
    async def tale() -> None:
        async with (
            following(tenants, "north", era, REGIME) as north,
            following(tenants, "south", era, REGIME) as south,
            following(tenants, "own", era, REGIME) as own,
        ):
            for tenant, ear in (("north", north), ("south", south), ("own", own)):
                await asyncio.to_thread(tenants.feed, tenant, minute, 1)
                assert await ear.hears() == REGIME
                for other in (north, south, own):
                    await other.hears_nothing()

    asyncio.run(tale())


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_an_assistant_hears_of_changes_over_stdio(era: str, tmp_path: Path) -> None:
    async def tale() -> None:
        async with listening(parameters(tmp_path / "home", "--toolsets", "all"), era, REGIME) as (
            ear,
            client,
        ):
            for name, given in (
                ("telemetry_ingest", rows(0, 200)),
                ("signal_compile", {"stream": "p"}),
                ("telemetry_ingest", rows(300, 1)),
            ):
                assert not (await client.call_tool(name, given)).is_error
            assert await ear.hears() == REGIME

    asyncio.run(tale())


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_what_nobody_follows_is_not_told(era: str, tenants: Tenants) -> None:
    async def tale() -> None:
        async with following(tenants, "north", era, "eil://regime/other") as ear:
            await asyncio.to_thread(tenants.feed, "north", 500 if era == "auto" else 600, 1)
            await ear.hears_nothing()

    asyncio.run(tale())


def test_a_session_follows_no_more_than_it_may_and_is_told_so(tenants: Tenants) -> None:
    async def tale() -> str:
        headers = {"authorization": f"Bearer {tenants.tokens['north']}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{tenants.url}/mcp", http_client=http), mode="legacy") as client,
        ):
            for number in range(URIS_PER_SESSION):
                await client.subscribe_resource(f"eil://regime/{number}")
            await client.subscribe_resource("eil://regime/0")
            with pytest.raises(MCPError) as refused:
                await client.subscribe_resource("eil://regime/one-more")
            await client.unsubscribe_resource("eil://regime/0")
            await client.subscribe_resource("eil://regime/one-more")
        return refused.value.error.message

    assert "unsubscribe from one first" in asyncio.run(tale())
