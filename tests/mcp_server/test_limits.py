"""Limits in energy and in time: who has used up a budget is told when to come back, and no question waits for ever."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from industriverse.mcp_server import tools
from industriverse.mcp_server.app import create_mcp_server
from industriverse.mcp_server.web import WebSettings
from industriverse.operations.home import paths_of
from industriverse.operations.tokens import TokenStore
from mcp_results import text_of
from prepared_plant import PLANT, Prepared, opened
from web_server import served


def test_a_budget_that_is_used_up_says_over_rest_when_it_is_enough_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    token = TokenStore(paths_of(home).tokens).add("ada", "responder", now_ns=time.time_ns()).text
    (home / "budgets.json").write_text(json.dumps({"ada": {"capacity_ceu": 6.0, "refill_ceu_per_s": 0.001}}))
    headers = {"authorization": f"Bearer {token}"}
    with (
        served(home, settings=WebSettings(tokens=True)) as url,
        httpx.Client(base_url=url, headers=headers, timeout=60) as http,
    ):
        plan = {"incident_id": "incident-0123456789abcdef"}
        assert http.post("/v1/shield/plan", json=plan).status_code == 404, "and it is charged all the same"
        refused = http.post("/v1/shield/plan", json=plan)
        status = http.post("/v1/platform/status", json={})
    assert (refused.status_code, refused.json()["title"]) == (429, "BudgetExceededError")
    assert int(refused.headers["retry-after"]) > 60
    assert "ada needs" in refused.json()["detail"]
    assert (
        float(dict(part.split("=") for part in status.headers["energy-context"].split(", "))["budget-left"])
        < 2
    )


def test_a_person_who_does_not_answer_approves_nothing(
    planned: Path, story: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(context: Any, params: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(tools, "APPROVAL_SECONDS", 0.4)

    async def ask(server: Any) -> Any:
        with anyio.fail_after(30):
            async with Client(server, mode="legacy", elicitation_callback=silent) as client:
                return await client.call_tool("shield_act", {"plan_id": story.plan_id})

    with opened(planned) as platform:
        refused = asyncio.run(ask(create_mcp_server(platform, toolsets=frozenset({"all"}))))
        assert platform.services.plants.find(PLANT).active_commands() == ()
    assert refused.is_error
    assert "no answer within 0 s" in text_of(refused)
