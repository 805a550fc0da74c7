"""Acting alone: a host cluster under attack, with nobody at the desk."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.runtime import Runtime

from industriverse.graphs import response_nodes as nodes
from industriverse.graphs.response_limits import LIMITS, why_ask
from industriverse.graphs.state import GraphContext, ResponseState
from industriverse.operations.context import LOCAL_OPERATOR, ApprovalAnswer, ApprovalRequest
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.responding import act_on_plan
from industriverse.shield.plan import Action, Plan, RolloutOutcome, plan_id_of
from industriverse.shield.responder import Responder
from industriverse.shield.signing import PlanSigner
from industriverse.signals import NANOSECONDS_PER_SECOND
from industriverse.simulation import Command
from industriverse.simulation.catalogue import plain_spec
from industriverse.simulation.strikes import Strike
from prepared_plant import call, copied, on

HOSTS = "hosts"
START_NS = 1_767_571_200 * NANOSECONDS_PER_SECOND
CLEAN, WATCHED = 288 * 6, 288 * 2
STRIKE = CLEAN + WATCHED + 96
SPEC = plain_spec("hosts", 11, START_NS, 300, [Strike("encrypt", "app-1", STRIKE)])


async def _until_the_ticket(platform: Platform) -> None:
    services = platform.services
    plant = services.plants.create(HOSTS, SPEC)
    services.streams.ingest(HOSTS, plant.advance(CLEAN))
    services.streams.learn(HOSTS, None, 0.05)
    services.streams.ingest(HOSTS, plant.advance(WATCHED))
    ran = await call(platform, "sim_run", plant_id=HOSTS, until_hours=(STRIKE + 96) / 12, stop_on_ticket=True)
    assert ran.tickets


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a cluster in which an encryptor was noticed; to be copied."""
    folder = tmp_path_factory.mktemp("alone") / "home"
    on(folder, _until_the_ticket)
    yield folder
    shutil.rmtree(folder.parent)


async def nobody(request: ApprovalRequest) -> ApprovalAnswer:
    raise AssertionError(f"nobody was to be asked: {request.message}")


async def _incident(platform: Platform) -> str:
    return str((await call(platform, "shield_threats", open_only=True)).incidents[0].id)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["autonomous", "emergency"])
def test_a_reversible_plan_is_carried_out_to_the_end_without_a_person(
    mode: str, struck: Path, tmp_path: Path
) -> None:
    async def tale(platform: Platform) -> None:
        said: list[str] = []

        async def hear(*report: Any) -> None:
            said.append(str(report[2]))

        run: Any = await invoke(
            platform,
            "agent_run",
            {"incident_id": await _incident(platform), "thread_id": "alone", "mode": mode},
            principal=LOCAL_OPERATOR,
            approve=nobody,
            progress=hear,
        )
        assert run.outcome in ("recovered", "unproved"), said
        # The encryptor is stopped; closing the ports as well is the caution that another host may be infected unseen.
        assert "suspend_process app-1" in run.state["actions"]
        assert set(run.state["actions"]) <= {"suspend_process app-1", "block_lateral segment"}
        assert not run.state["irreversible"]
        plant = platform.services.plants.find(HOSTS)
        assert "suspend_process" in [command.verb for command in plant.active_commands()]
        assert plant.service(STRIKE).harm < 0.05 * plant.service(STRIKE).requested
        if mode == "emergency":
            assert run.state["forecast"] == "none: emergency"
            assert "record" not in run.state, "an emergency does not wait for its record"
        else:
            assert run.state["may_act_alone"]
            assert run.state["advice"], "TIL was asked"

    on(copied(struck, tmp_path / "home"), tale)


def _harmful(platform: Platform, incident_id: str) -> str:
    """A signed plan that cuts a healthy web host off, as a planner with a wrong model might make it."""
    services = platform.services
    now_ns = services.clock()
    hoped = RolloutOutcome(1.0, 0.0, "requests")
    action = Action("1", "isolate_host", "web-1", None, "web-1", -9.0, -9.0, True, 3.0, "connect it again")
    draft = Plan(
        "", incident_id, LOCAL_OPERATOR.name, (action,), now_ns, now_ns + 10**12, hoped, hoped, "wrong"
    )
    signer = PlanSigner(services.home.secret(), services.clock)
    return Responder(services.shield, signer, services.clock).propose(replace(draft, id=plan_id_of(draft)))


def test_a_plan_that_makes_things_worse_is_taken_back(struck: Path, tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        services = platform.services
        signed = _harmful(platform, await _incident(platform))
        act_on_plan(services, signed, LOCAL_OPERATOR.name, None)
        plant = services.plants.find(HOSTS)
        plant.apply(Command("by-hand", "suspend_process", "app-1"))
        await call(platform, "sim_run", plant_id=HOSTS, until_hours=(plant.step + 12) / 12)
        reviewed = await call(platform, "shield_review", plan_id=signed)
        assert (reviewed.verdict, reviewed.loss_unit) == ("worse", "requests")
        assert reviewed.loss_with > reviewed.loss_without

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            return dict((await call(platform, name, **arguments)).model_dump(mode="json"))

        state: ResponseState = {"plan_ids": [signed], "watch_ended": False}
        runtime = Runtime(context=GraphContext(call_tool=call_tool), stream_writer=lambda _: None)
        onward = await nodes.review(state, runtime)
        assert onward.goto == "plan"
        assert isinstance(onward.update, dict)
        assert onward.update["plan_ids"] == []
        assert [command.id for command in plant.active_commands()] == ["by-hand"]

    on(copied(struck, tmp_path / "home"), tale)


def _state(**changes: Any) -> ResponseState:
    state: Any = {
        "mode": "autonomous",
        "irreversible": False,
        "plan_actions": 1,
        "plan_cost": 2.0,
        "autonomous_plans": 0,
        "may_act_alone": True,
        **changes,
    }
    return state  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"mode": "supervised"}, "asks before every plan"),
        ({"irreversible": True}, "cannot be undone"),
        ({"irreversible": True, "mode": "emergency"}, "cannot be undone"),
        ({"plan_cost": LIMITS["autonomous"].cost + 0.1}, "larger than"),
        ({"plan_actions": LIMITS["autonomous"].actions + 1}, "larger than"),
        ({"autonomous_plans": LIMITS["autonomous"].plans}, "without asking"),
        ({"may_act_alone": False, "record": "none"}, "record does not allow"),
        ({"may_act_alone": False, "mode": "emergency"}, ""),
    ],
)
def test_a_person_is_asked_exactly_where_a_limit_is_reached(changes: dict[str, Any], reason: str) -> None:
    said = why_ask(_state(**changes))
    assert (said == "") == (reason == "")
    assert reason in said
