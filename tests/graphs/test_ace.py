"""ACE on fields and streams: questions that are computations, refinements that change them, abstention."""

from pathlib import Path
from typing import Any

import pytest
import torch

from field_question import burgers_question
from industriverse.graphs.ace_questions import Goals, ask, next_settings
from industriverse.graphs.errors import GraphError
from industriverse.nvp.metrics import vrmse
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError
from industriverse.operations.platform import Platform
from prepared_plant import PLANT, call, on

GOOD: dict[str, Any] = {
    "error": 0.01,
    "width": 0.1,
    "half_step_change": 0.001,
    "resolution": 0.001,
    "coefficient_change": None,
    "disagreement": 0.001,
    "misfit": 0.0,
    "balance_error": 0.0,
    "second_law": True,
    "entropy_produced": 1.0,
    "above": None,
}
GOALS = Goals(accuracy=0.05, width=1.0, budget_steps=1000)
FIRST: dict[str, Any] = {"refinement": 1, "padding": 1.0, "members": 4, "infer": [], "history_rows": 1500}


def failed(**changes: Any) -> list[str]:
    return [answer.question for answer in ask({**GOOD, **changes}, GOALS) if not answer.passed]


@pytest.mark.parametrize(
    ("change", "question"),
    [
        ({"balance_error": 1e-3}, "is the balance closed?"),
        ({"second_law": False}, "is entropy production non-negative?"),
        ({"half_step_change": 0.04}, "does half the step change the answer?"),
        ({"disagreement": 0.06}, "do the members agree?"),
        ({"resolution": 0.06}, "can the grid hold what it shows?"),
        ({"coefficient_change": 0.03}, "would coefficients read from the frames change the answer?"),
        ({"misfit": 0.04}, "does the model explain the latest frame?"),
        ({"misfit": None}, "does the model explain the latest frame?"),
        ({"above": 0.5}, "is the decision the same inside sensor noise?"),
        ({"error": 0.06}, "does the estimated error meet the goal?"),
        ({"error": None}, "does the estimated error meet the goal?"),
        ({"width": 1.5}, "is the band narrow enough?"),
    ],
)
def test_each_question_fails_on_the_number_that_it_is_about(change: dict[str, Any], question: str) -> None:
    assert failed(**change) == [question]


def test_a_forecast_with_nothing_against_it_passes_every_question() -> None:
    assert failed() == []
    assert failed(above=1.0) == []


def test_every_refinement_changes_the_computation_and_is_used_up_at_last() -> None:
    settings, remedies = FIRST, []
    answers = ask({**GOOD, "half_step_change": 1.0}, GOALS)
    while (found := next_settings(settings, answers, ("smaller_step", "finer_grid"), ())) is not None:
        remedy, changed = found
        assert changed != settings
        remedies.append(remedy)
        settings = changed
    assert set(remedies) == {"smaller_step", "finer_grid"}
    assert len(remedies) < 12


async def questioned(platform: Platform, question: dict[str, Any], thread: str, **goals: float) -> Any:
    field = await call(platform, "nvp_field", **question)
    return await call(
        platform, "agent_run", graph="ace", field_id=field.field_id, goals=goals, thread_id=thread
    )


def test_a_wrong_coefficient_is_found_out_and_read_from_the_frames(tmp_path: Path) -> None:
    question, truth = burgers_question(viscosity_believed=0.05)

    async def tale(platform: Platform) -> None:
        run = await questioned(platform, question, "wrong", accuracy=0.1, width=1.0)
        assert run.outcome == "emitted", run.state["reason"]
        assert "viscosity" in run.state["settings"]["infer"]
        first = run.state["rounds"][0]["answers"]
        assert any(not answer["passed"] for answer in first)
        forecast = torch.tensor(run.state["forecast"]["field_values"], dtype=torch.float64)[None]
        assert float(vrmse(forecast, truth).max()) <= 0.1
        assert run.state["goals"] == run.state["asked_goals"]
        assert run.state["spent_steps"] == sum(turn["steps"] for turn in run.state["rounds"])

    on(tmp_path / "home", tale)


def test_a_goal_out_of_reach_makes_it_abstain_with_the_reason_and_no_forecast(tmp_path: Path) -> None:
    question, _ = burgers_question(viscosity_believed=5e-3)

    async def tale(platform: Platform) -> None:
        run = await questioned(platform, question, "strict", accuracy=1e-6)
        assert run.outcome == "abstained"
        assert run.state["forecast"] == {}
        assert "limit" in run.state["reason"]
        assert run.state["goals"]["accuracy"] == 1e-6
        cheap = await questioned(platform, question, "cheap", accuracy=0.01, budget_ceu=0.04)
        assert cheap.outcome == "abstained"
        assert "energy budget" in cheap.state["reason"]

    on(tmp_path / "home", tale)


def test_one_frame_says_nothing_about_its_equation(tmp_path: Path) -> None:
    question, _ = burgers_question(viscosity_believed=5e-3, frames=1)

    async def tale(platform: Platform) -> None:
        run = await questioned(platform, question, "one")
        assert run.outcome == "abstained"
        assert "cannot be told" in run.state["reason"]

    on(tmp_path / "home", tale)


def test_a_stream_in_alarm_is_not_forecast_from_its_clean_dynamics(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        goals = {"accuracy": 5.0, "width": 20.0, "budget_ceu": 100.0}
        run = await call(platform, "agent_run", graph="ace", stream=PLANT, goals=goals, thread_id="s")
        assert run.outcome == "abstained"
        assert "explain the latest frame" in run.state["reason"]

    on(alarmed, tale)


def test_a_calm_stream_is_forecast_within_wide_goals_and_not_within_narrow_ones(learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await call(platform, "sim_run", plant_id=PLANT, until_hours=24 * 30 + 2)
        goals = {"accuracy": 1.0, "width": 6.0, "budget_ceu": 100.0}
        run = await call(platform, "agent_run", graph="ace", stream=PLANT, goals=goals, thread_id="wide")
        assert run.outcome == "emitted", run.state["reason"]
        assert run.state["forecast"]["stream_values"]
        goals["accuracy"] = 1e-3
        run = await call(platform, "agent_run", graph="ace", stream=PLANT, goals=goals, thread_id="narrow")
        assert run.outcome == "abstained"

    on(learned, tale)


def test_a_thread_is_not_taken_over_by_other_goals(tmp_path: Path) -> None:
    question, _ = burgers_question(viscosity_believed=5e-3)

    async def tale(platform: Platform) -> None:
        await questioned(platform, question, "t", accuracy=0.1)
        with pytest.raises(GraphError, match="was begun with goals"):
            await questioned(platform, question, "t", accuracy=0.2)
        with pytest.raises(GraphError, match="is of the graph ace"):
            await call(platform, "agent_run", graph="til", stream="s", thread_id="t")

    with pytest.raises(NotFoundError, match="'s'"):
        on(tmp_path / "home", tale)


@pytest.mark.parametrize("arguments", [{}, {"stream": "s", "field_id": "f"}])
def test_ace_needs_a_stream_or_a_field(arguments: dict[str, Any], tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(InvalidArgumentsError, match="stream or field_id"):
            await call(platform, "agent_run", graph="ace", **arguments)

    on(tmp_path / "home", tale)


def test_frames_that_are_no_field_are_refused_by_name(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(InvalidArgumentsError, match="frames: the rows have different lengths"):
            await call(platform, "nvp_field", domain="burgers", frame_s=1.0, frames=[[[[1.0, 2.0], [1.0]]]])

    on(tmp_path / "home", tale)
