"""Whether a forecast is ever worse than the solver it starts from: every domain, every frame.

The predictor is given the true coefficients and leave to infer one of them, so that whatever it makes of the
frames can only do harm or repair what the grid does not see. The solver's own roll-out from the same frame is the
denominator; a forecast by the solver itself has the ratio 1 to the bit.
"""

from dataclasses import dataclass

import torch
from benchmarks.nvp_problems import make_problem, make_truth
from torch import Tensor

from industriverse.nvp.grid import AXES
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.recipes import RECIPES
from industriverse.nvp.service import shipped_predictor
from industriverse.nvp.solvers.base import Solver

__all__ = ["LIMIT", "Harm", "harm_of", "harm_table"]

LIMIT = 1.02
SEEN = 8
AHEAD = 20


@dataclass(frozen=True)
class Harm:
    """Ratios of error to the solver's, any channel together: worst frame and geometric mean; the track."""

    worst: float
    mean: float
    track: str


def error_of(state: Tensor, truth: Tensor) -> Tensor:
    """Root mean square error over the spread of the truth, all channels, (batch,)."""
    spread = (truth - truth.mean(dim=AXES, keepdim=True)).square().mean(dim=AXES).sqrt()
    scale = torch.where(spread > 1e-9 * truth.abs().amax(dim=AXES), spread, torch.inf)
    missed: Tensor = (state - truth).square().mean(dim=AXES).sqrt() / scale
    return missed.sum(dim=1)


@torch.no_grad()
def harm_of(predictor: Predictor, seen: Tensor, ahead: Tensor) -> Harm:
    """Compares the predictor's forecast after `seen` with its solver's roll-out, frame by frame."""
    found = predictor.forecast(seen, len(ahead))
    solver, state, ratios = predictor.solver.sharper(), seen[-1], []
    for step, truth in zip(found.mean, ahead, strict=True):
        state = solver.advance(state)
        # Below rounding of the data both are right.
        floor = 1e-12 if truth.dtype == torch.float64 else 1e-6
        base, mine = (error_of(each, truth).clamp_min(floor) for each in (state, step))
        ratios.append(mine / base)
    ratio = torch.stack(ratios)
    return Harm(float(ratio.max()), float(ratio.log().mean().exp()), found.track)


def doubtful(solver: Solver) -> tuple[str, ...]:
    """The coefficient that the predictor may infer."""
    return tuple(name for name, limit in solver.coefficient_ranges.items() if limit.positive)[:1]


def harm_table(domains: tuple[str, ...], cells: int, seeds: int, *, quick: bool) -> bool:
    """Prints the table; returns whether every ratio is within the limit."""
    print(
        f"{cells}^2 sensors, truth on {2 * cells}^2, {SEEN} frames seen, {AHEAD} ahead, true coefficients given,"
    )
    print(f"one of them may be inferred, {seeds} seed(s) x 2 trajectories; limit {LIMIT} on every frame\n")
    print(f"{'domain':<22}{'noise':<8}{'worst / solver':<16}{'mean':<10}tracks")
    kept = True
    for domain in domains:
        for level in (0.0, 0.01):
            found = [one(domain, cells, level, 3000 + seed) for seed in range(seeds)]
            kept &= line(domain, level, found)
    if not quick and "vorticity" in domains:
        truth = RECIPES["vorticity"].trajectories(2, 910_001)
        shipped = shipped_predictor("vorticity")
        assert shipped is not None
        kept &= line("vorticity, shipped flux", 0.0, [harm_of(shipped, truth[:1], truth[1:])])
        kept &= line("the same, 4 frames seen", 0.0, [harm_of(shipped, truth[:4], truth[4:])])
    print(f"\n{'every ratio is within' if kept else 'SOME RATIO EXCEEDS'} {LIMIT}")
    return kept


def line(name: str, level: float, found: list[Harm]) -> bool:
    worst = max(each.worst for each in found)
    mean = sum(each.mean for each in found) / len(found)
    tracks = ", ".join(sorted({each.track for each in found}))
    print(f"{name:<22}{level:<8}{worst:<16.4f}{mean:<10.4f}{tracks}", flush=True)
    return worst <= LIMIT


def one(domain: str, cells: int, level: float, seed: int) -> Harm:
    """One draw of a domain with sensor noise of a share of each channel's spread."""
    problem = make_problem(domain, cells, 2, 2, seed)
    truth = make_truth(problem, SEEN + AHEAD - 1)
    noise = torch.randn(truth.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    noise = noise - noise.mean(dim=AXES, keepdim=True)
    read = truth + level * truth.std(dim=AXES, keepdim=True) * noise
    for index, channel in enumerate(problem.coarse.channels):
        read[:, :, index] = read[:, :, index].clamp_min(channel.minimum)
    predictor = Predictor(problem.coarse, infer=doubtful(problem.coarse))
    return harm_of(predictor, read[:SEEN], truth[SEEN:])
