"""A server killed with signal 9 in every node of ACE and TIL goes on where it was."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from field_question import burgers_question
from prepared_plant import PLANT
from stdio_server import kill, parameters

NODES = {
    "ace": ("aspire", "measure", "question", "refine", "emit"),
    "til": ("attend", "weigh", "reflect", "advise"),
}


async def run_until(home: Path, arguments: dict[str, Any], node: str | None, heard: list[str]) -> Any:
    """Start or resume the run; kill the server when ``node`` reports, or return the end of the run."""

    killed = False

    async def report(progress: float, total: float | None, message: str | None) -> None:
        nonlocal killed
        told = (message or "").partition(":")[0]
        heard.append(told)
        # What the server had told before it died is still delivered, this node's name perhaps once more.
        if told == node and not killed:
            killed = True
            kill(home)

    try:
        async with Client(parameters(home, "--toolsets", "all")) as client, asyncio.timeout(120):
            known = (await client.call_tool("agent_state", {})).structured_content["runs"]
            if arguments["graph"] == "ace" and not known:
                field, _ = burgers_question(viscosity_believed=0.05)
                kept = await client.call_tool("nvp_field", field)
                arguments["field_id"] = kept.structured_content["field_id"]
            name, given = ("agent_resume", {"thread_id": "t"}) if known else ("agent_run", arguments)
            result = await client.call_tool(name, given, progress_callback=report)
            assert not result.is_error, result.content
            return result.structured_content
    except Exception:
        if not killed:
            raise
        return None


@pytest.mark.slow
@pytest.mark.parametrize("graph", sorted(NODES))
def test_a_run_killed_in_every_node_comes_to_the_end_that_it_would_have_come_to(
    graph: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # A field needs no plant: a server that finds none is up much sooner.
    home = tmp_path / "fields" if graph == "ace" else request.getfixturevalue("alarmed")
    heard: list[str] = []
    arguments: dict[str, Any] = {"graph": graph, "thread_id": "t"}
    if graph == "ace":
        arguments["goals"] = {"accuracy": 0.1}
    else:
        arguments |= {"stream": PLANT, "options": [{"name": "repair", "relief": 0.9}]}
    ended = None
    for node in (*NODES[graph], None):
        ended = asyncio.run(run_until(home, arguments, node, heard))
        if ended is not None:
            break
    assert ended is not None
    assert set(NODES[graph]) <= set(heard)
    if graph == "ace":
        assert ended["outcome"] == "emitted", ended["state"]["reason"]
        spent = sum(turn["steps"] for turn in ended["state"]["rounds"])
        assert ended["state"]["spent_steps"] == spent, "no measurement is charged or kept twice"
    else:
        assert ended["state"]["advice"] == "repair"
