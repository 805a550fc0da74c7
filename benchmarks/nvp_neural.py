"""Networks that predict the state, beside the solver and the flux on top of it, at equal training time.

    python benchmarks/nvp_neural.py                                  five tasks, three seeds, 30 CPU s a training
    python benchmarks/nvp_neural.py --domain burgers --seed 0        one part; results are kept and added up
    python benchmarks/nvp_neural.py --report                         the table of what has been measured so far

FNO and TFNO come from `neuraloperator` (the benchmark extra) and are left out, with a line that says so, where
it is not installed. Every network is trained on the same frames for the same processor seconds with AdamW, a
cosine schedule, random shifts and the loss in its own favour: one-step mean square error of the normalised
increment. They are not told the equation; the solver is. Seeds are of weights and batches; the data of a domain
are drawn once. Every finished row is written to the folder at once, so a killed run goes on where it was. Data
are regenerated here: no row may be set against a published table.
"""

import argparse
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from industriverse.nvp.flux_network import PatchUNet
from industriverse.nvp.grid import Grid
from industriverse.nvp.learned_flux import LearnedFlux
from industriverse.nvp.metrics import geometric_mean, null_predictors, vrmse
from industriverse.nvp.modal import modal_step
from industriverse.nvp.recipes import RECIPES, Recipe, large_waves, steady_forcing
from industriverse.nvp.solvers.burgers import Burgers
from industriverse.nvp.solvers.gray_scott import GrayScott
from industriverse.nvp.solvers.spectral import SpectralSolver
from industriverse.nvp.solvers.vorticity import Vorticity
from industriverse.nvp.training import train_flux

Step = Callable[[Tensor], Tensor]
NETWORKS: Final = ("flux", "FNO", "TFNO", "U-Net")
# Solvers that a row's inference time may buy instead of it, cheapest first.
LADDER: Final = (
    "solver, unpadded",
    "solver, padded 3/2",
    "solver, padded 3/2, half step",
    "solver, padded 2",
)


def pattern(count: int, cells: int, generator: torch.Generator) -> Tensor:
    """Starts of Gray-Scott: catalyst in broad waves, substrate where it is not, (count, 2, n, n)."""
    catalyst = 0.25 + 0.2 * large_waves(count, cells, generator)
    return torch.cat([1 - catalyst, catalyst], dim=1)


TASKS: Final[dict[str, Recipe]] = {
    "burgers": replace(
        RECIPES["burgers"],
        description="shocks at viscosity 4e-3 m2/s, the domain's default",
        cells=64,
        truth_cells=192,
        make=lambda cells: Burgers(Grid(cells), 0.02, viscosity=4e-3),
    ),
    "vorticity": replace(
        RECIPES["vorticity"],
        description="forced turbulence at viscosity 1e-4 m2/s on 32 x 32 sensors",
        cells=32,
        truth_cells=96,
        width=16,
        make=lambda cells: Vorticity(Grid(cells), 1.0, forcing=steady_forcing(cells), viscosity=1e-4),
    ),
    "gray_scott": Recipe(
        "gray_scott",
        "reaction and diffusion of two substances, fed (open: no closure, the solver is ours)",
        cells=32,
        truth_cells=96,
        frame_s=2.0,
        spin_up=0,
        frames=20,
        symmetry="translations",
        width=16,
        make=lambda cells: GrayScott(Grid(cells), 2.0, diffusivity_u=8e-5, diffusivity_v=4e-5),
        start=pattern,
        truth_refinement=8,
    ),
    "cahn_hilliard": RECIPES["cahn_hilliard"],
    # Where the sensors are too coarse for the shocks, solver and flux have the least to offer.
    "burgers_coarse": replace(
        RECIPES["burgers"],
        description="the same shocks, about a cell thin",
        make=lambda cells: Burgers(Grid(cells), 0.02, viscosity=4e-3),
    ),
}


@dataclass
class Row:
    """Errors, cost and size of a row.

    Attributes:
        first: One-step VRMSE from true states, mean over frames and trajectories.
        rollout: Geometric mean over the frames of a roll-out.
        last: VRMSE of its last frame.
        worst: Largest error of a roll-out over the padded solver's, any frame and trajectory.
        cpu_ms: Least CPU of one frame of one sample.
        parameters: Of the network; 0 where nothing was trained.
        updates: Of its training.
    """

    first: float
    rollout: float
    last: float
    worst: float
    cpu_ms: float
    parameters: int = 0
    updates: int = 0


class Increment(nn.Module):
    """u' = u + scale x network(u / spread): what every free network learns."""

    def __init__(self, body: nn.Module, spread: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.body, self.spread, self.scale = body, spread, scale

    def forward(self, state: Tensor) -> Tensor:
        """State one frame later."""
        moved: Tensor = state + self.scale * self.body(state / self.spread)
        return moved


def body(name: str, channels: int) -> nn.Module:
    """A network of about 140,000 parameters, the size of the flux network.

    Raises:
        ImportError: `neuraloperator` is not installed.
    """
    if name == "U-Net":
        return PatchUNet(channels, channels, width=16, levels=2, boundary="periodic")
    from neuralop.models import FNO, TFNO

    arguments = {"in_channels": channels, "out_channels": channels, "n_layers": 4, "n_modes": (12, 12)}
    made: nn.Module = (
        FNO(hidden_channels=20, **arguments)
        if name == "FNO"
        else TFNO(hidden_channels=40, factorization="tucker", rank=0.2, **arguments)
    )
    return made


def trained(network: nn.Module, frames: Tensor, budget_s: float, seed: int) -> tuple[Increment, int]:
    """The network after `budget_s` processor seconds on (frames, trajectories, channels, n, n)."""
    before, after = frames[:-1].flatten(0, 1), frames[1:].flatten(0, 1)
    deviation = before.std(dim=(0, 2, 3), keepdim=True)
    model = Increment(network, deviation, (after - before).std(dim=(0, 2, 3), keepdim=True))
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
def rolled(step: Step, truth: Tensor) -> Tensor:
    """VRMSE of a roll-out, (frames, trajectories); what is no number any more counts as 1e6."""
    state, errors = truth[0], []
    for seen in truth[1:]:
        state = step(state)
        errors.append(vrmse(state.nan_to_num(nan=1e6, posinf=1e6, neginf=-1e6), seen).clamp_max(1e6))
    return torch.stack(errors)


@torch.no_grad()
def measured(step: Step, truth: Tensor, base: Tensor, parameters: int = 0, updates: int = 0) -> Row:
    """Errors and cost of one way to make the next frame."""
    first = torch.stack([vrmse(step(state), seen) for state, seen in itertools.pairwise(truth)])
    found, cost = rolled(step, truth), math.inf
    for _ in range(7):
        started = time.process_time()
        step(truth[0][:1])
        cost = min(cost, time.process_time() - started)
    return Row(
        float(first.mean()),
        geometric_mean(found.mean(dim=1)),
        float(found[-1].mean()),
        float((found / base.clamp_min(1e-15)).max()),
        1e3 * cost,
        parameters,
        updates,
    )


class Book:
    """Rows of one setting, kept in a file as they come.

    Args:
        folder: Holds data and rows; made if absent.
        domain: The task.
        budget_s: Processor seconds of every training.
        trajectories: For training.
    """

    def __init__(self, folder: Path, domain: str, budget_s: float, trajectories: int) -> None:
        self.folder, self.domain, self.task = folder, domain, TASKS[domain]
        self.budget_s, self.trajectories = budget_s, trajectories
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{domain}-{budget_s:g}s-{trajectories}.json"
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.rows: dict[str, dict[int, Row]] = {
            name: {int(seed): Row(**row) for seed, row in by_seed.items()} for name, by_seed in kept.items()
        }

    def data(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training, held-out and test trajectories, each drawn once."""
        counts = {"train": self.trajectories, "held_out": 8, "test": 8}
        parts = []
        for index, (split, count) in enumerate(counts.items()):
            path = self.folder / f"{self.domain}-{split}-{count}-{self.task.truth_refinement}.safetensors"
            if not path.exists():
                draft = path.with_suffix(".part")
                save_file(
                    {"frames": self.task.trajectories(count, 7_000 + 100_000 * index).contiguous()}, draft
                )
                draft.replace(path)
            parts.append(load_file(path)["frames"])
        return parts[0], parts[1], parts[2]

    def keep(self, name: str, seed: int, make: Callable[[], Row]) -> None:
        """Measures a row unless it is there."""
        if seed in self.rows.get(name, {}):
            return
        self.rows.setdefault(name, {})[seed] = make()
        kept = {key: {s: asdict(row) for s, row in found.items()} for key, found in self.rows.items()}
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(kept, indent=1))
        draft.replace(self.path)
        print(f"  {self.domain}, seed {seed}: {name}", flush=True)


def fill(book: Book, seed: int, networks: Sequence[str]) -> None:
    """Measures every row of one seed, with those of the networks that are asked for."""
    train, held, test = book.data()
    solver = book.task.solver()
    assert isinstance(solver, SpectralSolver)
    ladder: dict[str, Step] = dict(
        zip(
            LADDER,
            (
                solver.unpadded().advance,
                solver.advance,
                solver.with_refinement(2).advance,
                solver.with_padding(2.0).advance,
            ),
            strict=True,
        )
    )
    base = rolled(solver.sharper().advance, test)
    steps: dict[str, Step] = {
        name: step for name, step in null_predictors(seed).items() if name in ("persistence", "mean")
    }
    steps["Fourier-DMD"] = modal_step(torch.cat([*train.transpose(0, 1)], dim=0)[:, None], solver.grid)
    steps |= ladder | {"NVP-A, finer of pair": lambda state: solver.estimate(state).state}
    for name, step in steps.items():
        book.keep(name, seed, lambda step=step: measured(step, test, base))  # type: ignore[misc]

    if "flux" in networks and any(channel.conserved for channel in solver.channels):
        book.keep("NVP-B, gated flux", seed, lambda: closed(book, solver, (train, held, test), base, seed))
    for name in (network for network in networks if network != "flux"):
        try:
            book.keep(name, seed, lambda name=name: free(name, book, train, test, base, seed))  # type: ignore[misc]
        except ImportError as error:
            print(f"{name} left out: {error} (pip install 'industriverse[benchmark]')")


def free(name: str, book: Book, train: Tensor, test: Tensor, base: Tensor, seed: int) -> Row:
    """A trained network that predicts the state."""
    torch.manual_seed(seed)
    network = body(name, train.shape[2])
    model, updates = trained(network, train, book.budget_s, seed)
    return measured(model.eval(), test, base, sum(p.numel() for p in network.parameters()), updates)


def closed(
    book: Book, solver: SpectralSolver, data: tuple[Tensor, Tensor, Tensor], base: Tensor, seed: int
) -> Row:
    """The gated flux after the same time of training."""
    train, held, test = data
    torch.manual_seed(seed)
    closure = LearnedFlux(solver, width=book.task.width, levels=2)
    report = train_flux(closure, train, held, budget_s=book.budget_s, seed=seed, symmetry=book.task.symmetry)
    print(f"  {book.domain}, seed {seed}: gate {report.gate}", flush=True)
    size = sum(p.numel() for p in closure.network.parameters())
    return measured(lambda state: closure(state).state, test, base, size, report.updates)


def mean_and_spread(values: list[float]) -> str:
    tensor = torch.tensor(values, dtype=torch.float64)
    if len(values) < 2:
        return f"{float(tensor[0]):.3g}"
    return f"{float(tensor.mean()):.3g} +- {float(tensor.std()):.1g}"


def average(rows: dict[int, Row], pick: Callable[[Row], float]) -> float:
    return sum(pick(row) for row in rows.values()) / len(rows)


def equal_cost(book: Book, cost_ms: float) -> float:
    """One-step error of the best solver that costs no more, or of the cheapest."""
    bought = [
        average(book.rows[name], lambda row: row.first)
        for name in LADDER
        if name in book.rows and min(row.cpu_ms for row in book.rows[name].values()) <= cost_ms
    ]
    return min(bought) if bought else average(book.rows[LADDER[0]], lambda row: row.first)


def report(book: Book) -> None:
    """The table of a domain, with both skills and the ratio to ours."""
    if "NVP-A, finer of pair" not in book.rows:
        print(f"\n{book.domain}: nothing measured yet")
        return
    task = book.task
    print(f"\n{book.domain}: {task.description}; {task.cells}^2 sensors, truth on {task.truth_cells}^2")
    print(
        f"{'':<31}{'VRMSE@1':<20}{'x ours':<8}{'gm of roll-out':<19}{'last':<9}{'skill/pers':<12}{'skill/solv':<12}"
        f"{'worst/solv':<12}{'CPU ms':<8}{'parameters':<12}{'updates':<9}seeds"
    )
    still = average(book.rows["persistence"], lambda row: row.first)
    mine = [average(book.rows[n], lambda row: row.first) for n in book.rows if n.startswith("NVP")]
    for name, found in book.rows.items():
        rows = list(found.values())
        first = average(found, lambda row: row.first)
        cost = min(row.cpu_ms for row in rows)
        print(
            f"{name:<31}{mean_and_spread([r.first for r in rows]):<20}{first / min(mine):<8.3g}"
            f"{mean_and_spread([r.rollout for r in rows]):<19}{average(found, lambda row: row.last):<9.3g}"
            f"{1 - first / still:<12.4f}{1 - first / equal_cost(book, cost):<12.4g}"
            f"{max(r.worst for r in rows):<12.3g}{cost:<8.2f}"
            f"{rows[0].parameters or '-':<12}{min(r.updates for r in rows) or '-':<9}{len(rows)}",
            flush=True,
        )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", action="append", choices=list(TASKS), help="may repeat; all by default")
    parser.add_argument("--budget-s", type=float, default=30.0, help="processor seconds of training a row")
    parser.add_argument("--seed", action="append", type=int, help="may repeat; 0, 1 and 2 by default")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="may repeat; all by default")
    parser.add_argument("--trajectories", type=int, default=24)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "industriverse-nvp-neural"
    )
    parser.add_argument("--report", action="store_true", help="only print what the folder holds")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    domains = chosen.domain or list(TASKS)
    books = [Book(chosen.folder, domain, chosen.budget_s, chosen.trajectories) for domain in domains]
    if not chosen.report:
        # Seed by seed, so that a run cut short has something to say about every domain.
        for seed in chosen.seed or range(3):
            for book in books:
                fill(book, seed, chosen.network or NETWORKS)
    print(f"\n{chosen.budget_s:.0f} processor seconds of training a row; rows and data in {chosen.folder}")
    for book in books:
        report(book)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
