"""Track A: the coefficients of a known equation from the last frames, with their uncertainty."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import torch
from torch import Tensor
from torch.autograd import forward_ad

from industriverse.nvp.field_errors import InferenceError
from industriverse.nvp.grid import AXES, to_spectrum
from industriverse.nvp.solvers.base import Solver

__all__ = ["Inference", "infer_coefficients"]

# Largest change of a logarithm, or of a plain coefficient in units of 1 + its size, in one iteration.
_LARGEST_STEP = 0.7
_SCAN = (0.05, 0.15, 0.4, 2.5, 6.0, 20.0)


@dataclass(frozen=True)
class Inference:
    """Coefficients of each sample.

    Args:
        values: Estimate by name, (batch,) each, in the coefficient's unit.
        standard_error: By name, (batch,); of the natural logarithm for positive coefficients.
        covariance: Of all, in the order of `values`, (batch, p, p), logarithms for positive ones.
        misfit: Relative one-step misfit that is left, (batch,): noise plus what the equation cannot say.
        identified: Whether the frames determine the coefficient (standard error below 1), by name.
        iterations: Gauss-Newton iterations used.
    """

    values: dict[str, Tensor]
    standard_error: dict[str, Tensor]
    covariance: Tensor
    misfit: Tensor
    identified: dict[str, Tensor]
    iterations: int


@cache
def _load_forward_mode() -> None:
    """Imports what torch's forward mode loads on first use, which warns about torch's own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import_module("torch._decomp.decompositions_for_jvp")


class _Problem:
    """Low-pass one-step residuals of all consecutive pairs, as a function of the coefficients."""

    def __init__(
        self, solver: Solver, frames: Tensor, names: Sequence[str], modes: int, watched: Sequence[int]
    ) -> None:
        self.solver, self.names = solver, tuple(names)
        self.watched = list(watched)
        self.pairs, self.batch = frames.shape[0] - 1, frames.shape[1]
        self.before = frames[:-1].flatten(0, 1)
        self.logarithmic = [solver.coefficient_ranges[name].positive for name in names]
        cells = frames.shape[-1]
        rows = torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64).abs()
        self.rows = (rows < modes).nonzero()[:, 0]
        self.columns = min(modes, cells // 2 + 1)
        centred = frames - frames.mean(dim=AXES, keepdim=True)
        spread = centred.square().mean(dim=(0, -1, -2)).sqrt().clamp_min(1e-12)
        self.scale = spread[..., None, None].repeat(self.pairs, 1, 1, 1) * cells
        self.target = self._low_pass(frames[1:].flatten(0, 1))

    def _low_pass(self, state: Tensor) -> Tensor:
        """Retained modes as real numbers, (pairs, batch, channels x modes x 2), weighted by multiplicity."""
        spectrum = to_spectrum((state / self.scale)[:, self.watched])[..., self.rows, : self.columns]
        weight = torch.full((self.columns,), math.sqrt(2.0), dtype=state.dtype)
        weight[0] = 1.0
        parts = torch.view_as_real(spectrum * weight)
        return parts.flatten(1).reshape(self.pairs, self.batch, -1)

    def coefficients(self, theta: Tensor) -> dict[str, Tensor]:
        """Coefficients (batch,) by name of the parameters (batch, p)."""
        return {
            name: theta[:, k].exp() if self.logarithmic[k] else theta[:, k]
            for k, name in enumerate(self.names)
        }

    def parameters(self, values: Sequence[Tensor]) -> Tensor:
        """Parameters (batch, p) of coefficient values."""
        columns = [
            (value.log() if self.logarithmic[k] else value).expand(self.batch)
            for k, value in enumerate(values)
        ]
        return torch.stack(columns, dim=1)

    def clamped(self, theta: Tensor) -> Tensor:
        """Parameters inside the admissible ranges."""
        columns = []
        for k, name in enumerate(self.names):
            limit = self.solver.coefficient_ranges[name]
            low, high = limit.low, limit.high
            if self.logarithmic[k]:
                low, high = math.log(low), math.log(high)
            # The margin keeps the exponential of the logarithm inside in floating point.
            margin = 1e-9 * (1 + abs(high - low))
            columns.append(theta[:, k].clamp(low + margin, high - margin))
        return torch.stack(columns, dim=1)

    def residual(self, theta: Tensor) -> Tensor:
        """Predicted minus seen, (pairs, batch, m)."""
        predicted = self._over_pairs(theta, lambda solver, before: solver.advance(before))
        return self._low_pass(predicted) - self.target

    def discretisation(self, theta: Tensor) -> Tensor:
        """Embedded error of the solver in the terms of the residual, (pairs, batch, m)."""
        return self._low_pass(
            self._over_pairs(theta, lambda solver, before: solver.estimate(before).difference)
        )

    def _over_pairs(self, theta: Tensor, run: Callable[[Solver, Tensor], Tensor]) -> Tensor:
        """Runs all frames at once, or frame by frame when the medium differs by sample."""
        values = self.coefficients(theta)
        fields = [getattr(self.solver, name) for name in self.solver.field_names]
        if any(field is not None and field.ndim == 4 and field.shape[0] > 1 for field in fields):
            solver = self.solver.with_coefficients(**values)
            return torch.cat([run(solver, before) for before in self.before.chunk(self.pairs)])
        repeated = {name: value.repeat(self.pairs) for name, value in values.items()}
        return run(self.solver.with_coefficients(**repeated), self.before)

    def jacobian(self, theta: Tensor) -> Tensor:
        """Derivative of the residual by each parameter, (pairs, batch, m, p), by forward mode."""
        _load_forward_mode()
        columns = []
        for k in range(len(self.names)):
            direction = torch.zeros_like(theta)
            direction[:, k] = 1.0
            with forward_ad.dual_level():
                # Torch ships no annotations for forward mode.
                dual = self.residual(forward_ad.make_dual(theta, direction))  # type: ignore[no-untyped-call]
                tangent: Tensor = forward_ad.unpack_dual(dual).tangent  # type: ignore[no-untyped-call]
                columns.append(tangent.clone())
        return torch.stack(columns, dim=-1)


def _scanned(problem: _Problem, theta: Tensor) -> Tensor:
    """The best of a few multiples of each positive coefficient in turn."""
    best = problem.residual(theta).square().sum(dim=(0, 2))
    for k, logarithmic in enumerate(problem.logarithmic):
        if not logarithmic:
            continue
        start = theta.clone()
        for factor in _SCAN:
            trial = start.clone()
            trial[:, k] += math.log(factor)
            trial = problem.clamped(trial)
            cost = problem.residual(trial).square().sum(dim=(0, 2))
            better = torch.nan_to_num(cost, nan=math.inf) < best
            theta = torch.where(better[:, None], trial, theta)
            best = torch.where(better, cost, best)
    return theta


def _covariance(jacobian: Tensor, residual: Tensor, discretisation: Tensor) -> Tensor:
    """Sandwich covariance clustered by mode plus the shift by the solver's error, (batch, p, p).

    The noise of a frame enters the residuals before and after it, so residuals of one mode at different
    times are correlated; summing the scores of a mode over time before squaring accounts for it
    (Liang and Zeger, Biometrika 73, 1986).
    """
    bread = torch.einsum("tbmp,tbmq->bpq", jacobian, jacobian)
    score = torch.einsum("tbmp,tbm->bmp", jacobian, residual)
    meat = torch.einsum("bmp,bmq->bpq", score, score)
    ridge = 1e-14 * bread.diagonal(dim1=1, dim2=2).amax(dim=1)[:, None, None].clamp_min(1e-300)
    inverse: Tensor = torch.linalg.inv(bread + ridge * torch.eye(bread.shape[-1], dtype=bread.dtype))
    count = residual.shape[2] / max(1, residual.shape[2] - bread.shape[-1])
    shift = torch.einsum("bpq,tbmq,tbm->bp", inverse, jacobian, discretisation)
    return inverse @ meat @ inverse * count + shift[:, :, None] * shift[:, None, :]


@torch.no_grad()
def infer_coefficients(
    solver: Solver,
    frames: Tensor,
    names: Sequence[str],
    *,
    modes: int = 8,
    watched: Sequence[str] | None = None,
    iterations: int = 12,
    scan: bool = True,
) -> Inference:
    """Levenberg-Marquardt on the one-step misfit of the last frames.

    Minimises the sum over consecutive frames of |low-pass(step(y_t; theta) - y_{t+1})|², theta the
    logarithms of positive coefficients. The solver is differentiated in forward mode, one extra solve
    a coefficient; samples of the batch are independent problems solved together.

    Args:
        solver: Its present coefficients are the first guess.
        frames: (time, batch, channels, cells, cells), at least 2 consecutive frames.
        names: Coefficients to infer.
        modes: Wavenumbers |k| below this enter the misfit: sensor noise lives mostly above.
        watched: Channels that enter the misfit; all by default. Leave out those that the solver
            resolves worse than the sensor does, as the heat of a fast flow.
        iterations: Largest number of iterations.
        scan: First try a few multiples of each positive coefficient.

    Raises:
        InferenceError: Fewer than 2 frames, no or unknown names, or frames that do not change.
    """
    if frames.ndim != 5 or frames.shape[0] < 2:
        raise InferenceError(
            f"frames have the shape {tuple(frames.shape)}", hint="give (time >= 2, batch, channels, n, n)"
        )
    unknown = [name for name in names if name not in solver.coefficient_ranges]
    if unknown or not names:
        raise InferenceError(
            f"cannot infer {unknown or 'nothing'}",
            hint=f"coefficients of {solver.name}: {', '.join(solver.coefficient_ranges)}",
        )
    frames = frames.double()
    for frame in frames:
        solver.check(frame)
    if bool((frames[1:] == frames[:-1]).all()):
        raise InferenceError("the frames do not change", hint="give frames of a system out of equilibrium")
    channel_names = [channel.name for channel in solver.channels]
    foreign = [name for name in watched or () if name not in channel_names]
    if foreign:
        raise InferenceError(f"cannot watch {foreign}", hint=f"channels: {', '.join(channel_names)}")
    kept = [channel_names.index(name) for name in watched or channel_names]
    problem = _Problem(solver, frames, names, modes, kept)
    theta = problem.clamped(problem.parameters([solver.coefficients[name] for name in names]))
    if scan:
        theta = _scanned(problem, theta)
    damping = torch.full((frames.shape[1],), 1e-3, dtype=torch.float64)
    residual = problem.residual(theta)
    cost = residual.square().sum(dim=(0, 2))
    used = 0
    for _ in range(iterations):
        used += 1
        jacobian = problem.jacobian(theta)
        normal = torch.einsum("tbmp,tbmq->bpq", jacobian, jacobian)
        gradient = torch.einsum("tbmp,tbm->bp", jacobian, residual)
        diagonal = torch.diag_embed(normal.diagonal(dim1=1, dim2=2).clamp_min(1e-30))
        step = torch.linalg.solve(normal + damping[:, None, None] * diagonal, gradient)
        size = 1 + torch.where(torch.tensor(problem.logarithmic), 0.0, theta.abs())
        step = step.clamp(-_LARGEST_STEP * size, _LARGEST_STEP * size)
        trial = problem.clamped(theta - step)
        reached = problem.residual(trial)
        following = torch.nan_to_num(reached.square().sum(dim=(0, 2)), nan=math.inf)
        better = following < cost
        theta = torch.where(better[:, None], trial, theta)
        residual = torch.where(better[None, :, None], reached, residual)
        cost = torch.where(better, following, cost)
        damping = torch.where(better, damping / 5, damping * 8).clamp(1e-9, 1e6)
        if float((step.abs() / size).max()) < 1e-6 or not bool(better.any() or damping.min() < 1e3):
            break
    covariance = _covariance(problem.jacobian(theta), residual, problem.discretisation(theta))
    errors = covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    return Inference(
        values=problem.coefficients(theta),
        standard_error={name: errors[:, k] for k, name in enumerate(names)},
        covariance=covariance,
        misfit=(cost / problem.target.square().sum(dim=(0, 2)).clamp_min(1e-300)).sqrt(),
        identified={name: errors[:, k] < 1.0 for k, name in enumerate(names)},
        iterations=used,
    )
