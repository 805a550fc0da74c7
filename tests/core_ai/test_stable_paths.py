"""The import paths of the earlier design, with what they promise."""

import asyncio
from pathlib import Path
from typing import Any

from field_question import burgers_question
from industriverse.core_ai.eil import EILOptimizer, Option
from industriverse.core_ai.nvp import ACEAgent, Goals, NVPPredictor
from industriverse.operations.platform import Platform
from prepared_plant import call, on


def test_the_optimizer_ranks_options() -> None:
    nothing = Option("do nothing", 50.0, cost=0.0)
    verdict = EILOptimizer().optimize([Option("repair", 1.0), Option("cut", 1.0, reversible=False)], nothing)
    assert [judged.option.name for judged in verdict.ranking] == ["repair", "cut", "do nothing"]


def test_the_agent_forecasts_through_any_caller_of_tools(tmp_path: Path) -> None:
    question, _ = burgers_question(viscosity_believed=5e-3)

    async def tale(platform: Platform) -> None:
        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await call(platform, name, **arguments)
            return dict(result.model_dump(mode="json"))

        kept = await call_tool("nvp_field", question)
        asked = {"field_id": kept["field_id"], "horizon_frames": 2}
        good = await ACEAgent(call_tool, Goals(0.2, 1.0, 20_000)).forecast(asked, may_infer=["viscosity"])
        assert good.emitted, good.reason
        assert good.forecast["field_values"]
        strict = await ACEAgent(call_tool, Goals(1e-9, 1.0, 20)).forecast(asked)
        assert not strict.emitted
        assert strict.reason
        assert strict.forecast == {}

    on(tmp_path / "home", tale)


def test_the_predictor_is_the_platforms_own() -> None:
    assert NVPPredictor.__module__.startswith("industriverse.nvp")
    assert asyncio.iscoroutinefunction(ACEAgent.forecast)
