"""What clients see of the tools is a promise: it changes only together with the snapshot.

    INDUSTRIVERSE_UPDATE_SNAPSHOTS=1 python -m pytest tests/mcp_server/test_schemas.py

writes the snapshot anew; the change is then seen in review.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError

from industriverse.mcp_server.app import create_mcp_server
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load
from prepared_plant import PLANT, Prepared, copied, opened
from schema_values import fitting

load()
SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "tools.json"
SLOW = frozenset(
    {
        "agent_resume", "agent_run", "eil_prove", "nvp_field", "shield_analyze", "shield_plan", "signal_compile",
        "sim_run",
    }
)  # fmt: skip
"""These take seconds when their arguments are good; they get arguments that are only nearly so."""


async def listed(folder: Path) -> dict[str, dict[str, Any]]:
    with opened(folder) as platform:
        server = create_mcp_server(platform, toolsets=frozenset({"all"}))
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
    return {
        tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"icons"})
        for tool in sorted(tools, key=lambda tool: tool.name)
    }


def test_tools_are_as_the_snapshot_says(tmp_path: Path) -> None:
    seen = asyncio.run(listed(tmp_path / "home"))
    if os.environ.get("INDUSTRIVERSE_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
    kept = json.loads(SNAPSHOT.read_text())
    assert seen.keys() == kept.keys()
    for name, tool in seen.items():
        assert tool == kept[name], f"{name} changed: run this file with INDUSTRIVERSE_UPDATE_SNAPSHOTS=1"


@pytest.fixture(scope="module")
def platform(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with opened(copied(story.alarmed, tmp_path_factory.mktemp("schemas") / "home")) as platform:
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> MCPServer[Any]:
    return create_mcp_server(platform, toolsets=frozenset({"all"}))


NEARLY: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=20),
    st.lists(st.none(), max_size=2),
)


def spoilt(good: dict[str, Any], data: st.DataObject, fields: list[str]) -> dict[str, Any]:
    """Arguments with one thing wrong: a value of another kind, a field too many, or one too few."""
    name = data.draw(st.sampled_from([*fields, "nonsense"]))
    if name in good and data.draw(st.booleans()):
        return {key: value for key, value in good.items() if key != name}
    return {**good, name: data.draw(NEARLY)}


def with_names(arguments: dict[str, Any], names: dict[str, str], data: st.DataObject) -> dict[str, Any]:
    """Often the names of things that exist, so that calls get beyond the first look-up."""
    known = {field: name for field, name in names.items() if field in arguments}
    return {**arguments, **known} if data.draw(st.integers(0, 3)) else arguments


@pytest.mark.parametrize("name", [declared.name for declared in registry])
def test_arguments_from_the_schema_never_crash_a_tool(
    name: str, platform: Platform, server: MCPServer[Any], story: Prepared
) -> None:
    """Through a client, on the protocol: an answer, or an error that says what to do; never a crash."""
    names = {"stream": PLANT, "incident_id": story.incident_id, "plan_id": "plan", "certificate_id": "c"}

    async def calls(data: st.DataObject) -> None:
        tool = server._tool_manager.get_tool(name)
        assert tool is not None
        drawn = data.draw(fitting(tool.parameters))
        fields = sorted(tool.parameters.get("properties", {}))
        given_arguments = with_names(drawn, names, data)
        if name in SLOW or data.draw(st.booleans()):
            given_arguments = spoilt(given_arguments, data, fields)
            if name in SLOW:
                given_arguments = {**given_arguments, "nonsense": 1}
        async with Client(server) as client:
            try:
                result = await client.call_tool(name, given_arguments)
            except (MCPError, RuntimeError, ValueError) as error:
                # The client itself refuses what cannot be said in JSON; a crash would be an internal error.
                refused = str(error)
            else:
                refused = " ".join(getattr(block, "text", "") for block in result.content)
        assert "Internal" not in refused, given_arguments
        assert refused != f"Error executing tool {name}", given_arguments
        assert "Traceback" not in refused

    @settings(
        # What reads gets many more in process (tests/operations/test_near_valid_arguments.py).
        max_examples=1 if registry[name].read_only else 3,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        asyncio.run(calls(data))

    run()
