"""Spread of a forecast: what sensor noise and uncertain coefficients make of it."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from industriverse.nvp.calibration import Spread
from industriverse.nvp.grid import AXES, to_spectrum
from industriverse.nvp.inference import Inference
from industriverse.nvp.solvers.base import Solver

__all__ = ["drawn_solvers", "ensemble_states", "noise_level", "rollout_spread"]

# Richardson: halving the step of a second-order scheme leaves a third of the difference as error.
_RICHARDSON = 3.0


def noise_level(solver: Solver, frames: Tensor) -> Tensor:
    """Standard deviation of white sensor noise by channel, (batch, channels, 1, 1).

    The median power of the modes beyond two thirds of the band: white noise has the same power in all
    modes, a resolved field has little there. With two frames or more the one-step misfit bounds it from
    above, so that a rough but noise-free field is not taken for noise.
    """
    level = _high_power(frames[-1])
    if frames.shape[0] >= 2:
        level = torch.minimum(level, _high_power(frames[-1] - solver.advance(frames[-2])))
    return level.sqrt().to(frames.dtype)[..., None, None]


def _high_power(field: Tensor) -> Tensor:
    cells = field.shape[-1]
    rows = torch.fft.fftfreq(cells, 1 / cells).abs()[:, None]
    columns = torch.fft.rfftfreq(cells, 1 / cells).abs()[None, :]
    high = ((rows > cells / 3) | (columns > cells / 3)) & (columns > 0) & (columns < cells / 2)
    power = to_spectrum(field.double()).abs().square()[..., high] / cells**2
    # The power of a mode is exponentially distributed; its median is ln 2 of its mean.
    return power.median(dim=-1).values / torch.log(torch.tensor(2.0, dtype=torch.float64))


def drawn_solvers(
    solver: Solver, inference: Inference | None, members: int, generator: torch.Generator
) -> Iterator[Solver]:
    """Solvers whose coefficients are drawn from the covariance of their inference."""
    if inference is None:
        for _ in range(members):
            yield solver
        return
    ridge = 1e-18 * torch.eye(inference.covariance.shape[-1], dtype=torch.float64)
    root = torch.linalg.cholesky(inference.covariance + ridge)
    for _ in range(members):
        draw = torch.randn(root.shape[:2], dtype=torch.float64, generator=generator)
        shift = (root @ draw[..., None])[..., 0]
        values = {}
        for k, (name, value) in enumerate(inference.values.items()):
            limit = solver.coefficient_ranges[name]
            moved = value * shift[:, k].exp() if limit.positive else value + shift[:, k]
            values[name] = moved.clamp(limit.low, limit.high)
        yield solver.with_coefficients(**values)


def ensemble_states(
    solver: Solver,
    frames: Tensor,
    horizon: int,
    *,
    members: int,
    seed: int,
    inference: Inference | None = None,
    step: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """Members, (members, horizon, batch, channels, cells, cells).

    Each starts from the last frame plus noise of the sensor's level and runs with drawn coefficients, or
    with `step` where the track is not the bare solver.
    """
    generator = torch.Generator().manual_seed(seed)
    level = noise_level(solver, frames)
    floor = torch.tensor([channel.minimum for channel in solver.channels], dtype=frames.dtype)
    runs = []
    for drawn in drawn_solvers(solver, inference, members, generator):
        noise = torch.randn(frames[-1].shape, dtype=torch.float64, generator=generator).to(frames.dtype)
        # The sum over the grid is what the sensor network knows best: members share the balance.
        noise = noise - noise.mean(dim=AXES, keepdim=True)
        state = torch.maximum(frames[-1] + level * noise, floor[:, None, None])
        states = []
        for _ in range(horizon):
            state = drawn.advance(state) if step is None else step(state)[0]
            states.append(state)
        runs.append(torch.stack(states))
    return torch.stack(runs)


def rollout_spread(
    solver: Solver,
    frames: Tensor,
    horizon: int,
    *,
    members: int,
    seed: int,
    inference: Inference | None = None,
    step: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
) -> Spread:
    """The deterministic forecast and its variance: spread of the ensemble and embedded difference.

    A third of the accumulated embedded difference stands for the error of the scheme. It knows nothing of a
    wrong equation; `calibration.calibrate` adds what earlier forecasts missed.
    """
    states = ensemble_states(
        solver, frames, horizon, members=members, seed=seed, inference=inference, step=step
    )
    # The variance of the mean forecast's own start counts as one more draw.
    variance = states.var(dim=0) * (1 + 1 / members)
    state, drift, centres, drifts = frames[-1], torch.zeros_like(frames[-1]), [], []
    for _ in range(horizon):
        pair = solver.estimate(state)
        state = pair.state if step is None else step(state)[0]
        drift = drift + pair.difference.abs() / _RICHARDSON
        centres.append(state)
        drifts.append(drift)
    return Spread(
        frames[-1], torch.stack(centres), variance, torch.stack(drifts), noise_level(solver, frames)
    )
