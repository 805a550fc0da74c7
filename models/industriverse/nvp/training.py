"""Training a learned flux on the error that the solver leaves, and opening its gate only if it helps."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError
from industriverse.nvp.grid import AXES
from industriverse.nvp.learned_flux import Gate, LearnedFlux, calibrate_gate

__all__ = ["TrainingReport", "held_out_ratios", "train_flux"]

# Share of the budget spent on frames of the truth; the rest sees the closure's own roll-outs.
_TEACHER_SHARE = 0.6


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


def _loss(closure: LearnedFlux, pairs: _Pairs, index: Tensor, shift: tuple[int, int]) -> Tensor:
    def drawn(field: Tensor) -> Tensor:
        # Translations are a symmetry of a periodic grid; walls allow none.
        picked = field[index]
        return picked.roll(shift, AXES) if closure.solver.grid.boundary == "periodic" else picked

    state, frame, truth = drawn(pairs.state), drawn(pairs.frame), drawn(pairs.truth)
    flux = closure.flux(state, frame, drawn(pairs.difference), pairs.estimate[index])
    moved = frame - closure.solver.grid.divergence(flux)
    kept = closure.corrected
    left = (moved - truth)[:, kept].square().mean(dim=(1, 2, 3))
    solver = (frame - truth)[:, kept].square().mean(dim=(1, 2, 3))
    spread = (truth - truth.mean(dim=AXES, keepdim=True))[:, kept].square().mean(dim=(1, 2, 3))
    # The floor stops samples that the solver has solved from dominating: 1e-5 of the field is enough.
    return (left / (solver + 1e-10 * spread)).clamp_max(100.0).mean()


def train_flux(
    closure: LearnedFlux,
    trajectories: Tensor,
    held_out: Tensor,
    *,
    budget_s: float,
    seed: int,
    batch: int = 16,
    learning_rate: float = 2e-3,
    progress: Callable[[float, float], None] | None = None,
) -> TrainingReport:
    """Trains the network of a closure and calibrates its gate.

    Minimises (error / solver error)² of single frames, first from true states, then also from states of
    the closure's own roll-outs, so that it meets the states it will see. AdamW, cosine schedule, gradient
    norm clipped at 1, random translations.

    Args:
        closure: Track B; trained in place.
        trajectories: Truth for training, (frames + 1, batch, channels, cells, cells).
        held_out: Truth of other trajectories, for the gate; never trained on.
        budget_s: Processor seconds for the updates.
        seed: Of the batches, translations and initial weights.
        batch: Frames an update.
        learning_rate: At the start.
        progress: Called with (share of the budget spent, loss) after every update.

    Raises:
        FieldShapeError: Trajectories without at least two frames.
    """
    for name, given in (("trajectories", trajectories), ("held_out", held_out)):
        if given.ndim != 5 or given.shape[0] < 3:
            raise FieldShapeError(
                f"{name} have the shape {tuple(given.shape)}",
                hint="give (frames >= 3, batch, channels, n, n)",
            )
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for p in closure.network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, learning_rate, weight_decay=1e-5)
    pairs = _pairs(closure, trajectories[:-1], trajectories[1:])
    started, updates, recent, relabelled = time.process_time(), 0, 1.0, False
    while (share := (time.process_time() - started) / budget_s) < 1.0:
        if share > _TEACHER_SHARE and not relabelled:
            own = _pairs(closure, _own_states(closure, trajectories), trajectories[1:])
            pairs = _Pairs(
                *(torch.cat([getattr(pairs, key), getattr(own, key)]) for key in _Pairs.__dataclass_fields__)
            )
            relabelled = True
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
        index = torch.randint(len(pairs.state), (batch,), generator=generator)
        shift = torch.randint(pairs.state.shape[-1], (2,), generator=generator).tolist()
        loss = _loss(closure, pairs, index, (shift[0], shift[1]))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        updates += 1
        recent += (float(loss.detach()) - recent) * 0.02
        if progress is not None:
            progress(min(share, 1.0), recent)
    spent = time.process_time() - started
    gate = calibrate_gate(closure, held_out)
    ratios = held_out_ratios(closure, held_out)
    return TrainingReport(
        updates, spent, recent, gate, float(torch.exp(torch.log(ratios).mean())), float(ratios.max())
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
