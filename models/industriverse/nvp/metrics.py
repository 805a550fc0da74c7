"""Scores of field forecasts under which doing nothing, shuffling and averaging score nothing.

Defined naively, "energy fidelity" and "entropy coherence" are passed by predicting no change: the
scores here are normalised by what can change. Every report carries the null predictors beside it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError
from industriverse.nvp.grid import AXES
from industriverse.nvp.solvers.base import Solver

__all__ = [
    "ENTROPY_VIOLATION",
    "ScoreCard",
    "coverage",
    "crps_of_ensemble",
    "crps_of_normal",
    "energy_fidelity",
    "entropy_coherence",
    "fluctuation",
    "flux_fidelity",
    "geometric_mean",
    "null_predictors",
    "score",
    "second_law_violations",
    "skill",
    "vrmse",
]

# Relative fall of the entropy that counts as a violation: ten times float32 rounding of a sum.
ENTROPY_VIOLATION = 1e-6
_TINY = 1e-300
StepFunction = Callable[[Tensor], Tensor]


def _same_shape(predicted: Tensor, truth: Tensor) -> None:
    if predicted.shape != truth.shape:
        raise FieldShapeError(
            f"prediction has the shape {tuple(predicted.shape)} and truth {tuple(truth.shape)}",
            hint="score frames of the same shape",
        )


def vrmse(predicted: Tensor, truth: Tensor) -> Tensor:
    """Root mean square error over the spatial standard deviation of the truth.

    The Well's NRMSE with `norm_mode="std"` (Ohana et al., NeurIPS 2024): predicting the mean scores 1.
    Offsets of the field do not help, as they would in a norm that includes the mean.

    Args:
        predicted: (batch, channels, cells, cells).
        truth: Same shape.

    Returns:
        (batch,): mean over channels that vary in space.
    """
    _same_shape(predicted, truth)
    error = (predicted - truth).double().square().mean(dim=AXES).sqrt()
    exact = truth.double()
    spread = (exact - exact.mean(dim=AXES, keepdim=True)).square().mean(dim=AXES).sqrt()
    varies = spread > 1e-12 * exact.abs().amax(dim=AXES).clamp_min(1e-12)
    ratio = torch.where(varies, error / spread.clamp_min(_TINY), 0.0)
    return ratio.sum(dim=1) / varies.sum(dim=1).clamp_min(1)


def geometric_mean(values: Tensor) -> float:
    """Geometric mean; infinite when any value is not finite."""
    if not bool(torch.isfinite(values).all()):
        return math.inf
    return float(torch.exp(torch.log(values.double().clamp_min(1e-15)).mean()))


def skill(error: float, baseline_error: float) -> float:
    """1 - error / baseline_error: 1 is perfect, 0 no better than the baseline, negative worse."""
    if baseline_error <= 0:
        return 1.0 if error <= 0 else -math.inf
    return 1.0 - error / baseline_error


def fluctuation(density: Tensor) -> Tensor:
    """A_E, the sum of |e - mean e| over space: what could be moved, blind to a constant in e, (batch,)."""
    exact = density.double()
    return (exact - exact.mean(dim=AXES, keepdim=True)).abs().sum(dim=AXES)


def energy_fidelity(densities: Tensor, metered: Tensor | None = None) -> Tensor:
    """1 - max over t of |E(t) - E(0) - metered work up to t| / A_E.

    Args:
        densities: Energy density of a roll-out with its start, (frames, batch, cells, cells).
        metered: Total exchanged with the outside up to each frame in the units of the sum over cells,
            (frames, batch), first entry 0; None for a closed system.

    Returns:
        (batch,). 1 is exact. Persistence also scores 1 here: it conserves; `flux_fidelity` convicts it.
    """
    totals = densities.double().sum(dim=AXES)
    expected = totals[:1] if metered is None else totals[:1] + metered.double()
    worst = (totals - expected).abs().amax(dim=0)
    return 1 - worst / fluctuation(densities[0]).clamp_min(_TINY)


def flux_fidelity(before: Tensor, predicted: Tensor, truth: Tensor) -> Tensor:
    """1 - |change predicted - change true| / |change true| in the 1-norm, the local balance, (batch,).

    Args:
        before: Density at the start of the frame, (batch, cells, cells).
        predicted: Density predicted for its end.
        truth: Density at its end.
    """
    _same_shape(predicted, truth)
    true_change = (truth - before).double()
    wrong = (predicted - truth).double().abs().sum(dim=AXES)
    return 1 - wrong / true_change.abs().sum(dim=AXES).clamp_min(_TINY)


def entropy_coherence(produced: Tensor, true_produced: Tensor, floor: float = 1e-12) -> float:
    """EC_sigma = 1 - median over frames of |sigma_pred - sigma_true| / max(sigma_true, floor).

    Args:
        produced: Entropy produced by the prediction in each teacher-forced frame, any shape.
        true_produced: Entropy that the truth produced in the same frames.
        floor: Smallest true production that is used as a denominator.
    """
    _same_shape(produced, true_produced)
    gap = (produced - true_produced).double().abs() / true_produced.double().clamp_min(floor)
    gap = torch.nan_to_num(gap, nan=math.inf)
    return 1.0 - float(gap.flatten().median())


def second_law_violations(produced: Tensor, entropy: Tensor) -> float:
    """Share of frames with internal production below -1e-6 |S|; must be 0."""
    broken = ~(produced.double() >= -ENTROPY_VIOLATION * entropy.double().abs())
    return float(broken.double().mean())


def crps_of_ensemble(members: Tensor, truth: Tensor) -> Tensor:
    """Fair continuous ranked probability score of an ensemble, mean over the grid.

    E|X - y| - E|X - X'|/2 with the unbiased pair term (Ferro, Q. J. R. Meteorol. Soc. 140, 2014).

    Args:
        members: (members, batch, ...), at least 2 members.
        truth: (batch, ...).

    Returns:
        (batch,), in the unit of the field; equals the mean absolute error for identical members.
    """
    count = members.shape[0]
    if count < 2:
        raise FieldShapeError(f"the ensemble has {count} member", hint="give at least 2")
    exact = members.double()
    miss = (exact - truth.double()).abs().mean(dim=0)
    ordered = exact.sort(dim=0).values
    rank = torch.arange(1, count + 1, dtype=torch.float64).reshape(-1, *([1] * (exact.ndim - 1)))
    pair = 2 * ((2 * rank - count - 1) * ordered).sum(dim=0) / (count * (count - 1))
    return (miss - 0.5 * pair).flatten(1).mean(dim=1)


def crps_of_normal(centre: Tensor, deviation: Tensor, truth: Tensor) -> float:
    """Continuous ranked probability score of a normal forecast, mean over everything.

    s (z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi)) with z = (y - m)/s (Gneiting, Raftery, Westveld and Goldman,
    Mon. Weather Rev. 133, 2005, eq. 5). All of one shape, in the unit of the field.
    """
    _same_shape(centre, truth)
    scale = deviation.double().clamp_min(_TINY)
    z = (truth - centre).double() / scale
    density = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    return float((scale * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))).mean())


def coverage(lower: Tensor, upper: Tensor, truth: Tensor) -> float:
    """Share of values inside their interval."""
    return float(((truth >= lower) & (truth <= upper)).double().mean())


def null_predictors(seed: int) -> dict[str, StepFunction]:
    """The fakes that every score must convict: no change, the mean, shuffled pixels."""
    generator = torch.Generator().manual_seed(seed)

    def shuffled(state: Tensor) -> Tensor:
        order = torch.randperm(state.shape[-1] * state.shape[-2], generator=generator)
        return state.flatten(-2)[..., order].reshape(state.shape)

    return {
        "persistence": lambda state: state,
        "mean": lambda state: state.mean(dim=AXES, keepdim=True).expand_as(state).clone(),
        "shuffled": shuffled,
    }


@dataclass(frozen=True)
class ScoreCard:
    """Scores of one predictor on one set of trajectories.

    Args:
        vrmse_one: Mean one-step VRMSE, teacher-forced.
        vrmse_rollout: Geometric mean of the VRMSE over the roll-out.
        vrmse_worst: Largest mean VRMSE over the roll-out.
        skill_persistence: 1 - one-step error over that of persistence.
        skill_solver: 1 - roll-out error over that of the equal-cost solver; NaN when none was given.
        energy_fidelity: Worst sample, from the roll-out.
        flux_fidelity: Median over teacher-forced frames.
        entropy_coherence: EC_sigma; NaN for systems without an entropy.
        violations: Share of teacher-forced frames that break the second law; NaN without an entropy.
    """

    vrmse_one: float
    vrmse_rollout: float
    vrmse_worst: float
    skill_persistence: float
    skill_solver: float
    energy_fidelity: float
    flux_fidelity: float
    entropy_coherence: float
    violations: float

    def honest(self) -> bool:
        """Whether this beats doing nothing, keeps the balance locally and obeys the second law."""
        lawful = math.isnan(self.violations) or (self.violations == 0 and self.entropy_coherence > 0.5)
        # The Well calls a VRMSE of 1 the mean predictor.
        return (
            lawful
            and self.skill_persistence > 0.5
            and not self.energy_fidelity < 0.9999
            and self.flux_fidelity > 0.5
            and self.vrmse_one < 0.5
        )


def _rollout(step: StepFunction, start: Tensor, frames: int) -> Tensor:
    states = [start]
    for _ in range(frames):
        states.append(step(states[-1]))
    return torch.stack(states)


def score(
    step: StepFunction, truth: Tensor, solver: Solver, *, solver_rollout: Tensor | None = None
) -> ScoreCard:
    """Scores a one-frame predictor against reference trajectories.

    Args:
        step: Maps a state (batch, channels, cells, cells) to the next frame.
        truth: Reference states, (frames + 1, batch, channels, cells, cells).
        solver: Supplies the energy density and the entropy functional of the domain.
        solver_rollout: VRMSE of the equal-cost solver at each frame, (frames,), for `skill_solver`.
    """
    frames = truth.shape[0] - 1
    forced = torch.stack([step(truth[t]) for t in range(frames)])
    one = torch.stack([vrmse(forced[t], truth[t + 1]) for t in range(frames)]).mean()
    still = torch.stack([vrmse(truth[t], truth[t + 1]) for t in range(frames)]).mean()
    rollout = _rollout(step, truth[0], frames)
    errors = torch.stack([vrmse(rollout[t + 1], truth[t + 1]).mean() for t in range(frames)])
    density = torch.stack([solver.density(state) for state in truth])
    local = [
        flux_fidelity(density[t], solver.density(forced[t]), density[t + 1]).median() for t in range(frames)
    ]
    # An open or relaxing system has no total that must be kept.
    closed = bool(solver.invariants(truth[0]))
    kept = (
        float(energy_fidelity(torch.stack([solver.density(state) for state in rollout])).min())
        if closed
        else math.nan
    )
    coherence = violations = math.nan
    if solver.entropy(truth[0]) is not None:
        coherence, violations = _entropy_scores(forced, truth, solver)
    return ScoreCard(
        vrmse_one=float(one),
        vrmse_rollout=geometric_mean(errors),
        vrmse_worst=float(errors.max()),
        skill_persistence=skill(float(one), float(still)),
        skill_solver=math.nan
        if solver_rollout is None
        else skill(geometric_mean(errors), geometric_mean(solver_rollout)),
        energy_fidelity=kept,
        flux_fidelity=float(torch.stack(local).median()),
        entropy_coherence=coherence,
        violations=violations,
    )


def _entropy_scores(forced: Tensor, truth: Tensor, solver: Solver) -> tuple[float, float]:
    entropies = torch.stack([_entropy(solver, state) for state in truth])
    reached = torch.stack([_entropy(solver, state) for state in forced])
    produced, true_produced = reached - entropies[:-1], entropies[1:] - entropies[:-1]
    floor = float(1e-9 * entropies.abs().max().clamp_min(1e-12))
    return entropy_coherence(produced, true_produced, floor), second_law_violations(produced, entropies[:-1])


def _entropy(solver: Solver, state: Tensor) -> Tensor:
    entropy = solver.entropy(state)
    assert entropy is not None
    return entropy
