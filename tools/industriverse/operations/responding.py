"""Plans drafted, carried out and taken back on the plant behind a stream."""

import functools
from contextlib import suppress
from dataclasses import dataclass

from industriverse.operations.incidents import incident_of
from industriverse.operations.planning import PlantActuator, TwinForecast
from industriverse.operations.services import Services
from industriverse.shield.errors import PlanExpiredError
from industriverse.shield.plan import Plan
from industriverse.shield.planner import make_plan
from industriverse.shield.responder import Responder
from industriverse.shield.signing import PlanSigner, plan_id_in
from industriverse.shield.store import ActionStatus, PlanRecord, PlanStatus

__all__ = [
    "WORTH_ACTING_SHARE",
    "Carried",
    "Reverted",
    "act_on_plan",
    "approve_plan",
    "check_plan",
    "draft_plan",
    "plan_of",
    "revert_plan",
]

WORTH_ACTING_SHARE = 0.001
"""Part of the service asked for over the horizon that has to be at stake before anything is done without a person: a
plant that is expected to get through without an action gets none."""

PLAN_VALID_S = 3600.0
"""A person may be away from the desk; an hour later the plant may be another."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a plan.

    Attributes:
        status: Where the plan stands.
        actions: What was done, in words.
        now: Whether it was done by this call.
        error: Why it stopped, empty if it did not.
    """

    status: str
    actions: tuple[str, ...]
    now: bool
    error: str


@dataclass(frozen=True, slots=True)
class Reverted:
    """Actions of a plan, in words, by what came of taking them back."""

    reverted: tuple[str, ...]
    irreversible: tuple[str, ...]
    failed: tuple[str, ...]


def _signer(services: Services) -> PlanSigner:
    return PlanSigner(services.home.secret(), services.clock)


def _responder(services: Services) -> Responder:
    return Responder(services.shield, _signer(services), services.clock)


def draft_plan(
    services: Services, incident_id: str, principal: str, *, alone: bool = False
) -> tuple[str, Plan]:
    """Make and store the best plan for an incident; returns its signed id and the plan.

    Args:
        services: Stores and signing key.
        incident_id: The incident.
        principal: For whom the plan is made.
        alone: Look only for what may be done without a person: what can be undone, and only if service is at stake.

    Raises:
        NotFoundError: If there is no such incident.
        OperationError: If the stream has no actuators.
    """
    incident = incident_of(services, incident_id)
    forecast = TwinForecast.of(services, incident.stream)
    # Whether service is at stake and what a plan gains are both told from the same rollout of doing nothing.
    rollout = functools.cache(forecast)
    idle = rollout(()) if alone else None
    at_stake = idle is None or idle.loss >= WORTH_ACTING_SHARE * idle.requested
    plan = make_plan(
        incident,
        forecast.candidates(reversible_only=alone) if at_stake else (),
        rollout,
        principal=principal,
        now_ns=services.clock(),
        valid_for_s=PLAN_VALID_S,
        ordinary_excess_kt=services.streams.watched(incident.stream).daily_work_limit_kt,
    )
    return _responder(services).propose(plan), plan


def plan_of(services: Services, signed_id: str) -> PlanRecord:
    """The stored plan under a signed id.

    Raises:
        PlanAlteredError: If the text is no signed plan id.
        PlanNotFoundError: If there is no such plan.
    """
    return services.shield.plan(plan_id_in(signed_id))


def check_plan(services: Services, signed_id: str, principal: str) -> PlanRecord:
    """The stored plan, if this principal may carry it out now; one that was carried out may be told of again.

    Raises:
        ShieldError: If the id is altered, unknown, expired or made for someone else.
    """
    record = plan_of(services, signed_id)
    try:
        _signer(services).verify(signed_id, record.plan, principal=principal)
    except PlanExpiredError:
        if record.status is not PlanStatus.EXECUTED:
            raise
    return record


def approve_plan(services: Services, signed_id: str, approver: str) -> None:
    """Record that a person approved a plan.

    Raises:
        PlanStateError: If the plan is past approval.
    """
    services.shield.approve(plan_id_in(signed_id), by=approver, at_ns=services.clock())


def _words(record: PlanRecord, keys: set[str]) -> tuple[str, ...]:
    return tuple(
        f"{action.verb} {action.target}{'' if action.value is None else f' = {action.value}'}"
        for action, state in zip(record.plan.actions, record.actions, strict=True)
        if state.idempotency_key in keys
    )


def act_on_plan(services: Services, signed_id: str, principal: str, approver: str | None) -> Carried:
    """Carry a plan out on the plant of its incident; one that was carried out already is left alone.

    Raises:
        ShieldError: If the id is altered, expired, made for someone else, or an approval is missing.
    """
    record = check_plan(services, signed_id, principal)
    if record.status is PlanStatus.EXECUTED:
        # What was done in time stays done: telling so again does not expire.
        done = {state.idempotency_key for state in record.actions if state.status is ActionStatus.DONE}
        return Carried(record.status.value, _words(record, done), now=False, error="")
    plant = services.plants.find(incident_of(services, record.plan.incident).stream)
    report = _responder(services).execute(
        signed_id, PlantActuator(plant), principal=principal, approved_by=approver
    )
    done = {*report.applied, *report.already_applied}
    return Carried(report.status.value, _words(record, done), now=True, error=report.error)


def revert_plan(services: Services, signed_id: str) -> Reverted:
    """Take a plan back; whoever may act may do so, however late and whoever carried it out.

    Raises:
        ShieldError: If the id is altered, there is no such plan or nothing of it was carried out.
    """
    record = plan_of(services, signed_id)
    with suppress(PlanExpiredError):
        _signer(services).verify(signed_id, record.plan, principal=record.plan.principal)
    plant = services.plants.find(incident_of(services, record.plan.incident).stream)
    report = _responder(services).revert(record.plan.id, PlantActuator(plant))
    failed = tuple(f"{key}: {error}" for key, error in report.failed)
    return Reverted(_words(record, set(report.reverted)), _words(record, set(report.irreversible)), failed)
