"""Plans on the simulated plant: shown, approved, carried out once, taken back."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industriverse.operations.context import LOCAL_OPERATOR, Principal
from industriverse.operations.errors import (
    ApprovalUnavailableError,
    NotAllowedError,
    NotFoundError,
    OperationError,
)
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.physics import IndustriverseError
from industriverse.shield.errors import (
    PlanAlteredError,
    PlanExpiredError,
    PlanReplayedError,
    PlanStateError,
    PrincipalMismatchError,
)
from prepared_plant import CLEAN_HOURS, PLANT, Answer, Prepared, approve, call, copied, decline, on
from wandering_telemetry import wandering


def commands(platform: Platform) -> list[tuple[str, str]]:
    plant = platform.services.plants.find(PLANT)
    return [(command.verb, command.target) for command in plant.active_commands()]


async def act(
    platform: Platform, plan_id: str, *, answer: Answer = approve, principal: Principal = LOCAL_OPERATOR
) -> Any:
    return await invoke(platform, "shield_act", {"plan_id": plan_id}, principal=principal, approve=answer)


def test_a_plan_is_carried_out_once_and_taken_back(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        first = await act(platform, story.plan_id)
        assert first.approved_by == LOCAL_OPERATOR.name
        assert len(first.actions) == len(commands(platform)) == 2
        again = await act(platform, story.plan_id)
        assert again.actions == first.actions
        assert "before" in again.note
        assert len(commands(platform)) == 2

        back = await call(platform, "shield_revert", plan_id=story.plan_id)
        assert back.reverted == ["switch_sensor_link tank-1"]
        assert back.irreversible == ["isolate_controller plc-1"]
        assert commands(platform) == [("isolate_controller", "plc-1")]
        assert (await call(platform, "shield_revert", plan_id=story.plan_id)).reverted == []
        with pytest.raises(PlanReplayedError, match="one plan acts once"):
            await act(platform, story.plan_id)

    on(planned, tale)


def test_commands_survive_the_process_that_gave_them(planned: Path, story: Prepared) -> None:
    async def first(platform: Platform) -> None:
        await act(platform, story.plan_id)

    async def second(platform: Platform) -> None:
        assert len(commands(platform)) == 2
        assert "before" in (await act(platform, story.plan_id)).note

    on(planned, first)
    on(planned, second)


def test_an_irreversible_plan_is_not_carried_out_without_approval(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(ApprovalUnavailableError, match="a person has to approve"):
            await call(platform, "shield_act", plan_id=story.plan_id)
        assert commands(platform) == []

    on(planned, tale)


def test_a_declined_plan_does_nothing_and_may_be_asked_about_again(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(NotAllowedError, match="declined: the test disagrees; nothing was done"):
            await act(platform, story.plan_id, answer=decline)
        assert commands(platform) == []
        assert (await act(platform, story.plan_id)).actions

    on(planned, tale)


def test_altered_unknown_and_foreign_plan_ids_are_refused(planned: Path, story: Prepared) -> None:
    name, _, signature = story.plan_id.partition(".")
    flipped = f"{name}.{'0' if signature[0] != '0' else '1'}{signature[1:]}"

    async def tale(platform: Platform) -> None:
        for wrong in (name, "", "nonsense", f"{name}.", "." + signature):
            with pytest.raises(PlanAlteredError, match="not a signed plan id"):
                await act(platform, wrong)
        with pytest.raises(PlanAlteredError, match="one of them was altered"):
            await act(platform, flipped)
        with pytest.raises(IndustriverseError, match="plan"):
            await act(platform, f"plan-{'0' * 32}.{signature}")
        stranger = Principal("stranger", frozenset({"act"}))
        with pytest.raises(PrincipalMismatchError, match="made for 'local-operator', not for 'stranger'"):
            await act(platform, story.plan_id, principal=stranger)
        assert commands(platform) == []

    on(planned, tale)


def test_an_altered_plan_id_cannot_take_a_plan_back(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        await act(platform, story.plan_id)
        name = story.plan_id.partition(".")[0]
        with pytest.raises(PlanAlteredError):
            await call(platform, "shield_revert", plan_id=f"{name}.{'0' * 64}")
        assert len(commands(platform)) == 2

    on(planned, tale)


def test_whoever_may_act_can_take_back_what_another_did(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        await act(platform, story.plan_id)
        colleague = Principal("colleague", frozenset({"act"}))
        assert (await call(platform, "shield_revert", plan_id=story.plan_id, caller=colleague)).reverted

    on(planned, tale)


def test_a_plan_that_was_not_carried_out_has_nothing_to_take_back(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(PlanStateError, match="nothing to revert"):
            await call(platform, "shield_revert", plan_id=story.plan_id)

    on(planned, tale)


def later(folder: Path, hours: float) -> Platform:
    """The platform at a later time of day."""
    import time

    from industriverse.mcp_server.composition import compose

    return compose(Home(folder), clock=lambda: time.time_ns() + round(hours * 3600e9))


def test_an_expired_plan_is_refused_and_one_that_was_carried_out_in_time_still_says_so(
    planned: Path, story: Prepared
) -> None:
    with later(planned, 1.01) as platform:
        with pytest.raises(PlanExpiredError, match="make a new plan"):
            asyncio.run(act(platform, story.plan_id))
        assert commands(platform) == []
        platform.home.close()

    async def tale(platform: Platform) -> None:
        await act(platform, story.plan_id)

    on(planned, tale)
    with later(planned, 1.01) as platform:
        assert "before" in asyncio.run(act(platform, story.plan_id)).note
        assert asyncio.run(call(platform, "shield_revert", plan_id=story.plan_id)).reverted
        platform.home.close()


def test_planning_does_not_change_what_the_detector_says_next(
    alarmed: Path, story: Prepared, tmp_path: Path
) -> None:
    def day_after(*, plan: bool) -> Callable[[Platform], Coroutine[Any, Any, Any]]:
        async def tale(platform: Platform) -> Any:
            await call(platform, "eil_regime", stream=PLANT)
            if plan:
                await call(platform, "shield_plan", incident_id=story.incident_id)
                await call(platform, "nvp_forecast", stream=PLANT)
            await call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS + 72)
            return platform.services.streams.watched(PLANT).readings

        return tale

    twin = copied(alarmed, tmp_path / "twin")
    planned_for, left_alone = on(alarmed, day_after(plan=True)), on(twin, day_after(plan=False))
    assert len(planned_for) == len(left_alone)
    for name in type(planned_for).__dataclass_fields__:
        one, other = getattr(planned_for, name), getattr(left_alone, name)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes(), name


def test_a_drafted_plan_is_better_than_doing_nothing_and_can_be_carried_out(
    alarmed: Path, story: Prepared
) -> None:
    async def tale(platform: Platform) -> None:
        plan = await call(platform, "shield_plan", incident_id=story.incident_id)
        assert plan.actions
        assert plan.expected_free_energy_kt < plan.do_nothing_free_energy_kt
        assert commands(platform) == []
        assert (await act(platform, plan.plan_id)).actions
        assert len(commands(platform)) == len(plan.actions)

    on(alarmed, tale)


def test_no_plan_is_made_for_an_unknown_incident(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        for name in ("shield_plan", "shield_explain"):
            with pytest.raises(NotFoundError, match="no incident 'x'; list incidents with shield_threats"):
                await call(platform, name, incident_id="x")

    on(tmp_path / "home", tale)


def test_a_stream_without_actuators_is_not_planned_for(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(1000, fault_from=900)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        incident = (await call(platform, "shield_threats")).incidents[0]
        with pytest.raises(OperationError, match="no actuators"):
            await call(platform, "shield_plan", incident_id=incident.id)

    on(tmp_path / "home", tale)
