"""The server as assistants start it: a process on standard input and output."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from industriverse.operations.home import Home
from industriverse.operations.registry import registry
from mcp_results import text_of
from prepared_plant import PLANT, Prepared
from stdio_server import parameters


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_an_assistant_lists_calls_and_approves_over_stdio(era: str, planned: Path, story: Prepared) -> None:
    async def approve(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": True})

    async def tale() -> None:
        server = parameters(planned, "--toolsets", "all")
        async with Client(server, mode=era, elicitation_callback=approve) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            regime = await client.call_tool("eil_regime", {"stream": PLANT})
            acted = await client.call_tool("shield_act", {"plan_id": story.plan_id})
        assert names == {declared.name for declared in registry}
        assert regime.structured_content["alarm"] is True
        assert not acted.is_error, text_of(acted)

    asyncio.run(tale())


def test_a_second_process_on_the_same_home_is_told_in_one_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Home(home):
        second = subprocess.run(
            [sys.executable, "-m", "industriverse.cli", "mcp", "--home", str(home)],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ),
        )
    assert second.returncode == 1
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"Error: another process owns {home}; use its server, stop it, or set")


def test_an_unknown_toolset_is_told_in_one_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "industriverse.cli",
        "mcp",
        "--home",
        str(tmp_path),
        "--toolsets",
        "nonsense",
    ]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert line.startswith("Error: no toolset 'nonsense'; toolsets are all, agents")


def test_nothing_but_the_protocol_is_written_to_standard_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "industriverse.cli", "mcp", "--home", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, input="")
    assert ended.returncode == 0
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
