"""Residual-flux diffusion beside the deterministic closure and Gaussian residuals, on shocks below the grid.

    python benchmarks/nvp_residual.py [--budget-s 60]

Burgers at viscosity 2e-3 on 32 squared sensors, truth on 128 squared: what the sensors do not see decides the next
frame in part. One frame ahead from true states of test trajectories. CRPS, mean absolute error and spread are in
units of 1e-3 of the field's unit; the lower CRPS is the better forecast. The Gaussian residuals have the variance
a + b difference², fitted on the held-out trajectories, about the solver and about the closure. Diffusion and
closure are trained for the same processor seconds; the diffusion sees the held-out trajectories too, as the
closure's gate does. Regenerated data.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from industriverse.nvp.calibration import LEVEL, normal_quantile
from industriverse.nvp.learned_flux import LearnedFlux
from industriverse.nvp.metrics import coverage, crps_of_ensemble, crps_of_normal
from industriverse.nvp.recipes import RECIPES
from industriverse.nvp.residual_diffusion import ResidualDiffusion, train_residual
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.training import train_flux

MEMBERS = 16
MILLI = 1e3


def gaussian(
    centre: Callable[[Tensor], Tensor], solver: Solver, held: Tensor
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Centre and standard deviation with the variance a + b difference², least squares on held-out frames."""
    squares, differences = [], []
    for state, truth in itertools.pairwise(held):
        squares.append((truth - centre(state)).double().square().flatten())
        differences.append(solver.estimate(state).difference.double().square().flatten())
    wrong, known = torch.cat(squares), torch.cat(differences)
    slope = (((known - known.mean()) * wrong).mean() / known.var(correction=0)).clamp_min(0.0)
    floor = (wrong.mean() - slope * known.mean()).clamp_min(1e-3 * wrong.mean())

    def forecast(state: Tensor) -> tuple[Tensor, Tensor]:
        difference = solver.estimate(state).difference.double()
        return centre(state), (floor + slope * difference.square()).sqrt()

    return forecast


def normal_row(forecast: Callable[[Tensor], tuple[Tensor, Tensor]], test: Tensor) -> list[float]:
    centres, deviations = zip(*(forecast(state) for state in test[:-1]), strict=True)
    centre, deviation, truth = torch.stack(centres), torch.stack(deviations), test[1:]
    return scores(crps_of_normal(centre, deviation, truth), centre, deviation, truth)


def scores(crps: float, centre: Tensor, deviation: Tensor, truth: Tensor) -> list[float]:
    half = normal_quantile(LEVEL) * deviation
    missed = (centre - truth).double()
    return [
        MILLI * crps,
        MILLI * float(missed.abs().mean()),
        float((deviation.square().mean() / missed.square().mean()).sqrt()),
        coverage(centre - half, centre + half, truth),
    ]


def diffusion_row(model: ResidualDiffusion, test: Tensor, beta: float) -> tuple[list[float], str]:
    generator = torch.Generator().manual_seed(5)
    crps, centres, deviations, effective, drawn, drift = [], [], [], [], [], 0.0
    for state, truth in itertools.pairwise(test):
        found = model.sample(state, MEMBERS, generator, beta=beta)
        states = found.states
        if beta > 0:
            # The score takes equal members: draw them by weight.
            order = [
                torch.multinomial(w, MEMBERS, replacement=True, generator=generator)
                for w in found.weights.unbind(1)
            ]
            states = torch.stack([states[index, k] for k, index in enumerate(order)], dim=1)
        crps.append(float(crps_of_ensemble(states, truth).mean()))
        centres.append(found.mean())
        deviations.append(found.deviation())
        effective.append(found.effective)
        drawn.append(found.resampled)
        moved = (found.states.double() - state.double()).sum(dim=(-2, -1)).abs().max()
        drift = max(drift, float(moved / (state - state.mean(dim=(-2, -1), keepdim=True)).abs().sum()))
    told = (
        f"effective sample size {float(torch.cat(effective).mean()):.1f} of {MEMBERS}, resampled "
        f"{float(torch.cat(drawn).double().mean()):.0%}; largest drift of a sample {drift:.1e} of A_E"
    )
    row = scores(sum(crps) / len(crps), torch.stack(centres), torch.stack(deviations), test[1:])
    return row, told


@torch.no_grad()
def table(model: ResidualDiffusion, closure: LearnedFlux, held: Tensor, test: Tensor) -> None:
    solver = closure.solver

    def corrected(state: Tensor) -> Tensor:
        frame: Tensor = closure(state).state
        return frame

    print(
        f"{'':<44}{'CRPS':<9}{'MAE':<9}{'spread/error':<14}{'coverage of 90 %':<18}CPU ms a frame of a sample"
    )
    plain = closure.finer.advance
    for name, centre in (("solver", plain), ("solver + gated flux", corrected)):
        error = MILLI * float(
            torch.stack([(centre(a) - b).abs().mean() for a, b in itertools.pairwise(test)]).mean()
        )
        print(f"{name:<44}{error:<9.4f}{error:<9.4f}{'-':<14}{'-':<18}{cost(centre, test[0]):.1f}")
    for name, centre in (("solver + Gaussian", plain), ("solver + gated flux + Gaussian", corrected)):
        forecast = gaussian(centre, solver, held)
        show(name, normal_row(forecast, test), cost(forecast, test[0]))
    for name, beta in (("residual diffusion", 0.0), ("residual diffusion, Boltzmann", 1.0)):
        row, told = diffusion_row(model, test, beta)
        spent = cost(lambda state: model.sample(state, MEMBERS, torch.Generator().manual_seed(0)), test[0])
        show(f"{name}, {MEMBERS} samples", row, spent)
        print(f"    {told}")


def show(name: str, row: list[float], spent: float) -> None:
    print(f"{name:<44}{row[0]:<9.4f}{row[1]:<9.4f}{row[2]:<14.2f}{row[3]:<18.3f}{spent:.1f}", flush=True)


def cost(step: Callable[[Tensor], object], state: Tensor) -> float:
    started = time.process_time()
    step(state)
    return 1e3 * (time.process_time() - started) / len(state)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget-s", type=float, default=60.0)
    parser.add_argument("--trajectories", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    task = RECIPES["burgers"]
    train, held, test = (
        task.trajectories(count, 8_000 + 1_000 * k + chosen.seed)
        for k, count in enumerate((chosen.trajectories, 6, 6))
    )
    torch.manual_seed(chosen.seed)
    closure = LearnedFlux(task.solver(), width=task.width, levels=2)
    report = train_flux(
        closure, train, held, budget_s=chosen.budget_s, seed=chosen.seed, symmetry=task.symmetry
    )
    print(f"closure: {report.updates} updates, gate {report.gate}", flush=True)
    model = ResidualDiffusion(task.solver(), width=task.width)
    updates = train_residual(
        model, torch.cat([train, held], dim=1), budget_s=chosen.budget_s, seed=chosen.seed
    )
    size = sum(p.numel() for p in model.body.parameters())
    print(f"diffusion: {updates} updates, {size} parameters, {model.steps} refinement steps\n", flush=True)
    table(model.eval(), closure, held, test)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
