"""Plans: ordered actions with what each is expected to change, and how it is undone."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785

from industriverse.shield.errors import PlannerError

__all__ = ["Action", "CommandCandidate", "Plan", "RolloutOutcome", "plan_from_json", "plan_id_of"]


@dataclass(frozen=True, slots=True)
class CommandCandidate:
    """Something that could be done to a plant.

    Attributes:
        verb: Name of the order.
        target: What it acts on.
        value: Setting, None for verbs without one.
        entity: The asset concerned.
        description: What it does, in one sentence.
        reversible: Whether it can be undone.
        cost: Effort and wear relative to a change of set-point, which costs 1.
        reversal: What undoes it, empty if nothing does.
    """

    verb: str
    target: str
    value: float | str | None = None
    entity: str = ""
    description: str = ""
    reversible: bool = True
    cost: float = 1.0
    reversal: str = ""

    @property
    def label(self) -> str:
        """``verb target`` with the value if there is one."""
        return f"{self.verb} {self.target}" + ("" if self.value is None else f" = {self.value}")


@dataclass(frozen=True, slots=True)
class RolloutOutcome:
    """What a forecast says would follow from a set of commands.

    Attributes:
        free_energy_excess_kt: Expected free-energy excess over the horizon, kT.
        loss: Expected loss of service over the horizon.
        loss_unit: Unit of the loss (``"m3"``).
        requested: Service asked for over the horizon, in the same unit; 0 where nobody knows.
    """

    free_energy_excess_kt: float
    loss: float
    loss_unit: str = ""
    requested: float = 0.0


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a plan. Negative changes are improvements.

    Attributes:
        id: Position-bound identifier within the plan.
        verb: Name of the order.
        target: What it acts on.
        value: Setting, None for verbs without one.
        entity: The asset concerned.
        expected_free_energy_change_kt: Change that this action adds to those before it, kT.
        expected_loss_change: Change of the expected loss that it adds, in the plan's loss unit.
        reversible: Whether it can be undone.
        cost: Relative to a change of set-point, which costs 1.
        reversal: What undoes it.
    """

    id: str
    verb: str
    target: str
    value: float | str | None
    entity: str
    expected_free_energy_change_kt: float
    expected_loss_change: float
    reversible: bool
    cost: float
    reversal: str


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer to an incident; with no actions it is the answer that waiting is better.

    Attributes:
        id: SHA-256 over everything else, so that a plan cannot change under its id.
        incident: Incident id.
        principal: For whom the plan was made.
        actions: In the order of execution.
        created_ns: Nanoseconds since 1970-01-01 UTC.
        expires_ns: From when on it may no longer be executed.
        do_nothing: What is expected without it.
        expected: What is expected with all actions.
        rationale: Why these actions, or why none.
    """

    id: str
    incident: str
    principal: str
    actions: tuple[Action, ...]
    created_ns: int
    expires_ns: int
    do_nothing: RolloutOutcome
    expected: RolloutOutcome
    rationale: str

    @property
    def irreversible_actions(self) -> tuple[Action, ...]:
        """Actions that cannot be undone; one is enough to need a human's approval."""
        return tuple(action for action in self.actions if not action.reversible)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON-ready data; times are text, they exceed the integers of canonical JSON."""
        fields = asdict(self)
        fields["actions"] = list(fields["actions"])
        return {**fields, "created_ns": str(self.created_ns), "expires_ns": str(self.expires_ns)}

    def content(self) -> bytes:
        """Canonical bytes (RFC 8785) of everything but the id."""
        fields = self.to_json()
        del fields["id"]
        return bytes(rfc8785.dumps(fields))


def plan_id_of(plan: Plan) -> str:
    """The id that belongs to a plan's content."""
    return f"plan-{hashlib.sha256(plan.content()).hexdigest()[:32]}"


def plan_from_json(fields: Mapping[str, Any] | str) -> Plan:
    """Read what ``Plan.to_json`` wrote.

    Raises:
        PlannerError: If a field is missing or malformed.
    """
    try:
        parsed = dict(json.loads(fields) if isinstance(fields, str) else fields)
        parsed["actions"] = tuple(Action(**action) for action in parsed["actions"])
        for key in ("do_nothing", "expected"):
            parsed[key] = RolloutOutcome(**parsed[key])
        for key in ("created_ns", "expires_ns"):
            parsed[key] = int(parsed[key])
        return Plan(**parsed)
    except (KeyError, TypeError, ValueError) as error:
        raise PlannerError(f"this is not a plan ({error})", hint="give what to_json wrote") from error
