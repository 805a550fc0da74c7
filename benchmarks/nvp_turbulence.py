"""The shipped closure on turbulence below the sensors' resolution, beside what its time buys otherwise.

    python benchmarks/nvp_turbulence.py [--trajectories 3] [--seed 900001]

Forced flow at viscosity 1e-5 after Li et al. (ICLR 2021), regenerated: 64 squared sensors, truth on 256 squared
(training used 192), frames of 1 s from t = 10 s. Mean relative L2 of the vorticity. Regenerated data: no row may
be set against a published table.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.recipes import RECIPES, steady_forcing
from industriverse.nvp.service import shipped_predictor
from industriverse.nvp.solvers.navier_stokes import NavierStokes


@torch.no_grad()
def errors(step: Callable[[Tensor], Tensor], truth: Tensor) -> tuple[Tensor, float]:
    """Relative L2, (frames, trajectories), and CPU ms a frame a trajectory."""
    state, found, spent = truth[0], [], 0.0
    for seen in truth[1:]:
        started = time.process_time()
        state = step(state)
        spent += time.process_time() - started
        found.append((state - seen).flatten(1).norm(dim=1) / seen.flatten(1).norm(dim=1))
    return torch.stack(found), 1e3 * spent / (len(truth) - 1) / truth.shape[1]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trajectories", type=int, default=3)
    parser.add_argument("--seed", type=int, default=900_001)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    truth = replace(RECIPES["vorticity"], truth_cells=256).trajectories(chosen.trajectories, chosen.seed)
    predictor = shipped_predictor("vorticity")
    assert predictor is not None
    closure = predictor.closure
    assert closure is not None
    plain = predictor.solver
    padded = NavierStokes(Grid(64), 1.0, forcing=steady_forcing(64), viscosity=1e-5).with_padding(2.0)
    assert isinstance(padded, NavierStokes)
    rows: dict[str, Callable[[Tensor], Tensor]] = {
        "persistence": lambda state: state,
        "mean": torch.zeros_like,
        "vorticity, unpadded": closure.solver.coarser().advance,
        "navier_stokes, 128^2, float64": lambda state: padded.march(state.double()).float(),
        "navier_stokes, 128^2, float32": padded.march,
        "vorticity": plain.advance,
        "vorticity + flux, gated": lambda state: closure(state).state,
    }
    print(f"{'':<32}{'mean':<10}{'frame 1':<10}{'frame 10':<10}{'CPU ms':<9}over its solver: mean, worst")
    base, _ = errors(plain.advance, truth)
    for name, step in rows.items():
        found, cost = errors(step, truth)
        ratio = found / base
        print(
            f"{name:<32}{float(found.mean()):<10.4f}{float(found[0].mean()):<10.4f}{float(found[-1].mean()):<10.4f}"
            f"{cost:<9.1f}{float(ratio.log().mean().exp()):.3f}, {float(ratio.max()):.3f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
