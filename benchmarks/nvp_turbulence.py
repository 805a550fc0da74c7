"""The flow of Li et al. (ICLR 2021), regenerated, at three viscosities; the shipped closure beside its solvers.

    python benchmarks/nvp_turbulence.py                      viscosities 1e-3, 1e-4 and 1e-5
    python benchmarks/nvp_turbulence.py --viscosity 1e-5     the closure's own task

One frame of 64 squared sensors at t = 10 s in, frames of 1 s out; truth on 256 squared (training used 192, 1e-3 is
resolved on 128). Mean relative L2 of the vorticity over frames and trajectories that no training saw. Regenerated
data: the published figures printed underneath are of other data and of networks that are not told the equation;
no row may be set against them. CPU is process time on one thread, the least of three measurements of a frame.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.recipes import RECIPES, Recipe, steady_forcing
from industriverse.nvp.service import shipped_predictor
from industriverse.nvp.solvers.navier_stokes import NavierStokes
from industriverse.nvp.solvers.vorticity import Vorticity

Step = Callable[[Tensor], Tensor]
FLUX: Final = "vorticity + flux, gated"
RECORD: Final = "navier_stokes, padded to 128^2"
TWIN: Final = "vorticity, padded to 128^2"


@dataclass(frozen=True)
class Task:
    """A viscosity: grid of the truth, frames ahead, and what others published on their own data."""

    truth_cells: int
    frames: int
    published: str


# Tables of DPOT (Hao et al., ICML 2024).
TASKS: Final[dict[float, Task]] = {
    1e-3: Task(128, 40, "FNO 0.0128, DPOT-Ti 0.00954, DPOT-H 0.00229"),
    1e-4: Task(256, 20, "FNO 0.0834, DPOT-Ti 0.0606, DPOT-H 0.0131"),
    1e-5: Task(256, 10, "FNO 0.156, DPOT-Ti 0.0976, DPOT-H 0.0174"),
}


def flow(cells: int, viscosity: float) -> Vorticity:
    """The solver that the rows are made of."""
    return Vorticity(Grid(cells), 1.0, forcing=steady_forcing(cells), viscosity=viscosity)


def recipe_of(viscosity: float) -> Recipe:
    """The task of the shipped closure with another viscosity."""
    task = TASKS[viscosity]
    return replace(
        RECIPES["vorticity"],
        truth_cells=task.truth_cells,
        frames=task.frames,
        make=lambda cells: flow(cells, viscosity),
    )


@torch.no_grad()
def errors(step: Step, truth: Tensor) -> tuple[Tensor, float]:
    """Relative L2, (frames, trajectories), and CPU ms a frame of one trajectory."""
    state, found, cost = truth[0], [], float("inf")
    for seen in truth[1:]:
        state = step(state)
        found.append((state - seen).flatten(1).norm(dim=1) / seen.flatten(1).norm(dim=1))
    for _ in range(3):
        started = time.process_time()
        step(truth[1, :1])
        cost = min(cost, time.process_time() - started)
    return torch.stack(found), 1e3 * cost


def rows(viscosity: float) -> Iterator[tuple[str, Step]]:
    """What is compared; everything in float32 on 64 squared sensors."""
    solver = flow(64, viscosity)
    record = NavierStokes(Grid(64), 1.0, forcing=steady_forcing(64), viscosity=viscosity).with_padding(2.0)
    assert isinstance(record, NavierStokes)
    yield "persistence", lambda state: state
    yield "mean", torch.zeros_like
    yield "vorticity, not padded", solver.unpadded().advance
    yield "vorticity, padded to 96^2", solver.advance
    yield TWIN, solver.with_padding(2.0).advance
    yield RECORD, record.march
    predictor = shipped_predictor("vorticity")
    if viscosity == float(predictor.solver.coefficients["viscosity"] if predictor else 0.0):
        assert predictor is not None
        closure = predictor.closure
        assert closure is not None
        yield FLUX, lambda state: closure(state).state


def table(viscosity: float, trajectories: int, seed: int) -> None:
    """Prints the rows of one viscosity."""
    task = TASKS[viscosity]
    truth = recipe_of(viscosity).trajectories(trajectories, seed)
    base, _ = errors(flow(64, viscosity).advance, truth)
    print(
        f"\nviscosity {viscosity:g}, {task.frames} frames, truth on {task.truth_cells}^2, {trajectories} flows"
    )
    print(f"{'':<34}{'mean':<10}{'frame 1':<10}{'last':<10}{'CPU ms':<9}over the padded solver: mean, worst")
    costs = {}
    for name, step in rows(viscosity):
        found, costs[name] = errors(step, truth)
        ratio = found / base
        print(
            f"{name:<34}{float(found.mean()):<10.3g}{float(found[0].mean()):<10.3g}{float(found[-1].mean()):<10.3g}"
            f"{costs[name]:<9.1f}{float(ratio.log().mean().exp()):.3f}, {float(ratio.max()):.3f}",
            flush=True,
        )
    for other in (RECORD, TWIN) if FLUX in costs else ():
        print(f"CPU of the flux with its estimate over {other}: {costs[FLUX] / costs[other]:.2f}")
    print(f"published, other data: {task.published}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trajectories", type=int, default=3)
    parser.add_argument("--seed", type=int, default=900_001)
    parser.add_argument("--viscosity", type=float, action="append", choices=list(TASKS), help="may repeat")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for viscosity in chosen.viscosity or TASKS:
        table(viscosity, chosen.trajectories, chosen.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
