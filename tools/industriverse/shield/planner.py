"""Choose actions by what a forecast says they change, with doing nothing as the option to beat."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from industriverse.shield.errors import PlannerError
from industriverse.shield.plan import Action, CommandCandidate, Plan, RolloutOutcome, plan_id_of
from industriverse.signals import NANOSECONDS_PER_SECOND, Incident

__all__ = ["PlannerWeights", "Rollout", "improvement", "make_plan"]

BEAM_WIDTH = 4

Rollout = Callable[[tuple[CommandCandidate, ...]], RolloutOutcome]


@dataclass(frozen=True, slots=True)
class PlannerWeights:
    """What counts, on a common scale without units.

    Loss enters as part of its do-nothing value. The free-energy excess F, beyond what is ordinary,
    enters as log(1 + F / kT): an excess
    of 1,500 kT is as impossible in equilibrium as one of 50,000 kT, so what counts is the number of halvings
    on the way back, not the first and largest of them.

    Attributes:
        free_energy: Weight of the relative drop of log(1 + F / kT).
        loss: Weight of the relative drop of the expected loss.
        irreversibility: Gain that an irreversible action has to bring beyond a reversible one.
        cost: Gain that each unit of cost has to bring.
        minimum_gain: Net gain that each action has to add; below it, doing less is better.
    """

    free_energy: float = 1.0
    loss: float = 2.0
    irreversibility: float = 0.2
    cost: float = 0.005
    minimum_gain: float = 0.02


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

    def improvement(self, commands: tuple[CommandCandidate, ...]) -> float:
        """Weighted relative drop of free energy and loss against doing nothing, before any price."""
        return improvement(
            self.nothing, self.outcome(commands), self.weights, ordinary_excess_kt=self._ordinary_excess_kt
        )

    def gain(self, commands: tuple[CommandCandidate, ...]) -> float:
        price = sum(
            self.weights.cost * command.cost + (0.0 if command.reversible else self.weights.irreversibility)
            for command in commands
        )
        return self.improvement(commands) - price

    def order(self, commands: tuple[CommandCandidate, ...]) -> tuple[float, int, float, str]:
        """Best first; where gains are equal, the reversible, then the cheaper, then by name."""
        last = commands[-1]
        return (-round(self.gain(commands), 9), int(not last.reversible), last.cost, last.label)


def improvement(
    before: RolloutOutcome, after: RolloutOutcome, weights: PlannerWeights, *, ordinary_excess_kt: float
) -> float:
    """Weighted relative drop of log free-energy excess and loss from one expectation to another."""

    def log_excess(outcome: RolloutOutcome) -> float:
        return math.log1p(max(outcome.free_energy_excess_kt - ordinary_excess_kt, 0.0))

    energy = _relative_drop(log_excess(before), log_excess(after))
    return weights.free_energy * energy + weights.loss * _relative_drop(before.loss, after.loss)


def _relative_drop(before: float, after: float) -> float:
    # Measured by the do-nothing value, so that doubling it costs as much as removing it gains.
    scale = abs(before) if before != 0 else abs(after)
    return (before - after) / scale if scale > 0 else 0.0


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
