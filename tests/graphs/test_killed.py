"""A server that is killed in every node of the response, and the next one that goes on."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from prepared_plant import NODES, PLANT, Prepared
from stdio_server import kill, parameters


async def approve(context: Any, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={"approve": True, "reason": "the test agrees"})


async def run_until(
    home: Path, incident_id: str, node: str | None, heard: list[str]
) -> dict[str, Any] | None:
    """Start or resume the run; kill the server when ``node`` reports, or return the end of the run."""

    killed = False

    async def report(progress: float, total: float | None, message: str | None) -> None:
        nonlocal killed
        name = (message or "").partition(":")[0]
        heard.append(name)
        # What the server had told before it died is still delivered, this node's name perhaps once more.
        if name == node and not killed:
            killed = True
            kill(home)

    server = parameters(home, "--toolsets", "all")
    try:
        async with Client(server, elicitation_callback=approve) as client, asyncio.timeout(300):
            known = (await client.call_tool("agent_state", {})).structured_content["runs"]
            name, arguments = ("agent_resume", {"thread_id": "t"})
            if not known:
                name, arguments = ("agent_run", {"incident_id": incident_id, "thread_id": "t"})
            result = await client.call_tool(name, arguments, progress_callback=report)
            assert not result.is_error, result.content
            return dict(result.structured_content)
    except Exception:
        if not killed:
            raise
        return None


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_killed_in_every_node_comes_to_the_same_end_and_repeats_nothing(
    alarmed: Path, story: Prepared
) -> None:
    heard: list[str] = []
    ended: dict[str, Any] | None = None
    for node in (*NODES, None):
        ended = asyncio.run(run_until(alarmed, story.incident_id, node, heard))
        if ended is not None:
            break
    assert ended is not None
    assert ended["outcome"] == "recovered"
    assert list(dict.fromkeys(heard)) == list(NODES)

    applied = rows(alarmed / "plants.sqlite", "SELECT name FROM sqlite_master WHERE type = 'table'")
    assert applied, "the journal is whole"
    for name in (
        "plants.sqlite",
        "ledger.sqlite",
        "shield.sqlite",
        "checkpoints.sqlite",
        "streams/samples.sqlite",
    ):
        assert rows(alarmed / name, "PRAGMA integrity_check") == [("ok",)]

    state = ended["state"]
    certificates = [json.loads(path.read_text()) for path in (alarmed / "certificates").glob("*.json")]
    assert len(certificates) == 1
    server = parameters(alarmed, "--toolsets", "all")

    async def look() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        async with Client(server) as client:
            read = await client.call_tool("economy_read", {"certificate_id": state["certificate_id"]})
            actions = await client.call_tool("atlas_search", {"kind": "Action"})
            status = await client.call_tool("platform_status", {})
        return read.structured_content, actions.structured_content, status.structured_content

    read, actions, status = asyncio.run(look())
    assert len(read["entries"]) == 1
    assert read["supply"] == read["minted_for_certificate"] == state["minted_pft"]
    assert actions["total"] == len(state["actions"])
    assert status["open_incidents"] == 0
    assert status["streams"][0]["samples"] == status["simulated_plants"][0]["samples"]
    assert status["streams"][0]["name"] == PLANT
