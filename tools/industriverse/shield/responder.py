"""Carry plans out, once, and undo them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from industriverse.shield.errors import ApprovalRequiredError, PlanReplayedError, PlanStateError
from industriverse.shield.plan import Action, Plan
from industriverse.shield.signing import PlanSigner, plan_id_in
from industriverse.shield.store import ActionRecord, ActionStatus, PlanRecord, PlanStatus, ShieldStore

__all__ = ["Actuator", "ActuatorCommand", "ExecutionReport", "Responder", "RevertReport"]


@dataclass(frozen=True, slots=True)
class ActuatorCommand:
    """One order to a plant.

    Attributes:
        id: Idempotency key; an actuator carries one id out at most once.
        verb: Name of the order.
        target: What it acts on.
        value: Setting, None for verbs without one.
    """

    id: str
    verb: str
    target: str
    value: float | str | None = None


class Actuator(Protocol):
    """Whatever carries commands out. Both methods must tolerate being called again with the same id."""

    def apply(self, command: ActuatorCommand) -> None:
        """Carry a command out; raise if it could not be."""
        ...

    def revert(self, command_id: str) -> None:
        """Undo a command; raise if it could not be undone."""
        ...


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """What an execution did.

    Attributes:
        plan: Plan id.
        status: ``executed`` or ``failed``.
        applied: Command ids applied in this call.
        already_applied: Command ids that an interrupted execution had applied before.
        failed: Command id that failed, empty if none did; the actions after it were not tried.
        error: Why it failed.
    """

    plan: str
    status: PlanStatus
    applied: tuple[str, ...]
    already_applied: tuple[str, ...]
    failed: str
    error: str


@dataclass(frozen=True, slots=True)
class RevertReport:
    """What a reversal did.

    Attributes:
        plan: Plan id.
        status: ``reverted``, or ``failed`` if an action could not be undone though it should have been.
        reverted: Command ids undone, in the order of undoing.
        irreversible: Command ids that were carried out and cannot be undone.
        failed: ``(command id, error)`` of reversals that failed.
    """

    plan: str
    status: PlanStatus
    reverted: tuple[str, ...]
    irreversible: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]


class Responder:
    """Executes stored plans under signed ids.

    Every action is recorded as started before and as done after the actuator is called. After a crash the
    actions recorded as done are not repeated; one that was only started is sent again under the same command
    id, which the actuator must treat as the same command.

    Args:
        store: Where plans and their states are.
        signer: Signs plan ids and verifies them.
        clock: Returns nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, store: ShieldStore, signer: PlanSigner, clock: Callable[[], int]) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock

    def propose(self, plan: Plan) -> str:
        """Store a plan and return its signed id.

        Raises:
            PlanAlteredError: If the plan's id does not belong to its content.
        """
        signed_id = self._signer.sign(plan)
        self._store.add_plan(plan)
        return signed_id

    def execute(
        self, signed_id: str, actuator: Actuator, *, principal: str, approved_by: str | None = None
    ) -> ExecutionReport:
        """Execute a plan, or go on with an execution that was interrupted.

        A failing actuator does not raise: the failure is recorded and reported, and the remaining actions
        are not tried.

        Args:
            signed_id: What ``propose`` returned.
            actuator: Carries the commands out.
            principal: Who executes; must be the one the plan was made for.
            approved_by: The human who approves now; recorded before anything is done.

        Raises:
            PlanNotFoundError: If there is no such plan.
            PlanAlteredError: If the signed id does not belong to the stored plan.
            PrincipalMismatchError: If the plan was made for someone else.
            PlanExpiredError: If its time is over, also when only part of it has been executed.
            PlanReplayedError: If it has been executed, reverted or has failed.
            ApprovalRequiredError: If an action is irreversible and nobody has approved.
            PlanStateError: If the plan has no actions.
            PlanBusyError: If a plan is being executed at this moment.
        """
        plan_id = plan_id_in(signed_id)
        with self._store.exclusive_execution():
            record = self._store.plan(plan_id)
            self._signer.verify(signed_id, record.plan, principal=principal)
            self._admit(record, approved_by)
            if record.status is not PlanStatus.EXECUTING:
                self._store.set_status(plan_id, PlanStatus.EXECUTING)
            return self._run(record, actuator)

    def revert(self, plan_id: str, actuator: Actuator) -> RevertReport:
        """Undo the reversible actions of a plan in reverse order and name those that cannot be undone.

        An action whose effect is in doubt (started, or failed) is undone too. Undoing a plan
        again changes nothing.

        Raises:
            PlanNotFoundError: If there is no such plan.
            PlanStateError: If nothing of it was executed.
            PlanBusyError: If a plan is being executed at this moment.
        """
        with self._store.exclusive_execution():
            record = self._store.plan(plan_id)
            if record.status in {PlanStatus.DRAFTED, PlanStatus.APPROVED}:
                raise PlanStateError(f"plan {plan_id} was not executed", hint="there is nothing to revert")
            return self._undo(record, actuator)

    def _admit(self, record: PlanRecord, approved_by: str | None) -> None:
        plan = record.plan
        if record.status in {PlanStatus.EXECUTED, PlanStatus.REVERTED, PlanStatus.FAILED}:
            raise PlanReplayedError(
                f"plan {plan.id} is already {record.status}", hint="make a new plan; one plan acts once"
            )
        if not plan.actions:
            raise PlanStateError(f"plan {plan.id} says to do nothing", hint="read its rationale")
        if approved_by and record.status is PlanStatus.DRAFTED:
            self._store.approve(plan.id, by=approved_by, at_ns=self._clock())
        elif plan.irreversible_actions and record.approved_by is None:
            named = ", ".join(f"{a.verb} {a.target}" for a in plan.irreversible_actions)
            raise ApprovalRequiredError(
                f"plan {plan.id} cannot be undone ({named}) and nobody has approved it",
                hint="ask a human and pass who approved",
            )

    def _run(self, record: PlanRecord, actuator: Actuator) -> ExecutionReport:
        plan = record.plan
        applied: list[str] = []
        before = tuple(r.idempotency_key for r in record.actions if r.status is ActionStatus.DONE)
        for action, state in zip(plan.actions, record.actions, strict=True):
            if state.status is ActionStatus.DONE:
                continue
            error = self._apply(action, state, actuator)
            if error:
                message = f"{action.verb} {action.target}: {error}"
                self._store.set_status(plan.id, PlanStatus.FAILED, detail=message)
                return ExecutionReport(
                    plan.id, PlanStatus.FAILED, tuple(applied), before, state.idempotency_key, message
                )
            applied.append(state.idempotency_key)
        self._store.set_status(plan.id, PlanStatus.EXECUTED)
        return ExecutionReport(plan.id, PlanStatus.EXECUTED, tuple(applied), before, "", "")

    def _apply(self, action: Action, state: ActionRecord, actuator: Actuator) -> str:
        """Error text, empty on success."""
        key = state.idempotency_key
        self._store.set_action(key, ActionStatus.STARTED, at_ns=self._clock())
        try:
            actuator.apply(ActuatorCommand(key, action.verb, action.target, action.value))
        except Exception as error:
            # Whatever an actuator raises must end in the record: the operator decides what to undo.
            message = f"{type(error).__name__}: {error}"
            self._store.set_action(key, ActionStatus.FAILED, at_ns=self._clock(), detail=message)
            return message
        self._store.set_action(key, ActionStatus.DONE, at_ns=self._clock())
        return ""

    def _undo(self, record: PlanRecord, actuator: Actuator) -> RevertReport:
        reverted: list[str] = []
        irreversible: list[str] = []
        failed: list[tuple[str, str]] = []
        for action, state in reversed(list(zip(record.plan.actions, record.actions, strict=True))):
            key = state.idempotency_key
            if state.status in {ActionStatus.PENDING, ActionStatus.REVERTED}:
                continue
            if not action.reversible:
                irreversible.append(key)
                continue
            error = self._revert(key, actuator)
            if error:
                failed.append((key, error))
            else:
                reverted.append(key)
        status = PlanStatus.FAILED if failed else PlanStatus.REVERTED
        if record.status is not PlanStatus.REVERTED:
            detail = "; ".join(f"{key}: {error}" for key, error in failed)
            self._store.set_status(record.plan.id, status, detail=detail)
        return RevertReport(record.plan.id, status, tuple(reverted), tuple(irreversible), tuple(failed))

    def _revert(self, key: str, actuator: Actuator) -> str:
        """Error text, empty on success."""
        try:
            actuator.revert(key)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            self._store.set_action(key, ActionStatus.REVERT_FAILED, at_ns=self._clock(), detail=message)
            return message
        self._store.set_action(key, ActionStatus.REVERTED, at_ns=self._clock())
        return ""
