"""One training from nothing to a weights file, which may be killed at any moment and gone on with."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from industriverse.nvp.field_errors import PredictorError
from industriverse.nvp.learned_flux import Gate, LearnedFlux, calibrate_gate
from industriverse.nvp.metrics import null_predictors, vrmse
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.recipes import Recipe
from industriverse.nvp.solvers.spectral import SpectralSolver
from industriverse.nvp.training import FluxTrainer, held_out_ratios
from industriverse.storage import write_whole

__all__ = ["Plan", "Progress", "train"]

_CHUNK = 4
# Seeds of the splits lie far apart: no chunk of one is drawn by another.
_SPLITS: Final = {"train": 0, "held_out": 100_000, "test": 200_000}

Progress = Callable[[str, float, float], None]
"""Called with (phase, share of the phase done, loss or NaN)."""


@dataclass(frozen=True)
class Plan:
    """What to train.

    Args:
        budget_s: Processor seconds for everything; data come first, the updates get the rest.
        seed: Of data, weights and batches.
        trajectories: For training.
        held_out: For the gate; a third more are drawn for the test.
        updates: Fixes the number of updates instead of the budget, so that weights can be reproduced.
        batch: Frames an update.
    """

    budget_s: float
    seed: int = 0
    trajectories: int = 40
    held_out: int = 16
    updates: int | None = None
    batch: int = 16

    @property
    def counts(self) -> dict[str, int]:
        """Trajectories by split."""
        return {"train": self.trajectories, "held_out": self.held_out, "test": max(2, self.held_out // 2)}


def train(
    recipe: Recipe,
    plan: Plan,
    folder: Path,
    out: Path,
    progress: Progress | None = None,
    *,
    checkpoint_s: float = 10.0,
) -> dict[str, Any]:
    """Trains, gates, tests and saves; continues where a killed run of the same plan left off.

    Args:
        recipe: The task.
        plan: Budget, seed and sizes.
        folder: Holds data and the checkpoint; may be deleted when done.
        out: The .safetensors file to write; the model card goes beside it as .json.
        progress: Told how far each phase is.
        checkpoint_s: Seconds of work that a kill may cost.

    Returns:
        The model card.

    Raises:
        PredictorError: The folder holds another training, or a file in it is damaged.
    """
    told = progress or _untold
    _claim(folder, recipe, plan)
    data = {split: _data(recipe, plan, folder, split, told) for split in _SPLITS}
    closure = _fresh(recipe, plan)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trainer = FluxTrainer(
        closure,
        data["train"],
        updates=plan.updates or 1,
        seed=plan.seed,
        batch=plan.batch,
        symmetry=recipe.symmetry,
        device=device,
    )
    spent = _updates(trainer, plan, folder, told, checkpoint_s)
    closure.network.to("cpu").eval()
    told("gate", 0.0, float("nan"))
    gate = calibrate_gate(closure, data["held_out"], strengths=(0.25, 0.5, 0.75, 1.0))
    told("gate", 1.0, float("nan"))
    card = _card(recipe, plan, closure, gate, data, trainer, spent)
    card["device"] = device
    out.parent.mkdir(parents=True, exist_ok=True)
    predictor = Predictor(recipe.solver(), closure=closure, card={"card": json.dumps(card, sort_keys=True)})
    card["weights_sha256"] = predictor.save(out)
    write_whole(out.with_suffix(".json"), json.dumps(card, indent=1, sort_keys=True).encode())
    return card


def _untold(phase: str, share: float, loss: float) -> None:
    """Progress goes nowhere when nobody listens."""


def _identity(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    named = {k: v for k, v in asdict(recipe).items() if not callable(v)}
    return {"recipe": named, "plan": {k: v for k, v in asdict(plan).items() if k != "budget_s"}}


def _claim(folder: Path, recipe: Recipe, plan: Plan) -> None:
    """Binds the folder to this training; a longer budget may continue the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    mark, wanted = folder / "training.json", _identity(recipe, plan)
    if not mark.exists():
        write_whole(mark, json.dumps(wanted, sort_keys=True).encode())
        return
    if json.loads(mark.read_text()) != json.loads(json.dumps(wanted)):
        raise PredictorError(
            f"{folder} holds another training", hint="give the options it was started with or another folder"
        )


def _chunks(total: int) -> Iterator[tuple[int, int]]:
    for index, first in enumerate(range(0, total, _CHUNK)):
        yield index, min(_CHUNK, total - first)


def _data(recipe: Recipe, plan: Plan, folder: Path, split: str, told: Progress) -> Tensor:
    """Trajectories of a split; chunks already on disk are read."""
    total, parts = plan.counts[split], []
    for index, count in _chunks(total):
        path = folder / f"{split}-{index:04}.safetensors"
        if not path.exists():
            seed = plan.seed * 1_000_000 + _SPLITS[split] + index
            write_whole(path, save({"frames": recipe.trajectories(count, seed).contiguous()}))
        parts.append(_load(path)["frames"])
        told(f"data: {split}", min(1.0, (index + 1) * _CHUNK / total), float("nan"))
    return torch.cat(parts, dim=1)


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise PredictorError(f"{path} is damaged", hint="delete it and run the command again") from error


def _fresh(recipe: Recipe, plan: Plan) -> LearnedFlux:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return LearnedFlux(recipe.solver(), width=recipe.width, levels=2)


def _updates(trainer: FluxTrainer, plan: Plan, folder: Path, told: Progress, checkpoint_s: float) -> float:
    """Makes the updates with checkpoints; returns the processor seconds of all runs together."""
    checkpoint = folder / "checkpoint.safetensors"
    before, planned = time.process_time(), plan.updates is not None
    earlier = 0.0
    if checkpoint.exists():
        tensors = _load(checkpoint)
        with safe_open(str(checkpoint), framework="pt") as file:
            values = json.loads(file.metadata()["values"])
        trainer.restore(tensors, values)
        earlier, planned = values["cpu_s"], values["planned"]
    saved = time.monotonic()
    pilot, started = 5, time.process_time()
    made_here = 0
    while not (planned and trainer.finished):
        if not planned:
            trainer.updates = max(trainer.updates, trainer.made + pilot * 100)
        loss = trainer.step()
        made_here += 1
        if not planned and made_here == pilot:
            each = (time.process_time() - started) / pilot
            # All that this process did before went into the data; a tenth is kept for gate and test.
            left = 0.9 * plan.budget_s - time.process_time()
            trainer.updates, planned = max(trainer.made + 20, int(left / each)), True
        if time.monotonic() - saved > checkpoint_s or trainer.finished:
            cpu_s = earlier + time.process_time() - before
            _save(trainer, checkpoint, {"cpu_s": cpu_s, "planned": planned})
            saved = time.monotonic()
        told("updates", trainer.made / trainer.updates, loss)
    return earlier + time.process_time() - before


def _save(trainer: FluxTrainer, path: Path, extra: dict[str, Any]) -> None:
    tensors, values = trainer.state()
    tensors = {name: value.contiguous().clone() for name, value in tensors.items()}
    write_whole(path, save(tensors, metadata={"values": json.dumps(values | extra)}))


def _digest(data: dict[str, Tensor]) -> dict[str, str]:
    return {k: hashlib.sha256(v.numpy().tobytes()).hexdigest() for k, v in data.items()}


def _card(
    recipe: Recipe,
    plan: Plan,
    closure: LearnedFlux,
    gate: Gate,
    data: dict[str, Tensor],
    trainer: FluxTrainer,
    spent: float,
) -> dict[str, Any]:
    held, test = (held_out_ratios(closure, data[split]) for split in ("held_out", "test"))
    solver = closure.solver
    network = closure.network
    return {
        "format": "industriverse.nvp.card/1",
        **_identity(recipe, plan),
        "parameters": sum(p.numel() for p in network.parameters()),
        "updates": trainer.made,
        "updates_cpu_s": round(spent, 1),
        "torch": torch.__version__,
        "data_sha256": _digest(data),
        "gate": {"threshold": gate.threshold if gate.strength else None, "strength": gate.strength},
        "ratio_to_solver": {
            "held_out": {"geometric_mean": _gm(held), "worst": float(held.max())},
            "test": {"geometric_mean": _gm(test), "worst": float(test.max())},
        },
        "rows": _rows(closure, data["test"]),
        "coefficients": {name: float(value.median()) for name, value in solver.coefficients.items()},
        "not_known": "the same equation, coefficients, frame length and cell size as trained; else the solver",
    }


def _gm(ratios: Tensor) -> float:
    return float(torch.log(ratios).mean().exp())


@torch.no_grad()
def _rows(closure: LearnedFlux, truth: Tensor) -> dict[str, dict[str, float]]:
    """VRMSE of one step and mean over the roll-out, beside the null predictors and the bare solvers."""
    steps: dict[str, Callable[[Tensor], Tensor]] = dict(null_predictors(0))
    solver = closure.finer
    if isinstance(solver, SpectralSolver):
        steps["solver, unpadded"] = solver.unpadded().advance
    steps["solver"] = solver.advance
    steps["solver + gated flux"] = lambda state: closure(state).state
    rows = {}
    for name, step in steps.items():
        started, state, errors = time.process_time(), truth[0], []
        for seen in truth[1:]:
            state = step(state)
            errors.append(float(vrmse(state, seen).mean()))
        cost = (time.process_time() - started) / (len(truth) - 1) / truth.shape[1]
        rows[name] = {
            "vrmse_1": errors[0],
            "vrmse_mean": sum(errors) / len(errors),
            "cpu_ms": round(1e3 * cost, 2),
        }
    return rows
