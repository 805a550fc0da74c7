"""What a stranger sends comes back in errors only as text that does nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from websockets.asyncio.client import connect

from industriverse.mcp_server.app import create_mcp_server
from industriverse.mcp_server.inert import inert
from industriverse.operations.platform import Platform
from prepared_plant import opened
from web_server import served

ATTACKS = (
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "'; DROP TABLE",
    "$(id)",
    "`id`",
    "${jndi:x}",
    "{{7*7}}",
    "\x00",
)


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_errors_reflect_no_attack(era: str, tmp_path: Path) -> None:
    async def told(platform: Platform) -> list[str]:
        found = []
        server = create_mcp_server(platform, toolsets=frozenset({"all"}))
        async with Client(server, mode=era) as client:

            async def ask(work: Any) -> None:
                try:
                    found.append((await work).model_dump_json())
                except MCPError as error:
                    found.append(repr((error.error.code, error.error.message, error.error.data)))

            for attack in ATTACKS:
                await ask(client.call_tool("eil_regime", {"stream": attack}))
                await ask(client.call_tool("economy_read", {"limit": attack}))
                await ask(client.call_tool(f"x{attack}", {}))
                await ask(client.get_prompt(f"x{attack}"))
                await ask(client.read_resource(f"docs://x{attack}"))
        return found

    with opened(tmp_path / "home") as platform:
        answers = asyncio.run(told(platform))
    assert len(answers) == 5 * len(ATTACKS)
    for attack in ("<script>", "../../../etc", "'; DROP", "$(id)", "`id`", "${jndi:", "{{7*7}}", "\x00"):
        assert not [answer for answer in answers if attack in answer]
    assert all("-32603" not in answer for answer in answers)


def test_problem_documents_reflect_no_attack(tmp_path: Path) -> None:
    told: list[str] = []

    async def over_the_socket(url: str) -> None:
        async with connect(f"{url.replace('http', 'ws')}/v1/live") as line:
            for attack in ATTACKS:
                for message in ({"type": "follow", "streams": [attack]}, {"type": "samples", attack: 1}):
                    await line.send(json.dumps({**message, "id": 1}))
                    answer = json.loads(await asyncio.wait_for(line.recv(), 30))
                    assert answer["type"] == "problem"
                    told.append(f"{answer['detail']} {answer['hint']}")

    with served(tmp_path / "home") as url, httpx.Client(base_url=url, timeout=30) as http:
        for attack in ATTACKS:
            for answer in (
                http.post("/v1/eil/regime", json={"stream": attack}),
                http.get("/v1/eil/regime", params={"stream": attack}),
                http.post("/v1/economy/read", json={"limit": attack}),
                http.post("/v1/economy/read", json={attack: 1}),
                http.post("/v1/economy/read", content=attack.encode()),
                http.get("/v1/stream", params={"stream": attack}),
                http.get("/v1/stream", headers={"last-event-id": attack.replace("\x00", "x")}),
                http.post(
                    "/v1/sim/run",
                    json={"plant_id": "p", "until_hours": 1},
                    headers={"idempotency-key": attack.replace("\x00", "x")},
                ),
            ):
                assert 400 <= answer.status_code < 500
                assert answer.headers["content-type"] == "application/problem+json"
                told.append(f"{answer.json()['detail']} {answer.json()['hint']}")
        asyncio.run(over_the_socket(url))
    for attack in ("<script>", "../../../etc", "'; DROP", "$(id)", "`id`", "${jndi:", "{{7*7}}", "\x00"):
        assert not [text for text in told if attack in text]


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_wrong_argument_is_named_without_sending_anybody_elsewhere(era: str, tmp_path: Path) -> None:
    async def told(platform: Platform) -> str:
        async with Client(create_mcp_server(platform), mode=era) as client:
            return (await client.call_tool("eil_regime", {"stream": 5})).model_dump_json()

    with opened(tmp_path / "home") as platform:
        text = asyncio.run(told(platform))
    assert "stream" in text
    assert "valid string" in text
    assert "://" not in text


def test_a_plain_text_stays_as_it_is() -> None:
    text = "no stream 'a'; streams are: practice, pump <3, 5 > 4, {\"a\": 1}"
    assert inert(text) == text


def test_the_documentation_is_read_by_name_and_never_by_path(tmp_path: Path) -> None:
    async def read(platform: Platform) -> tuple[str, list[str]]:
        async with Client(create_mcp_server(platform)) as client:
            whole = await client.read_resource("docs://bridge")
            refused = []
            for wrong in ("docs://bridge.md", "docs://..%2Fpyproject", "docs://%2Fetc%2Fpasswd", "docs://.."):
                with pytest.raises(MCPError) as error:
                    await client.read_resource(wrong)
                refused.append(error.value.error.message)
        return whole.model_dump()["contents"][0]["text"], refused

    with opened(tmp_path / "home") as platform:
        whole, refused = asyncio.run(read(platform))
    assert whole.startswith("# The bridge")
    assert len(refused) == 4
