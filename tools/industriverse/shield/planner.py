"""Choose actions by the expected free energy that a forecast gives them, with doing nothing as the option to beat.

The measure is TIL's (``eil.decision``): the expected log excess of free energy, the service lost on the way, the price
of effort and that of what cannot be undone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from industriverse.eil.decision import DO_NOTHING, DecisionWeights, Option, judge
from industriverse.shield.errors import PlannerError
from industriverse.shield.plan import Action, CommandCandidate, Plan, RolloutOutcome, plan_id_of
from industriverse.signals import NANOSECONDS_PER_SECOND, Incident

__all__ = ["PlannerWeights", "Rollout", "improvement", "make_plan", "option_of"]

BEAM_WIDTH = 4

Rollout = Callable[[tuple[CommandCandidate, ...]], RolloutOutcome]


@dataclass(frozen=True, slots=True)
class PlannerWeights:
    """What counts in the expected free energy of a set of commands, nats; see ``eil.decision``.

    Attributes:
        loss_share: Share of the service asked for over the horizon whose loss weighs as much as one e-fold of free
            energy. Where nobody knows what is asked for, the loss of doing nothing takes its place.
        irreversibility: Least price of each action that cannot be undone.
        cost: Price of each unit of cost.
        minimum_gain: Net gain that each action has to add; below it, doing less is better.
    """

    loss_share: float = 0.002
    irreversibility: float = 0.7
    cost: float = 0.02
    minimum_gain: float = 0.05

    def for_decision(self, nothing: RolloutOutcome, ordinary_excess_kt: float) -> DecisionWeights:
        """The same weights as TIL takes them, for one plant in one situation."""
        scale = self.loss_share * nothing.requested if nothing.requested > 0 else abs(nothing.loss)
        return DecisionWeights(
            ordinary_kt=ordinary_excess_kt,
            loss_scale=scale if scale > 0 else 1.0,
            cost_nats=self.cost,
            irreversibility_nats=self.irreversibility,
            margin_nats=self.minimum_gain,
        )


def make_plan(
    incident: Incident,
    candidates: Sequence[CommandCandidate],
    rollout: Rollout,
    *,
    principal: str,
    now_ns: int,
    valid_for_s: float = 900.0,
    weights: PlannerWeights | None = None,
    max_actions: int = 3,
    ordinary_excess_kt: float = 0.0,
) -> Plan:
    """Compare doing nothing with each candidate and with greedy combinations of them.

    About ``max_actions * len(candidates)`` rollouts are made. An action stays only if dropping it from the
    final set would cost at least the minimum gain.

    Args:
        incident: What the plan answers.
        candidates: What could be done.
        rollout: Forecast of a set of commands; the empty set is doing nothing.
        principal: For whom the plan is made.
        now_ns: Nanoseconds since 1970-01-01 UTC.
        valid_for_s: Seconds until the plan expires.
        weights: What counts.
        max_actions: Longest plan.
        ordinary_excess_kt: Free-energy excess that clean operation shows now and then, kT. What lies below it
            is no disturbance, so nothing is gained by lowering it; a false ticket then leads to no action.

    Returns:
        The plan; without actions if nothing helps, with the reason.

    Raises:
        PlannerError: If an outcome is not finite, units differ or an argument is out of range.
    """
    if not principal:
        raise PlannerError("the plan has no principal", hint="name the person or agent it is made for")
    if not valid_for_s > 0:
        raise PlannerError(f"valid_for_s = {valid_for_s} is not positive", hint="give seconds")
    if len({candidate.label for candidate in candidates}) != len(candidates):
        raise PlannerError("a candidate occurs twice", hint="give each command once")
    search = _Search(rollout, weights or PlannerWeights(), ordinary_excess_kt)
    chosen = _prune(_beam(candidates, search, max_actions), search)
    plan = Plan(
        id="",
        incident=incident.id,
        principal=principal,
        actions=_actions(chosen, search),
        created_ns=now_ns,
        expires_ns=now_ns + int(valid_for_s * NANOSECONDS_PER_SECOND),
        do_nothing=search.nothing,
        expected=search.outcome(chosen),
        rationale=_rationale(chosen, candidates, search),
    )
    return replace(plan, id=plan_id_of(plan))


class _Search:
    """Rollouts made so far, and the net gain of each set over doing nothing."""

    def __init__(self, rollout: Rollout, weights: PlannerWeights, ordinary_excess_kt: float) -> None:
        self._rollout = rollout
        self._ordinary_excess_kt = ordinary_excess_kt
        self._outcomes: dict[tuple[CommandCandidate, ...], RolloutOutcome] = {}
        self.weights = weights
        self.nothing = self.outcome(())

    def outcome(self, commands: tuple[CommandCandidate, ...]) -> RolloutOutcome:
        if commands not in self._outcomes:
            outcome = self._rollout(commands)
            label = " + ".join(command.label for command in commands) or "doing nothing"
            if not (math.isfinite(outcome.free_energy_excess_kt) and math.isfinite(outcome.loss)):
                raise PlannerError(
                    f"the forecast for {label} is not finite", hint="check the model behind the rollout"
                )
            if commands and outcome.loss_unit != self.nothing.loss_unit:
                raise PlannerError(
                    f"the loss of {label} is in {outcome.loss_unit!r}, not {self.nothing.loss_unit!r}",
                    hint="use one unit in all rollouts",
                )
            self._outcomes[commands] = outcome
        return self._outcomes[commands]

    def gain(self, commands: tuple[CommandCandidate, ...]) -> float:
        """How much less expected free energy these commands leave than doing nothing, nats."""
        nothing = option_of(DO_NOTHING, self.nothing, ())
        chosen = option_of("chosen", self.outcome(commands), commands)
        weights = self.weights.for_decision(self.nothing, self._ordinary_excess_kt)
        judged = judge(chosen, nothing, weights)
        # Each door that is closed has its price.
        more = max(sum(not command.reversible for command in commands) - 1, 0) * judged.irreversibility
        before = judge(nothing, nothing, weights).expected_free_energy
        return before - judged.expected_free_energy - more

    def order(self, commands: tuple[CommandCandidate, ...]) -> tuple[float, int, float, str]:
        """Best first; where gains are equal, the reversible, then the cheaper, then by name."""
        last = commands[-1]
        return (-round(self.gain(commands), 9), int(not last.reversible), last.cost, last.label)


def option_of(name: str, outcome: RolloutOutcome, commands: Sequence[CommandCandidate]) -> Option:
    """A set of commands and what follows from it, as an option of TIL."""
    return Option(
        name=name,
        free_energy_kt=outcome.free_energy_excess_kt,
        loss=outcome.loss,
        cost=sum(command.cost for command in commands),
        reversible=all(command.reversible for command in commands),
    )


def improvement(
    before: RolloutOutcome,
    after: RolloutOutcome,
    weights: PlannerWeights | None = None,
    *,
    ordinary_excess_kt: float = 0.0,
) -> float:
    """Drop of the expected free energy from one expectation to another, before any price, nats."""
    first, second = option_of(DO_NOTHING, before, ()), option_of("after", after, ())
    weighed = (weights or PlannerWeights()).for_decision(before, ordinary_excess_kt)
    left, right = judge(first, first, weighed), judge(second, first, weighed)
    return (left.risk + left.loss) - (right.risk + right.loss)


def _beam(
    candidates: Sequence[CommandCandidate], search: _Search, max_actions: int
) -> tuple[CommandCandidate, ...]:
    """The best set found by growing the BEAM_WIDTH best sets of each size.

    Growing only the best one misses pairs of which each half alone does little, such as cutting an intruder
    off and reading the sensor that he falsified by another way.
    """
    best: tuple[CommandCandidate, ...] = ()
    beam: list[tuple[CommandCandidate, ...]] = [()]
    for _ in range(max_actions):
        grown: dict[frozenset[CommandCandidate], tuple[CommandCandidate, ...]] = {}
        for chosen in beam:
            for candidate in candidates:
                if candidate not in chosen:
                    # The first way to a set comes from the better parent, and gives its order of execution.
                    grown.setdefault(frozenset((*chosen, candidate)), (*chosen, candidate))
        if not grown:
            break
        beam = sorted(grown.values(), key=search.order)[:BEAM_WIDTH]
        if search.gain(beam[0]) - search.gain(best) >= search.weights.minimum_gain:
            best = beam[0]
    return best


def _prune(chosen: tuple[CommandCandidate, ...], search: _Search) -> tuple[CommandCandidate, ...]:
    for command in chosen:
        without = tuple(c for c in chosen if c != command)
        if search.gain(chosen) - search.gain(without) < search.weights.minimum_gain:
            return _prune(without, search)
    return chosen


def _actions(chosen: tuple[CommandCandidate, ...], search: _Search) -> tuple[Action, ...]:
    actions = []
    for position, command in enumerate(chosen):
        before, after = search.outcome(chosen[:position]), search.outcome(chosen[: position + 1])
        actions.append(
            Action(
                id=f"action-{position + 1}",
                verb=command.verb,
                target=command.target,
                value=command.value,
                entity=command.entity,
                expected_free_energy_change_kt=after.free_energy_excess_kt - before.free_energy_excess_kt,
                expected_loss_change=after.loss - before.loss,
                reversible=command.reversible,
                cost=command.cost,
                reversal=command.reversal,
            )
        )
    return tuple(actions)


def _rationale(
    chosen: tuple[CommandCandidate, ...], candidates: Sequence[CommandCandidate], search: _Search
) -> str:
    nothing = _describe(search.nothing)
    if not candidates:
        return f"There is nothing that could be done. Expected without action: {nothing}."
    if not chosen:
        best = min(((candidate,) for candidate in candidates), key=search.order)
        return (
            f"None of {len(candidates)} candidates beats doing nothing ({nothing}). The best, "
            f"{best[0].label}, gives {_describe(search.outcome(best))}, a net gain of "
            f"{search.gain(best):.3g} where {search.weights.minimum_gain:g} is needed."
        )
    labels = ", then ".join(command.label for command in chosen)
    return (
        f"Of {len(candidates)} candidates: {labels}. Expected: {_describe(search.outcome(chosen))}; "
        f"doing nothing: {nothing}."
    )


def _describe(outcome: RolloutOutcome) -> str:
    loss = f"{outcome.loss:.4g} {outcome.loss_unit}".rstrip()
    return f"free-energy excess {outcome.free_energy_excess_kt:.4g} kT, loss {loss}"
