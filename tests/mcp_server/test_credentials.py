"""Credentials over time: keys by URL that change, tokens revoked under open connections, threads of other tenants."""

import asyncio
import functools
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from industriverse.mcp_server.app import create_mcp_server
from industriverse.mcp_server.authentication import JwtVerifier, OAuthSettings
from industriverse.mcp_server.errors import AuthenticationSettingsError
from industriverse.mcp_server.web import WebSettings
from industriverse.operations.home import paths_of
from industriverse.operations.tokens import TokenStore
from prepared_plant import PLANT, Prepared, copied, opened
from web_server import served

ISSUER, RESOURCE = "https://login.example", "https://plant.example/mcp"


class KeyServer:
    """An authorization server's document of keys, and how often it was asked for."""

    def __init__(self) -> None:
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.asked = 0

    def document(self) -> bytes:
        self.asked += 1
        keys = [
            {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": kid, "alg": "ES256"}
            for kid, key in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def token(self, key: ec.EllipticCurvePrivateKey, kid: str) -> str:
        claims = {
            "iss": ISSUER,
            "aud": RESOURCE,
            "sub": "alice",
            "scope": "read",
            "exp": int(time.time()) + 300,
        }
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})


@contextmanager
def serving(keys: KeyServer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = keys.document()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_keys_of_a_url_are_kept_and_a_withdrawn_key_opens_nothing() -> None:
    keys = KeyServer()
    old, new, foreign = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    keys.keys = {"old": old}
    with serving(keys) as url:
        verifier = JwtVerifier(OAuthSettings(ISSUER, RESOURCE, url))

        def opens(key: ec.EllipticCurvePrivateKey, kid: str) -> bool:
            return asyncio.run(verifier.verify_token(keys.token(key, kid))) is not None

        assert opens(old, "old")
        asked = keys.asked
        for number in range(20):
            assert opens(old, "old")
            assert not opens(foreign, f"invented-{number}"), "a flood of invented keys"
            assert not opens(foreign, "old"), "another's key under a good name"
        assert keys.asked == asked, "strangers do not make this server ask another one"
        keys.keys = {"new": new}
        assert verifier._client is not None
        cache = verifier._client.jwk_set_cache
        assert cache is not None
        cache.lifespan = 1e-9
        assert opens(new, "new")
        assert not opens(old, "old")


def test_keys_that_cannot_be_fetched_open_nothing() -> None:
    keys = KeyServer()
    key = ec.generate_private_key(ec.SECP256R1())
    with serving(keys) as url:
        pass
    verifier = JwtVerifier(OAuthSettings(ISSUER, RESOURCE, url))
    assert asyncio.run(verifier.verify_token(keys.token(key, "k"))) is None


@pytest.mark.parametrize(
    "address",
    ["http://localhost.evil.example/k", "http://127.0.0.1@evil.example/k", "http://127.0.0.1.evil.example/k"],
)
def test_keys_are_not_fetched_in_the_clear_from_elsewhere(address: str) -> None:
    with pytest.raises(AuthenticationSettingsError, match="jwks"):
        JwtVerifier(OAuthSettings(ISSUER, RESOURCE, address))


async def drained(line: ClientConnection) -> None:
    """Hear everything until the other side closes."""
    while True:
        await line.recv()


def test_open_connections_end_with_their_token(alarmed: Path) -> None:
    store, now = TokenStore(paths_of(alarmed).tokens), time.time_ns()
    issued = store.add("watcher", "operator", now_ns=now)
    other = store.add("other", "operator", now_ns=now)

    async def tale(url: str) -> tuple[int, bool]:
        def bearer(text: str) -> dict[str, str]:
            return {"authorization": f"Bearer {text}"}

        async with (
            httpx.AsyncClient(base_url=url, timeout=30) as http,
            http.stream("GET", "/v1/stream", headers=bearer(issued.text), params={"stream": PLANT}) as events,
            http.stream("GET", "/v1/stream", headers=bearer(other.text), params={"stream": PLANT}) as kept,
            connect(f"{url.replace('http', 'ws')}/v1/live", additional_headers=bearer(issued.text)) as line,
        ):
            assert (events.status_code, kept.status_code) == (200, 200)
            await line.send(json.dumps({"type": "follow", "streams": [PLANT]}))
            store.revoke(issued.record.id, now_ns=time.time_ns())
            # Reading to the end returns only because the server ends it.
            await asyncio.wait_for(events.aread(), 20)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(drained(line), 20)
            first = await asyncio.wait_for(anext(kept.aiter_bytes()), 20)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, bool(first)

    with served(alarmed, settings=WebSettings(tokens=True)) as url:
        code, kept = asyncio.run(tale(url))
    assert code == 1008
    assert kept, "whose token is good goes on"


def test_another_tenants_thread_does_not_exist(story: Prepared, tmp_path: Path) -> None:
    home = tmp_path / "home"
    tokens = TokenStore(paths_of(home).tokens)
    texts = {
        tenant: tokens.add("r", "responder", now_ns=time.time_ns(), tenant=tenant).text
        for tenant in ("north", "south")
    }
    shutil.copytree(
        copied(story.alarmed, tmp_path / "alarmed"), paths_of(home).tenant("north"), dirs_exist_ok=True
    )
    with served(home, settings=WebSettings(tokens=True)) as url:

        def post(tenant: str, verb: str, body: dict[str, Any]) -> httpx.Response:
            headers = {"authorization": f"Bearer {texts[tenant]}"}
            return httpx.post(f"{url}/v1/agents/{verb}", json=body, headers=headers, timeout=120)

        run = {"incident_id": story.incident_id, "thread_id": "secret-thread"}
        # Nobody can be asked over REST, so the run waits at the question.
        assert post("north", "agent_run", run).status_code == 409
        mine = post("north", "agent_state", {"thread_id": "secret-thread"})
        assert (mine.status_code, mine.json()["runs"][0]["thread_id"]) == (200, "secret-thread")
        assert post("south", "agent_state", {}).json()["runs"] == []
        for verb in ("agent_state", "agent_resume"):
            refused = post("south", verb, {"thread_id": "secret-thread"})
            assert refused.status_code == 404, refused.text
            assert story.incident_id not in refused.text


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
def test_what_this_server_never_gave_or_tells_is_refused(era: str, tmp_path: Path) -> None:
    async def tale(client: Client) -> list[MCPError]:
        refused = []
        asked: list[Any] = [
            lambda: client.list_tools(cursor="invented"),
            lambda: client.list_prompts(cursor="invented"),
            lambda: client.list_resources(cursor=""),
            lambda: client.list_resource_templates(cursor="invented"),
        ]
        if era == "legacy":
            unknown = ("file:///etc/passwd", "eil://regime/", "shield://threats/activ")
            asked += [functools.partial(client.subscribe_resource, uri) for uri in unknown]
        for ask in asked:
            with pytest.raises(MCPError) as error:
                await ask()
            refused.append(error.value)
        if era != "legacy":
            wanted = ["file:///etc/passwd", "shield://threats/active"]
            async with client.listen(resource_subscriptions=wanted) as subscription:
                assert subscription.honored.resource_subscriptions == ["shield://threats/active"]
        return refused

    async def connected(server: Any) -> list[MCPError]:
        async with Client(server, mode=era) as client:
            return await tale(client)

    with opened(tmp_path / "home") as platform:
        refused = asyncio.run(connected(create_mcp_server(platform)))
    assert {error.error.code for error in refused} == {INVALID_PARAMS}
