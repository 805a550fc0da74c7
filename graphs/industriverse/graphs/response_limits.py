"""What a run may do without asking a person, by its mode."""

from dataclasses import dataclass

from industriverse.graphs.state import ResponseState
from industriverse.operations.responding import WORTH_ACTING_SHARE

__all__ = ["LIMITS", "Limits", "saves_enough", "why_ask"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of acting alone.

    Attributes:
        plans: Plans carried out in one run without asking.
        actions: Actions in one of them.
        cost: Their cost together, in changes of set-point.
        needs_record: Whether the record of earlier expectations must allow it.
        patience_looks: Restless looks after an action before thinking again.
        patience_most_looks: The same after thoughts that led to nothing; each doubles it up to this.
        patience_calm_looks: The bound instead where no loss was forecast.
        looks: Looks at the plant in one run.
        thoughts: Plans made in one run, most of which come to nothing.
    """

    plans: int
    actions: int
    cost: float
    needs_record: bool
    patience_looks: int = 2
    patience_most_looks: int = 24
    patience_calm_looks: int = 4
    looks: int = 96
    thoughts: int = 24


LIMITS = {
    "autonomous": Limits(plans=3, actions=3, cost=12.0, needs_record=True),
    # An emergency does not wait for a record, and still does nothing alone that cannot be undone.
    "emergency": Limits(plans=3, actions=3, cost=30.0, needs_record=False),
}


def why_ask(state: ResponseState) -> str:
    """Why a person has to be asked about the plan; empty if nobody has to."""
    limits = LIMITS.get(state["mode"])
    if limits is None:
        return f"{state['mode']} mode asks before every plan"
    if state["irreversible"]:
        return "the plan cannot be undone"
    if state.get("autonomous_plans", 0) >= limits.plans:
        return f"{limits.plans} plans were carried out without asking"
    if state["plan_actions"] > limits.actions or state["plan_cost"] > limits.cost:
        return f"the plan is larger than {limits.actions} actions or a cost of {limits.cost:g}"
    if limits.needs_record and not state.get("may_act_alone", False):
        return f"the record does not allow acting alone: {state.get('record', 'none')}"
    return ""


def saves_enough(saved: float, requested: float) -> bool:
    """Whether a plan is expected to save enough service to be done without a person."""
    return saved > 0 and saved >= WORTH_ACTING_SHARE * requested
