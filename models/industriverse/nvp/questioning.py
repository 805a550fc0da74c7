"""One forecast of a field with everything that it can be asked: error by source, band, laws, cost.

The error has five sources, each estimated by a computation of its own and added in quadrature:

* discretisation: the roll-out against one with half the substep and a finer product grid;
* the grid: the roll-out against one on half the cells, a third of the difference (Richardson, second order);
* sensor noise and uncertain coefficients: spread of an ensemble drawn from both;
* the equation: the part of the one-step misfit that noise does not explain, carried over the horizon.

All are relative to the spatial standard deviation of the forecast, as VRMSE is (``nvp.metrics.vrmse``).
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from industriverse.nvp.ensemble import ensemble_states, noise_level
from industriverse.nvp.field_errors import PredictorError
from industriverse.nvp.inference import Inference, infer_coefficients
from industriverse.nvp.metrics import fluctuation, vrmse
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.spectral import SpectralSolver

__all__ = ["FieldQuestioned", "FieldSettings", "question_field"]

_NINETY = 1.6448536


@dataclass(frozen=True, slots=True)
class FieldSettings:
    """How a forecast is computed.

    Attributes:
        refinement: Multiple of the stable number of substeps.
        padding: Width of the product grid of spectral solvers relative to the field's, 1 to 3.
        members: Ensemble members, at least 2.
        infer: Coefficients read from the frames instead of those given.
    """

    refinement: int = 1
    padding: float = 1.0
    members: int = 4
    infer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldQuestioned:
    """A forecast and what was asked of it.

    Attributes:
        mean: Forecast at the horizon, (1, channels, cells, cells).
        discretisation: Relative change under half the step and a finer product grid.
        resolution: Relative error of the grid, from a roll-out on half the cells; None where there is none.
        coefficient_change: Relative change if the doubtful coefficients are read from the frames; None if they are.
        spread: Relative spread of the ensemble at the horizon.
        misfit: Relative one-step misfit beyond noise; None with a single frame.
        error: Estimated relative error, all sources; infinite where the misfit is unknown.
        width: Mean width of the central 90 % band relative to the field's standard deviation.
        balance_error: Worst drift of an invariant over A_E; None for an open system.
        second_law: Whether no frame lowered the entropy; None without one.
        entropy_produced: Entropy at the end minus at the start; None without one.
        above: Share of members whose maximum exceeds the decision's limit; None without a decision.
        steps: Solver evaluations of one frame.
        coefficients: Values used.
    """

    mean: Tensor = field(repr=False)
    discretisation: float
    resolution: float | None
    coefficient_change: float | None
    spread: float
    misfit: float | None
    error: float
    width: float
    balance_error: float | None
    second_law: bool | None
    entropy_produced: float | None
    above: float | None
    steps: int
    coefficients: Mapping[str, float]


def question_field(
    solver: Solver,
    frames: Tensor,
    horizon: int,
    settings: FieldSettings,
    *,
    halved: Solver | None = None,
    doubtful: tuple[str, ...] = (),
    limit: float | None = None,
    seed: int = 0,
) -> FieldQuestioned:
    """Forecast a field and measure what the forecast is worth.

    Args:
        solver: Equation, grid and first guess of its coefficients.
        frames: (time, 1, channels, cells, cells), oldest first.
        horizon: Frames ahead, at least 1.
        settings: How it is computed.
        halved: The same solver on a grid with half the cells.
        doubtful: Coefficients that are believed and not known.
        limit: A decision: does the first channel's maximum exceed this?
        seed: Of the ensemble.

    Raises:
        PredictorError: If the horizon, the members or the shape are out of range.
        FieldError: If the solver does not admit a frame.
    """
    if frames.ndim != 5 or frames.shape[1] != 1 or horizon < 1 or settings.members < 2:
        raise PredictorError(
            f"frames {tuple(frames.shape)}, horizon {horizon}, members {settings.members}",
            hint="give (time, 1, channels, n, n), horizon >= 1 and members >= 2",
        )
    with torch.no_grad():
        exact = frames.double()
        found = _question(solver, exact, horizon, settings, limit, seed)
        changed = None
        if doubtful and not settings.infer and len(frames) >= 2:
            changed = _changed(solver, exact, horizon, settings, doubtful, found.mean)
        grid = None if halved is None else _resolution(halved, exact, horizon, settings, found)
        error = math.hypot(found.error, grid or 0.0)
        return replace(found, coefficient_change=changed, resolution=grid, error=error)


def _question(
    solver: Solver, frames: Tensor, horizon: int, settings: FieldSettings, limit: float | None, seed: int
) -> FieldQuestioned:
    inference = infer_coefficients(solver, frames, settings.infer) if settings.infer else None
    if inference is not None:
        solver = solver.with_coefficients(**inference.values)
    coarse, fine = _pair(solver, settings)
    states = _rollout(fine, frames[-1], horizon)
    mean = states[-1]
    discretisation = float(vrmse(_rollout(coarse, frames[-1], horizon)[-1], mean).max())
    members = ensemble_states(
        coarse, frames, horizon, members=settings.members, seed=seed, inference=inference
    )[:, -1]
    scale = float(mean.std().clamp_min(1e-300))
    # The mean's own start is one more draw of the noise.
    variance = members.var(dim=0) * (1 + 1 / settings.members)
    spread = float(variance.mean().sqrt()) / scale
    misfit = _misfit(fine, frames)
    error = math.inf if misfit is None else math.hypot(discretisation, spread, misfit * horizon)
    balance, lawful, produced = _laws(fine, states)
    band = (variance.sqrt() + abs(discretisation) * scale) * _NINETY * 2
    return FieldQuestioned(
        mean=mean,
        discretisation=discretisation,
        resolution=None,
        coefficient_change=None,
        spread=spread,
        misfit=misfit,
        error=error,
        width=float(band.mean()) / scale,
        balance_error=balance,
        second_law=lawful,
        entropy_produced=produced,
        above=None if limit is None else float((members[:, 0, 0].amax(dim=(-2, -1)) > limit).double().mean()),
        steps=_steps(settings, horizon, len(frames), inference),
        coefficients={name: float(value.median()) for name, value in solver.coefficients.items()},
    )


def _changed(
    solver: Solver,
    frames: Tensor,
    horizon: int,
    settings: FieldSettings,
    doubtful: tuple[str, ...],
    believed: Tensor,
) -> float:
    """Relative change of the forecast if the doubtful coefficients are read from the frames."""
    inference = infer_coefficients(solver, frames, doubtful)
    other = _pair(solver.with_coefficients(**inference.values), settings)[1]
    return float(vrmse(_rollout(other, frames[-1], horizon)[-1], believed).max())


def _resolution(
    halved: Solver, frames: Tensor, horizon: int, settings: FieldSettings, found: FieldQuestioned
) -> float:
    """A third of the change that half the cells make: the error of a second-order grid (Richardson)."""
    coarse = _pair(halved.with_coefficients(**found.coefficients), settings)[1]
    start, reached = (torch.nn.functional.avg_pool2d(state, 2) for state in (frames[-1], found.mean))
    return float(vrmse(_rollout(coarse, start, horizon)[-1], reached).max()) / 3.0


def _pair(solver: Solver, settings: FieldSettings) -> tuple[Solver, Solver]:
    """The solver at these settings, and one with half the substep and the next finer product grid."""
    coarse, fine = (
        solver.with_refinement(settings.refinement),
        solver.with_refinement(2 * settings.refinement),
    )
    if isinstance(coarse, SpectralSolver) and isinstance(fine, SpectralSolver):
        return coarse.with_padding(settings.padding), fine.with_padding(settings.padding + 0.5)
    return coarse, fine


def _rollout(solver: Solver, state: Tensor, horizon: int) -> list[Tensor]:
    states = [state]
    for _ in range(horizon):
        states.append(solver.advance(states[-1]))
    return states


def _misfit(solver: Solver, frames: Tensor) -> float | None:
    """One-step misfit of the last frame beyond what sensor noise in two frames explains, relative."""
    if len(frames) < 2:
        return None
    predicted = solver.advance(frames[-2])
    scale = float(frames[-1].std().clamp_min(1e-300))
    residual = float((predicted - frames[-1]).square().mean().sqrt()) / scale
    noise = float(noise_level(solver, frames).square().mean().sqrt()) / scale
    return math.sqrt(max(residual**2 - 2 * noise**2, 0.0))


def _laws(solver: Solver, states: list[Tensor]) -> tuple[float | None, bool | None, float | None]:
    start, first = solver.invariants(states[0]), solver.entropy(states[0])
    amplitude = float(
        (fluctuation(solver.density(states[0])) * solver.grid.cell_area).clamp_min(1e-300).min()
    )
    balance = None
    if start:
        end = solver.invariants(states[-1])
        balance = max(float((end[name] - start[name]).abs().max()) / amplitude for name in start)
    if first is None:
        return balance, None, None
    lawful, before = True, first
    for earlier, later in itertools.pairwise(states):
        after = solver.entropy(later)
        assert after is not None
        lawful = lawful and bool((after >= before - solver.entropy_slack(earlier)).all())
        before = after
    return balance, lawful, float((before - first).min())


def _steps(settings: FieldSettings, horizon: int, frames: int, inference: Inference | None) -> int:
    """Frame evaluations, weighed by their substeps: what the energy budget is charged with."""
    rollouts = horizon * settings.refinement * (1 + 2 + settings.members)
    inferring = 0 if inference is None else inference.iterations * 2 * max(1, frames - 1)
    return rollouts + inferring
