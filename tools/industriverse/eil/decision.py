"""Choose among actions by expected free energy: what each leads to, what it may reveal, what it costs.

The functional is the expected free energy of active inference (Friston et al., "Active inference and epistemic
value", Cogn. Neurosci. 6, 2015) with the preference that a stream be in equilibrium:

    G(a) = E[ log(1 + max(F - F_ordinary, 0) / kT) ]     risk: how far from equilibrium the action leads
         + loss(a) / loss scale                           service lost on the way
         - information(a)                                 uncertainty that it resolves, nats
         + cost(a) * price                                effort and wear
         + w (1 + P(a is worse than doing nothing))       only for what cannot be undone

The last line is the price of a closed door: an irreversible action forgoes every later correction, and is paid for
more dearly the likelier it is to need one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from industriverse.eil.errors import DecisionError

__all__ = ["DO_NOTHING", "DecisionWeights", "Judged", "Option", "Verdict", "decide", "judge"]

DO_NOTHING = "do nothing"

QUADRATURE_POINTS = 24
# Gauss-Hermite, "physicists'" weight exp(-x^2): nodes are scaled by sqrt(2) for a normal distribution.
_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(QUADRATURE_POINTS)


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that could be done.

    Attributes:
        name: What it is called.
        free_energy_kt: Free-energy excess expected at the horizon, kT.
        free_energy_sd_kt: Standard deviation of that expectation, kT.
        loss: Service expected to be lost until then, in the unit of ``DecisionWeights.loss_scale``.
        cost: Effort and wear relative to a change of set-point, which costs 1.
        reversible: Whether it can be undone.
        information_nats: Uncertainty about the cause that it resolves, nats.
    """

    name: str
    free_energy_kt: float
    free_energy_sd_kt: float = 0.0
    loss: float = 0.0
    cost: float = 1.0
    reversible: bool = True
    information_nats: float = 0.0


@dataclass(frozen=True, slots=True)
class DecisionWeights:
    """What counts.

    Attributes:
        ordinary_kt: Excess that clean operation shows now and then, kT; below it nothing is gained.
        loss_scale: Loss that weighs as much as one e-fold of free energy; must be positive.
        cost_nats: Price of one unit of cost, nats.
        irreversibility_nats: Least price of an action that cannot be undone, nats; twice this if it is
            certain to be worse than doing nothing.
        margin_nats: Two options nearer than this are not told apart.
    """

    ordinary_kt: float = 0.0
    loss_scale: float = 1.0
    cost_nats: float = 0.02
    irreversibility_nats: float = 0.7
    margin_nats: float = 0.05


@dataclass(frozen=True, slots=True)
class Judged:
    """An option with the terms of its expected free energy; the total is their sum, nats.

    Attributes:
        option: What was judged.
        risk: Expected logarithm of the excess.
        loss: Service lost.
        information: Uncertainty resolved, negative.
        cost: Effort.
        irreversibility: Price of not being able to undo it.
        worse_than_nothing: Probability that it leaves more free energy than doing nothing.
    """

    option: Option
    risk: float
    loss: float
    information: float
    cost: float
    irreversibility: float
    worse_than_nothing: float

    @property
    def expected_free_energy(self) -> float:
        """G, nats: less is better."""
        return self.risk + self.loss + self.information + self.cost + self.irreversibility


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is best, and whether that is clear.

    Attributes:
        ranking: Every option, doing nothing among them, best first.
        margin: G of the second minus G of the first, nats.
        clear: Whether the margin reaches ``DecisionWeights.margin_nats``.
    """

    ranking: tuple[Judged, ...]
    margin: float
    clear: bool

    @property
    def best(self) -> Judged:
        """The option with the least expected free energy."""
        return self.ranking[0]


def decide(options: Sequence[Option], nothing: Option, weights: DecisionWeights | None = None) -> Verdict:
    """Rank options, doing nothing among them, by expected free energy.

    Of options that are told apart by nothing but the last bits, the reversible one is first, then the cheaper,
    then by name.

    Args:
        options: What could be done; names are unique.
        nothing: What is expected if nothing is done.
        weights: What counts.

    Raises:
        DecisionError: If a name occurs twice, a number is not finite or out of range.
    """
    weighed = weights or DecisionWeights()
    _check(options, nothing, weighed)
    judged = [judge(option, nothing, weighed) for option in (nothing, *options)]
    ranking = sorted(judged, key=_order)
    margin = ranking[1].expected_free_energy - ranking[0].expected_free_energy if options else math.inf
    return Verdict(tuple(ranking), margin, margin >= weighed.margin_nats)


def expected_log_excess(mean_kt: float, sd_kt: float, ordinary_kt: float) -> float:
    """E[log(1 + max(F - ordinary, 0))] of a normal F, by Gauss-Hermite quadrature."""
    excess = np.maximum(mean_kt + math.sqrt(2.0) * sd_kt * _NODES - ordinary_kt, 0.0)
    return float(_WEIGHTS @ np.log1p(excess) / math.sqrt(math.pi))


def judge(option: Option, nothing: Option, weights: DecisionWeights) -> Judged:
    """The terms of an option's expected free energy, beside doing nothing."""
    worse = 0.0 if option is nothing else _probability_above(option, nothing)
    price = 0.0 if option.reversible else weights.irreversibility_nats * (1.0 + worse)
    return Judged(
        option=option,
        risk=expected_log_excess(option.free_energy_kt, option.free_energy_sd_kt, weights.ordinary_kt),
        loss=option.loss / weights.loss_scale,
        information=-option.information_nats,
        cost=weights.cost_nats * option.cost,
        irreversibility=price,
        worse_than_nothing=worse,
    )


def _probability_above(option: Option, nothing: Option) -> float:
    """P(F of the option > F of doing nothing) of independent normals."""
    difference = option.free_energy_kt - nothing.free_energy_kt
    spread = math.hypot(option.free_energy_sd_kt, nothing.free_energy_sd_kt)
    if spread == 0.0:
        return 0.5 if difference == 0.0 else float(difference > 0.0)
    return 0.5 * math.erfc(-difference / spread / math.sqrt(2.0))


def _order(judged: Judged) -> tuple[float, bool, float, str]:
    option = judged.option
    return (round(judged.expected_free_energy, 12), not option.reversible, option.cost, option.name)


def _check(options: Sequence[Option], nothing: Option, weights: DecisionWeights) -> None:
    names = [option.name for option in (nothing, *options)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DecisionError(f"option {twice[0][:80]!r} occurs twice", hint="give each option its own name")
    if not (math.isfinite(weights.loss_scale) and weights.loss_scale > 0):
        raise DecisionError(f"loss_scale is {weights.loss_scale}", hint="give a positive loss")
    for option in (nothing, *options):
        amounts = {
            "free_energy_sd_kt": option.free_energy_sd_kt,
            "cost": option.cost,
            "information_nats": option.information_nats,
        }
        for name, value in amounts.items():
            if not (math.isfinite(value) and value >= 0):
                raise DecisionError(f"{name} of {option.name[:80]!r} is {value}", hint="give 0 or more")
        for name, value in {"free_energy_kt": option.free_energy_kt, "loss": option.loss}.items():
            if not math.isfinite(value):
                raise DecisionError(f"{name} of {option.name[:80]!r} is {value}", hint="give a finite number")
