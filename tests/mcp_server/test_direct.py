"""Calls that take the short way are answered as the SDK would have answered them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.server import MCPServer

from industriverse.mcp_server import direct
from industriverse.mcp_server.app import create_mcp_server
from industriverse.operations.platform import Platform
from prepared_plant import PLANT, opened

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("economy_read", {}),
    ("eil_regime", {"stream": PLANT}),
    ("eil_regime", {"stream": "nowhere"}),
    ("eil_regime", {"stream": PLANT, "unheard_of": 1}),
    ("eil_regime", {}),
    ("shield_threats", {"open_only": True}),
    ("eil_decide", {"stream": PLANT, "options": '[{"name": "valve", "relief": 0.5}]'}),
    ("atlas_search", {"text": "no such thing", "limit": 0}),
]


async def answers(server: MCPServer[Any], era: str) -> list[dict[str, Any]]:
    found = []
    async with Client(server, mode=era) as client:
        for name, arguments in CALLS:
            answer = (await client.call_tool(name, arguments)).model_dump(mode="json", by_alias=True)
            # Ids, what is left of a budget and the name on the answer are not the same twice.
            answer["_meta"] = sorted(answer.get("_meta") or {})
            found.append(answer)
    return found


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_the_short_way_answers_what_the_sdk_answers(
    era: str, alarmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = 0
    answer = direct.DirectCalls._answer

    async def counted(self: Any, *given: Any) -> dict[str, Any]:
        nonlocal short
        short += 1
        return await answer(self, *given)

    async def both(platform: Platform) -> tuple[list[Any], list[Any]]:
        server = create_mcp_server(platform, toolsets=frozenset({"all"}))
        monkeypatch.setattr(direct.DirectCalls, "_answer", counted)
        by_short_way = await answers(server, era)
        monkeypatch.setattr(direct, "_is_plain", lambda *_: False)
        return by_short_way, await answers(server, era)

    with opened(alarmed) as platform:
        by_short_way, by_sdk = asyncio.run(both(platform))
    assert short == 4
    assert json.dumps(by_short_way, indent=1, sort_keys=True) == json.dumps(by_sdk, indent=1, sort_keys=True)
    assert [found["isError"] for found in by_sdk] == [False, False, True, True, True, False, False, True]
