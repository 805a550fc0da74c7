"""Training a learned flux on the error that the solver leaves, and opening its gate only if it helps."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError, PredictorError
from industriverse.nvp.grid import AXES
from industriverse.nvp.learned_flux import Gate, LearnedFlux, calibrate_gate

__all__ = ["FluxTrainer", "Symmetry", "TrainingReport", "held_out_ratios", "train_flux"]

# Share of the updates made on frames of the truth; the rest sees the closure's own roll-outs too.
_TEACHER_SHARE = 0.6
# Updates that are timed before their number is fixed.
_PILOT = 8

Symmetry = Literal["none", "translations", "square_pseudoscalar"]
"""What the equation does not notice: nothing, shifts, or also turns and mirrors (which flip the sign)."""


@dataclass(frozen=True)
class TrainingReport:
    """What a training did.

    Args:
        updates: Optimiser steps.
        cpu_s: Processor time.
        loss: Mean of (error / solver error)² over the last updates; below 1 helps on the training data.
        gate: The gate that held-out roll-outs allow; closed when the flux could do harm.
        ratio: Geometric mean over held-out frames of error / solver error with that gate.
        worst: Largest such ratio over held-out frames and trajectories.
    """

    updates: int
    cpu_s: float
    loss: float
    gate: Gate
    ratio: float
    worst: float


@dataclass(frozen=True)
class _Pairs:
    """One-frame problems with the solver's answer, which does not change in training."""

    state: Tensor
    frame: Tensor
    difference: Tensor
    estimate: Tensor
    truth: Tensor


@torch.no_grad()
def _pairs(closure: LearnedFlux, states: Tensor, truth: Tensor) -> _Pairs:
    """Solves every frame once; states and truth are (frames, batch, channels, n, n)."""
    parts = [closure.solver.estimate(state) for state in states]
    return _Pairs(
        states.flatten(0, 1),
        torch.cat([part.state for part in parts]),
        torch.cat([part.difference for part in parts]),
        torch.cat([part.relative for part in parts]),
        truth.flatten(0, 1),
    )


@torch.no_grad()
def _own_states(closure: LearnedFlux, trajectories: Tensor) -> Tensor:
    """The closure's open-gate roll-outs from the starts of the trajectories."""
    states = [trajectories[0]]
    for _ in range(trajectories.shape[0] - 2):
        states.append(closure(states[-1], opening=1.0).state)
    return torch.stack(states)


class FluxTrainer:
    """The updates of one training, which can stop after any of them and go on elsewhere.

    Minimises (error / solver error)² of single frames, first from true states, then also from states of
    the closure's own roll-outs, so that it meets the states it will see. AdamW, cosine schedule, gradient
    norm clipped at 1, random elements of the symmetry group. With the same seed, data and number of
    updates the same weights come out on one machine, however often it was stopped between.

    Args:
        closure: Track B; trained in place.
        trajectories: Truth, (frames + 1, batch, channels, cells, cells).
        updates: Updates to make in all; sets the schedule.
        seed: Of the batches and symmetries.
        batch: Frames an update.
        learning_rate: At the start.
        symmetry: Of the equation on this grid.
        device: Where the network learns; the solver stays on the processor.
    """

    def __init__(
        self,
        closure: LearnedFlux,
        trajectories: Tensor,
        *,
        updates: int,
        seed: int,
        batch: int = 16,
        learning_rate: float = 2e-3,
        symmetry: Symmetry = "none",
        device: str = "cpu",
    ) -> None:
        self.closure, self.trajectories = closure, trajectories
        self.updates, self.batch, self.learning_rate = updates, batch, learning_rate
        self.symmetry, self.device = symmetry, device
        self.made, self.loss, self.relabelled = 0, 1.0, False
        self._generator = torch.Generator().manual_seed(seed)
        self._own: Tensor | None = None
        self._names = [name for name, p in closure.network.named_parameters() if p.requires_grad]
        self._parameters = [p for p in closure.network.parameters() if p.requires_grad]
        closure.network.to(device)
        self._optimiser = torch.optim.AdamW(self._parameters, learning_rate, weight_decay=1e-5)
        self._pairs = self._placed(_pairs(closure, trajectories[:-1], trajectories[1:]))

    @property
    def finished(self) -> bool:
        """Whether all updates were made."""
        return self.made >= self.updates

    def step(self) -> float:
        """Makes one update; returns the running loss."""
        share = self.made / max(1, self.updates)
        if share >= _TEACHER_SHARE and not self.relabelled:
            self._relabel()
        for group in self._optimiser.param_groups:
            group["lr"] = self.learning_rate * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
        index = torch.randint(len(self._pairs.state), (self.batch,), generator=self._generator)
        draw = torch.randint(1 << 30, (4,), generator=self._generator).tolist()
        loss = self._loss(index.to(self.device), draw)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self.made += 1
        self.loss += (float(loss.detach()) - self.loss) * 0.02
        return self.loss

    def _placed(self, pairs: _Pairs) -> _Pairs:
        return _Pairs(*(getattr(pairs, key).to(self.device) for key in _Pairs.__dataclass_fields__))

    def _relabel(self) -> None:
        network = self.closure.network
        if self._own is None:
            network.to("cpu")
            self._own = _own_states(self.closure, self.trajectories)
            network.to(self.device)
        own = self._placed(_pairs(self.closure, self._own, self.trajectories[1:]))
        self._pairs = _Pairs(
            *(
                torch.cat([getattr(self._pairs, key), getattr(own, key)])
                for key in _Pairs.__dataclass_fields__
            )
        )
        self.relabelled = True

    def _turned(self, field: Tensor, draw: list[int]) -> Tensor:
        cells = field.shape[-1]
        if self.symmetry == "none":
            return field
        field = field.roll((draw[0] % cells, draw[1] % cells), AXES)
        if self.symmetry == "square_pseudoscalar":
            field = torch.rot90(field, draw[2] % 4, AXES)
            # A mirror turns the sense of every eddy.
            field = -field.flip(-1) if draw[3] % 2 else field
        return field

    def _loss(self, index: Tensor, draw: list[int]) -> Tensor:
        closure, pairs = self.closure, self._pairs
        state = self._turned(pairs.state[index], draw)
        frame = self._turned(pairs.frame[index], draw)
        truth = self._turned(pairs.truth[index], draw)
        difference = self._turned(pairs.difference[index], draw)
        flux = closure.flux(state, frame, difference, pairs.estimate[index])
        moved = frame - closure.solver.grid.divergence(flux)
        kept = closure.corrected
        left = (moved - truth)[:, kept].square().mean(dim=(1, 2, 3))
        solver = (frame - truth)[:, kept].square().mean(dim=(1, 2, 3))
        spread = (truth - truth.mean(dim=AXES, keepdim=True))[:, kept].square().mean(dim=(1, 2, 3))
        # The floor stops samples that the solver has solved from dominating: 1e-5 of the field is enough.
        return (left / (solver + 1e-10 * spread)).clamp_max(100.0).mean()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that a continuation needs: tensors and plain values."""
        tensors = {f"network.{k}": v.detach().cpu() for k, v in self.closure.network.state_dict().items()}
        for name, parameter in zip(self._names, self._parameters, strict=True):
            for key, value in self._optimiser.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = torch.as_tensor(value).detach().cpu()
        tensors["generator"] = self._generator.get_state()
        if self._own is not None:
            tensors["own"] = self._own
        return tensors, {"made": self.made, "updates": self.updates, "loss": self.loss}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Continues from what `state` returned.

        Raises:
            PredictorError: The state belongs to another network.
        """
        try:
            network = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
            self.closure.network.load_state_dict(network)
        except RuntimeError as error:
            raise PredictorError(
                "the checkpoint is of another network", hint="train in an empty folder"
            ) from error
        for name, parameter in zip(self._names, self._parameters, strict=True):
            found = {
                key: tensors[f"adam.{key}.{name}"].to("cpu" if key == "step" else self.device)
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in tensors
            }
            if found:
                self._optimiser.state[parameter] = found
        self._generator.set_state(tensors["generator"])
        self.made, self.updates, self.loss = values["made"], values["updates"], values["loss"]
        if "own" in tensors:
            self._own = tensors["own"]
            self._relabel()


def train_flux(
    closure: LearnedFlux,
    trajectories: Tensor,
    held_out: Tensor,
    *,
    budget_s: float,
    seed: int,
    batch: int = 16,
    learning_rate: float = 2e-3,
    symmetry: Symmetry | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> TrainingReport:
    """Trains the network of a closure for a budget and calibrates its gate; see `FluxTrainer`.

    Args:
        closure: Track B; trained in place.
        trajectories: Truth for training, (frames + 1, batch, channels, cells, cells).
        held_out: Truth of other trajectories, for the gate; never trained on.
        budget_s: Processor seconds for the updates.
        seed: Of the batches and symmetries.
        batch: Frames an update.
        learning_rate: At the start.
        symmetry: Of the equation; translations on a periodic grid by default.
        progress: Called with (share of the updates made, loss) after every update.

    Raises:
        FieldShapeError: Trajectories without at least two frames.
    """
    for name, given in (("trajectories", trajectories), ("held_out", held_out)):
        _check_trajectories(name, given)
    if symmetry is None:
        symmetry = "translations" if closure.solver.grid.boundary == "periodic" else "none"
    trainer = FluxTrainer(
        closure,
        trajectories,
        updates=_PILOT,
        seed=seed,
        batch=batch,
        learning_rate=learning_rate,
        symmetry=symmetry,
    )
    started, planned = time.process_time(), False
    while (spent := time.process_time() - started) < budget_s:
        if trainer.made == _PILOT and not planned:
            trainer.updates, planned = max(_PILOT, int(budget_s / spent * _PILOT)), True
        if trainer.finished:
            break
        loss = trainer.step()
        if progress is not None:
            progress(min(trainer.made / trainer.updates, 1.0), loss)
    spent = time.process_time() - started
    gate = calibrate_gate(closure, held_out)
    ratios = held_out_ratios(closure, held_out)
    return TrainingReport(
        trainer.made, spent, trainer.loss, gate, float(torch.log(ratios).mean().exp()), float(ratios.max())
    )


def _check_trajectories(name: str, given: Tensor) -> None:
    """Raises FieldShapeError unless there are at least three frames of fields."""
    if given.ndim != 5 or given.shape[0] < 3:
        raise FieldShapeError(
            f"{name} have the shape {tuple(given.shape)}",
            hint="give (frames >= 3, batch, channels, n, n)",
        )


@torch.no_grad()
def held_out_ratios(closure: LearnedFlux, held_out: Tensor) -> Tensor:
    """Error over the solver's error for every frame and trajectory, both in roll-out."""
    solver, state, reference, ratios = closure.finer, held_out[0], held_out[0], []
    for truth in held_out[1:]:
        state, reference = closure(state).state, solver.advance(reference)
        error = (state - truth).double().flatten(1).norm(dim=1)
        base = (reference - truth).double().flatten(1).norm(dim=1)
        ratios.append(torch.where(base > 0, error / base.clamp_min(1e-300), 1.0))
    return torch.stack(ratios)
