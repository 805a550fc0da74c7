import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from industriverse.shield import (
    ActionStatus,
    ActuatorCommand,
    ApprovalRequiredError,
    ExecutionReport,
    PlanAlteredError,
    PlanBusyError,
    PlanExpiredError,
    PlanNotFoundError,
    PlanReplayedError,
    PlanSigner,
    PlanStateError,
    PlanStatus,
    PrincipalMismatchError,
    Responder,
    ShieldError,
    ShieldStore,
    to_openc2,
)
from shield.tank import PRINCIPAL, Clock, Tank, plan_of

KEY = b"k" * 32
ROOT = Path(__file__).parents[2]


class Desk:
    """Everything that an execution needs, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = ShieldStore(folder / "shield.sqlite")
        self.responder = Responder(self.store, PlanSigner(KEY, self.clock), self.clock)
        self.tank = Tank()

    def statuses(self, plan_id: str) -> list[ActionStatus]:
        return [action.status for action in self.store.plan(plan_id).actions]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_reversible_plan_is_executed_in_order_once(desk: Desk) -> None:
    plan = plan_of("valve-1", "valve-2")
    signed = desk.responder.propose(plan)
    report = desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)
    assert report == ExecutionReport(
        plan.id, PlanStatus.EXECUTED, (f"{plan.id}/0", f"{plan.id}/1"), (), "", ""
    )
    assert [c.target for c in desk.tank.active.values()] == ["valve-1", "valve-2"]
    assert desk.statuses(plan.id) == [ActionStatus.DONE] * 2
    with pytest.raises(PlanReplayedError, match="already executed"):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)
    assert len(desk.tank.calls) == 2


def test_an_irreversible_action_needs_a_recorded_approval(desk: Desk) -> None:
    plan = plan_of("valve-1", "purge", irreversible=frozenset({"purge"}))
    signed = desk.responder.propose(plan)
    with pytest.raises(ApprovalRequiredError, match="close_valve purge"):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)
    assert desk.tank.calls == []
    assert desk.store.plan(plan.id).status is PlanStatus.DRAFTED
    desk.responder.execute(signed, desk.tank, principal=PRINCIPAL, approved_by="ada")
    assert desk.store.plan(plan.id).approved_by == "ada"
    assert desk.store.plan(plan.id).status is PlanStatus.EXECUTED


def test_an_approval_recorded_before_is_enough(desk: Desk) -> None:
    plan = plan_of("purge", irreversible=frozenset({"purge"}))
    signed = desk.responder.propose(plan)
    desk.store.approve(plan.id, by="ada", at_ns=1)
    assert desk.responder.execute(signed, desk.tank, principal=PRINCIPAL).status is PlanStatus.EXECUTED


def test_expired_foreign_altered_and_unknown_plans_do_nothing(desk: Desk, tmp_path: Path) -> None:
    plan = plan_of("valve-1")
    signed = desk.responder.propose(plan)
    with pytest.raises(PrincipalMismatchError):
        desk.responder.execute(signed, desk.tank, principal="mallory")
    with pytest.raises(PlanAlteredError):
        desk.responder.execute(signed[:-1] + "x", desk.tank, principal=PRINCIPAL)
    with pytest.raises(PlanAlteredError, match="not a signed plan id"):
        desk.responder.execute(plan.id, desk.tank, principal=PRINCIPAL)
    with pytest.raises(PlanNotFoundError):
        desk.responder.execute("plan-0.abc", desk.tank, principal=PRINCIPAL)
    desk.clock.advance(900)
    with pytest.raises(PlanExpiredError):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)
    assert desk.tank.calls == []


def test_a_plan_altered_in_the_database_is_refused(desk: Desk, tmp_path: Path) -> None:
    signed = desk.responder.propose(plan_of("valve-1"))
    with closing(sqlite3.connect(tmp_path / "shield.sqlite")) as connection:
        connection.execute("UPDATE plans SET body = replace(body, 'valve-1', 'valve-9')")
        connection.commit()
    with pytest.raises(PlanAlteredError):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)
    assert desk.tank.calls == []


def test_a_plan_to_do_nothing_cannot_be_executed(desk: Desk) -> None:
    signed = desk.responder.propose(plan_of())
    with pytest.raises(PlanStateError, match="says to do nothing"):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)


def test_a_failing_action_stops_the_plan_and_is_reported(desk: Desk) -> None:
    plan = plan_of("valve-1", "valve-2", "valve-3")
    desk.tank.broken = {"valve-2"}
    report = desk.responder.execute(desk.responder.propose(plan), desk.tank, principal=PRINCIPAL)
    assert (report.status, report.failed) == (PlanStatus.FAILED, f"{plan.id}/1")
    assert "valve-2: ConnectionError: valve-2 does not answer" in report.error
    assert desk.statuses(plan.id) == [ActionStatus.DONE, ActionStatus.FAILED, ActionStatus.PENDING]
    assert desk.store.plan(plan.id).detail == report.error
    undone = desk.responder.revert(plan.id, desk.tank)
    assert undone.reverted == (f"{plan.id}/1", f"{plan.id}/0")
    assert undone.status is PlanStatus.REVERTED
    assert desk.tank.active == {}


def test_reverting_goes_backward_names_what_stays_and_is_idempotent(desk: Desk) -> None:
    plan = plan_of("valve-1", "purge", "valve-3", irreversible=frozenset({"purge"}))
    signed = desk.responder.propose(plan)
    with pytest.raises(PlanStateError, match="was not executed"):
        desk.responder.revert(plan.id, desk.tank)
    desk.responder.execute(signed, desk.tank, principal=PRINCIPAL, approved_by="ada")
    report = desk.responder.revert(plan.id, desk.tank)
    assert report.reverted == (f"{plan.id}/2", f"{plan.id}/0")
    assert report.irreversible == (f"{plan.id}/1",)
    assert [c.target for c in desk.tank.active.values()] == ["purge"]
    again = desk.responder.revert(plan.id, desk.tank)
    assert again.reverted == ()
    assert again.irreversible == (f"{plan.id}/1",)
    with pytest.raises(PlanReplayedError, match="already reverted"):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)


def test_a_reversal_that_fails_is_reported_and_can_be_tried_again(desk: Desk) -> None:
    plan = plan_of("valve-1", "valve-2")
    desk.responder.execute(desk.responder.propose(plan), desk.tank, principal=PRINCIPAL)
    desk.tank.broken = {f"{plan.id}/1"}
    report = desk.responder.revert(plan.id, desk.tank)
    assert report.status is PlanStatus.FAILED
    assert report.failed == ((f"{plan.id}/1", "ConnectionError: no answer"),)
    assert report.reverted == (f"{plan.id}/0",)
    desk.tank.broken = set()
    assert desk.responder.revert(plan.id, desk.tank).reverted == (f"{plan.id}/1",)
    assert desk.store.plan(plan.id).status is PlanStatus.REVERTED


def test_of_two_executions_at_once_one_wins(desk: Desk, tmp_path: Path) -> None:
    plan = plan_of("valve-1", "valve-2", "valve-3")
    signed = desk.responder.propose(plan)
    outcomes: list[object] = []
    barrier = threading.Barrier(4)

    def attempt() -> None:
        responder = Responder(
            ShieldStore(tmp_path / "shield.sqlite"), PlanSigner(KEY, desk.clock), desk.clock
        )
        barrier.wait()
        try:
            outcomes.append(responder.execute(signed, desk.tank, principal=PRINCIPAL).status)
        except ShieldError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(PlanStatus.EXECUTED) == 1
    assert set(outcomes) - {PlanStatus.EXECUTED} <= {PlanBusyError, PlanReplayedError}
    assert [call for call, _ in desk.tank.calls] == ["apply"] * 3


KILLED = """
import os, signal, sys
from pathlib import Path
from shield.tank import PRINCIPAL, Clock, Tank, plan_of
from industriverse.shield import ActuatorCommand, PlanSigner, Responder, ShieldStore

folder, moment = Path(sys.argv[1]), sys.argv[2]

class Dying(Tank):
    def apply(self, command: ActuatorCommand) -> None:
        if command.target == "valve-2" and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().apply(command)
        if command.target == "valve-2" and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

clock = Clock()
responder = Responder(ShieldStore(folder / "shield.sqlite"), PlanSigner(b"k" * 32, clock), clock)
signed = responder.propose(plan_of("valve-1", "valve-2", "valve-3"))
responder.execute(signed, Dying(folder / "log.jsonl"), principal=PRINCIPAL)
"""


def run_until_killed(folder: Path, moment: str) -> None:
    path = os.pathsep.join([str(ROOT / "tests"), *sys.path])
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), moment],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_execution_goes_on_without_repeating_what_was_done(tmp_path: Path, moment: str) -> None:
    run_until_killed(tmp_path, moment)
    desk, plan = Desk(tmp_path), plan_of("valve-1", "valve-2", "valve-3")
    assert desk.store.plan(plan.id).status is PlanStatus.EXECUTING
    assert desk.statuses(plan.id) == [ActionStatus.DONE, ActionStatus.STARTED, ActionStatus.PENDING]
    desk.tank = Tank(tmp_path / "log.jsonl")
    report = desk.responder.execute(desk.responder.propose(plan), desk.tank, principal=PRINCIPAL)
    assert report.already_applied == (f"{plan.id}/0",)
    assert report.applied == (f"{plan.id}/1", f"{plan.id}/2")
    calls = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    in_doubt = [["apply", f"{plan.id}/1"]] * (2 if moment == "after" else 1)
    assert calls == [["apply", f"{plan.id}/0"], *in_doubt, ["apply", f"{plan.id}/2"]]


def test_a_killed_execution_can_be_undone_after_its_plan_expired(tmp_path: Path) -> None:
    run_until_killed(tmp_path, "after")
    desk, plan = Desk(tmp_path), plan_of("valve-1", "valve-2", "valve-3")
    signed = desk.responder.propose(plan)
    desk.clock.advance(901)
    with pytest.raises(PlanExpiredError):
        desk.responder.execute(signed, desk.tank, principal=PRINCIPAL)
    assert desk.responder.revert(plan.id, desk.tank).reverted == (f"{plan.id}/1", f"{plan.id}/0")


def test_actions_render_as_openc2_commands() -> None:
    plan = plan_of("valve-1")
    assert to_openc2(plan, plan.actions[0]) == {
        "action": "set",
        "target": {"x-industriverse:asset": {"name": "valve-1", "verb": "close_valve", "entity": "valve-1"}},
        "args": {"response_requested": "complete"},
        "command_id": f"{plan.id}/0",
    }
    stop = ActuatorCommand("x", "stop_pump", "pump-1")
    assert stop.value is None
