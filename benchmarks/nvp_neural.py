"""Networks that predict the state, beside the solver and the flux on top of it, at equal training time.

    python benchmarks/nvp_neural.py                    Burgers, 32 squared sensors, three seeds
    python benchmarks/nvp_neural.py --domain vorticity --seeds 1 --budget-s 300

FNO and TFNO come from `neuraloperator` (the benchmark extra) and are left out, with a line that says so, where
it is not installed. Every network is trained on the same frames for the same processor seconds with AdamW, a
cosine schedule and the loss in its own favour: one-step mean square error of the normalised increment. They
are not told the equation; the solver is. Data are regenerated here: no row may be set against a published
table.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from industriverse.nvp.flux_network import PatchUNet
from industriverse.nvp.learned_flux import LearnedFlux
from industriverse.nvp.metrics import null_predictors, vrmse
from industriverse.nvp.modal import modal_step
from industriverse.nvp.recipes import RECIPES, Recipe
from industriverse.nvp.solvers.spectral import SpectralSolver
from industriverse.nvp.training import train_flux

Step = Callable[[Tensor], Tensor]


@dataclass
class Row:
    """One-step and roll-out errors, worst ratio to the solver, and cost of a row."""

    first: float
    mean: float
    worst: float
    cpu_ms: float
    parameters: int = 0


class Increment(nn.Module):
    """u' = u + scale x network(u / spread): what every free network learns."""

    def __init__(self, body: nn.Module, spread: float, scale: float) -> None:
        super().__init__()
        self.body, self.spread, self.scale = body, spread, scale

    def forward(self, state: Tensor) -> Tensor:
        """State one frame later."""
        moved: Tensor = state + self.scale * self.body(state / self.spread)
        return moved


def bodies(parameters: int, cells: int) -> dict[str, Callable[[], nn.Module]]:
    """Networks of about as many parameters as the flux network."""
    del cells
    found: dict[str, Callable[[], nn.Module]] = {
        "U-Net": lambda: PatchUNet(1, 1, width=24 if parameters > 2e5 else 16, levels=2, boundary="periodic")
    }
    try:
        from neuralop.models import FNO, TFNO
    except ImportError as error:
        print(f"FNO and TFNO left out: {error} (pip install 'industriverse[benchmark]')")
        return found
    hidden, modes = (30, 12) if parameters > 2e5 else (20, 12)
    arguments = {"in_channels": 1, "out_channels": 1, "n_layers": 4}
    found["FNO"] = lambda: FNO(n_modes=(modes, modes), hidden_channels=hidden, **arguments)
    found["TFNO"] = lambda: TFNO(
        n_modes=(modes, modes), hidden_channels=2 * hidden, factorization="tucker", rank=0.2, **arguments
    )
    return found


def trained(body: nn.Module, frames: Tensor, budget_s: float, seed: int) -> tuple[Increment, int]:
    before, after = frames[:-1].flatten(0, 1), frames[1:].flatten(0, 1)
    model = Increment(body, float(before.std()), float((after - before).std()))
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-5)
    generator = torch.Generator().manual_seed(seed)
    started, updates = time.process_time(), 0
    while (share := (time.process_time() - started) / budget_s) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
        index = torch.randint(len(before), (16,), generator=generator)
        shift = tuple(torch.randint(before.shape[-1], (2,), generator=generator).tolist())
        state, truth = before[index].roll(shift, (-2, -1)), after[index].roll(shift, (-2, -1))
        loss = ((model(state) - truth) / model.scale).square().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        updates += 1
    return model, updates


@torch.no_grad()
def measured(step: Step, truth: Tensor, base: Tensor | None, parameters: int = 0) -> tuple[Row, Tensor]:
    state, errors, spent = truth[0], [], 0.0
    for seen in truth[1:]:
        started = time.process_time()
        state = step(state)
        spent += time.process_time() - started
        errors.append(vrmse(state.nan_to_num(nan=1e6), seen))
    found = torch.stack(errors)
    worst = float("nan") if base is None else float((found / base.clamp_min(1e-15)).max())
    cost = 1e3 * spent / (len(truth) - 1) / truth.shape[1]
    return Row(float(found[0].mean()), float(found.mean()), worst, cost, parameters), found


def rows(task: Recipe, budget_s: float, seed: int, count: int) -> dict[str, Row]:
    train, held, test = (
        task.trajectories(n, 7_000 * (seed + 1) + k) for k, n in enumerate((count, count, 8))
    )
    solver = task.solver()
    assert isinstance(solver, SpectralSolver)
    found: dict[str, Row] = {}
    _, base = measured(solver.sharper().advance, test, None)
    steps: dict[str, Step] = {
        name: step for name, step in null_predictors(seed).items() if name in ("persistence", "mean")
    }
    pooled = train.transpose(0, 1)
    modal = modal_step(torch.cat([*pooled], dim=0)[:, None], solver.grid)
    steps["Fourier-DMD"] = modal
    steps["solver, unpadded"] = solver.unpadded().advance
    steps["solver, padded"] = solver.sharper().advance
    for name, step in steps.items():
        found[name] = measured(step, test, base)[0]
    torch.manual_seed(seed)
    closure = LearnedFlux(solver, width=task.width, levels=2)
    size = sum(p.numel() for p in closure.network.parameters())
    report = train_flux(closure, train, held, budget_s=budget_s, seed=seed, symmetry=task.symmetry)
    found["NVP-B, gated flux"] = measured(lambda state: closure(state).state, test, base, size)[0]
    found["NVP-B, no gate"] = measured(lambda state: closure(state, opening=1.0).state, test, base, size)[0]
    print(f"  seed {seed}: gate {report.gate}, {report.updates} updates", flush=True)
    for name, make in bodies(size, task.cells).items():
        torch.manual_seed(seed)
        body = make()
        model, updates = trained(body, train, budget_s, seed)
        parameters = sum(p.numel() for p in body.parameters())
        found[name] = measured(model, test, base, parameters)[0]
        print(f"  seed {seed}: {name} {updates} updates", flush=True)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", default="burgers", choices=sorted(RECIPES))
    parser.add_argument("--budget-s", type=float, default=60.0, help="processor seconds of training a row")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trajectories", type=int, default=24)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    task = RECIPES[chosen.domain]
    print(f"{task.domain}: {task.description}; regenerated data, truth on {task.truth_cells} squared")
    print(f"{chosen.budget_s:.0f} processor seconds of training a row, {chosen.seeds} seed(s)")
    every = [rows(task, chosen.budget_s, seed, chosen.trajectories) for seed in range(chosen.seeds)]
    print(f"\n{'':<20}{'VRMSE@1':<22}{'mean of roll-out':<22}{'worst / solver':<16}{'CPU ms':<9}parameters")
    for name in every[0]:
        kept = [seed_rows[name] for seed_rows in every if name in seed_rows]
        print(
            f"{name:<20}{spread([r.first for r in kept]):<22}{spread([r.mean for r in kept]):<22}"
            f"{max(r.worst for r in kept):<16.3g}{min(r.cpu_ms for r in kept):<9.2f}{kept[0].parameters or ''}"
        )
    return 0


def spread(values: list[float]) -> str:
    tensor = torch.tensor(values, dtype=torch.float64)
    deviation = float(tensor.std()) if len(values) > 1 else float("nan")
    return f"{float(tensor.mean()):.3g} +- {deviation:.1g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
