"""Track B: a learned flux inside the solver's conservative update, closed unless it is shown to help."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from industriverse.nvp.flux_network import FluxNetwork
from industriverse.nvp.grid import AXES
from industriverse.nvp.solvers.base import Exchange, Solver

__all__ = ["Corrected", "Gate", "LearnedFlux", "calibrate_gate"]

# |div J| of four unit faces is at most 4; the reversible part therefore moves a cell by at most the
# estimated error itself.
_FACES = 4


@dataclass(frozen=True)
class Gate:
    """When and how far the learned flux may speak.

    Args:
        threshold: Relative error estimate below which the flux is exactly zero.
        strength: Factor on the flux above it, 0 to 1.
    """

    threshold: float = math.inf
    strength: float = 0.0

    def opening(self, estimate: Tensor) -> Tensor:
        """Factor on the flux of each sample, (batch,)."""
        return torch.where(estimate >= self.threshold, self.strength, 0.0).to(estimate.dtype)


@dataclass(frozen=True)
class Corrected:
    """A frame of track B.

    Args:
        state: (batch, channels, cells, cells).
        estimate: Relative error estimate that the gate saw, (batch,).
        opening: Factor on the learned flux, (batch,); 0 where the solver's own frame was returned.
    """

    state: Tensor
    estimate: Tensor
    opening: Tensor


class LearnedFlux(nn.Module):
    """u' = u - div( J_solver + gate(eta) (a + G (mu_i - mu_j)) ) + s, then the solver's own guards.

    The base is the *finer* member of the solver's embedded pair, eta its relative difference to the
    coarser member or, when larger, the misfit of the solver to frames already seen (`hindsight`), which
    is the only estimate that a wrong law shows up in. The flux is scaled by eta times the field's
    fluctuation, so it never moves more than the estimated error, and it is exactly zero where the pair
    agrees. A corrected frame that would lower the entropy is replaced by the solver's.

    Args:
        solver: The solver of record.
        width: Features of the network.
        levels: Levels of the network.

    Expected behaviour: with untrained weights, a closed gate or eta below the threshold the solver's
    frame is returned to the bit. Conservation and the second law hold for any weights.

    When it breaks: an estimate blind to the error at hand (a wrong law and no hindsight) keeps the gate
    closed; the forecast is then the solver's.
    """

    def __init__(self, solver: Solver, *, width: int = 24, levels: int = 2) -> None:
        super().__init__()
        self.solver = solver
        self.finer = solver.sharper()
        self.gate = Gate()
        channels = len(solver.channels)
        self.corrected = [index for index, channel in enumerate(solver.channels) if channel.conserved]
        self.network = FluxNetwork(
            3 * channels + 1,
            len(self.corrected),
            width=width,
            levels=levels,
            boundary=solver.grid.boundary,
        )

    def _maps(self, state: Tensor, frame: Tensor, difference: Tensor, estimate: Tensor) -> Tensor:
        def normalised(field: Tensor) -> Tensor:
            centred = field - field.mean(dim=AXES, keepdim=True)
            return centred / centred.square().mean(dim=AXES, keepdim=True).sqrt().clamp_min(1e-12)

        level = torch.log10(estimate.clamp_min(1e-12)) / 6
        level_map = level.reshape(-1, 1, 1, 1).expand(-1, 1, *state.shape[-2:])
        maps = torch.cat([normalised(state), normalised(frame - state), normalised(difference)], dim=1)
        return torch.cat([maps, level_map.to(state.dtype)], dim=1)

    def flux(self, state: Tensor, frame: Tensor, difference: Tensor, estimate: Tensor) -> Tensor:
        """The ungated learned flux of all channels, (batch, channels, 2, cells, cells)."""
        grid = self.solver.grid
        maps = self._maps(state, frame, difference, estimate)
        dtype = next(self.network.parameters()).dtype
        reversible, conductance = self.network(maps.to(dtype))
        total = state.new_zeros(*state.shape[:2], 2, *state.shape[-2:])
        spread = (frame - frame.mean(dim=AXES, keepdim=True)).square().mean(dim=AXES).sqrt()
        reach = (estimate.to(state.dtype).reshape(-1, 1) * spread)[..., None, None]
        for position, index in enumerate(self.corrected):
            faces = []
            for k, axis in enumerate(AXES):
                force = -grid.face_difference(frame[:, index], axis)
                carried = reversible[:, position, k].to(state.dtype) * reach[:, index] / _FACES
                carried = grid.closed_faces(carried, axis)
                eased = conductance[:, position, k].to(state.dtype) * force
                faces.append(carried + eased * estimate.to(state.dtype).clamp_max(1.0).reshape(-1, 1, 1))
            total[:, index] = torch.stack(faces, dim=1) * grid.spacing
        return total

    def forward(
        self, state: Tensor, *, hindsight: Tensor | None = None, opening: float | None = None
    ) -> Corrected:
        """One frame.

        Args:
            state: (batch, channels, cells, cells).
            hindsight: Relative one-step misfit of the solver to frames already seen, (batch,).
            opening: Overrides the gate; used in training.
        """
        pair = self.solver.estimate(state)
        estimate = pair.relative if hindsight is None else torch.maximum(pair.relative, hindsight.double())
        factor = self.gate.opening(estimate) if opening is None else torch.full_like(estimate, opening)
        if not bool((factor > 0).any()):
            return Corrected(pair.state, estimate, factor)
        extra = self.flux(state, pair.state, pair.difference, estimate)
        extra = extra * factor.to(state.dtype).reshape(-1, 1, 1, 1, 1)
        moved = self.solver.apply(pair.state, Exchange(extra))
        moved = self.finer.reconcile(state, moved)
        lawful = self._lawful(state, moved) & (factor > 0)
        kept = torch.where(lawful.reshape(-1, 1, 1, 1), moved, pair.state)
        return Corrected(kept, estimate, torch.where(lawful, factor, 0.0))

    def _lawful(self, before: Tensor, after: Tensor) -> Tensor:
        """Samples whose entropy does not fall and whose channels keep their minimum, (batch,)."""
        fine = torch.isfinite(after.detach()).flatten(1).all(dim=1)
        for index, channel in enumerate(self.solver.channels):
            fine &= (after[:, index].detach() >= channel.minimum).flatten(1).all(dim=1)
        start = self.solver.entropy(before.detach())
        if start is None:
            return fine
        reached = self.solver.entropy(after.detach())
        assert reached is not None
        return torch.logical_and(fine, torch.ge(reached, start))


def _relative_error(predicted: Tensor, truth: Tensor) -> Tensor:
    spread = (truth - truth.mean(dim=AXES, keepdim=True)).double().flatten(1).norm(dim=1)
    error: Tensor = (predicted - truth).double().flatten(1).norm(dim=1)
    return torch.div(error, spread.clamp_min(1e-300))


@torch.no_grad()
def calibrate_gate(
    closure: LearnedFlux,
    trajectories: Tensor,
    *,
    harm: float = 1.0,
    strengths: tuple[float, ...] = (0.125, 0.25, 0.5, 0.75, 1.0),
) -> Gate:
    """Opens the gate only as far as held-out roll-outs prove harmless, else leaves it closed.

    For each strength the threshold is raised until, in closed-loop roll-outs over all of
    `trajectories`, no frame of any trajectory exceeds `harm` times the solver's error. When a new
    trajectory is exchangeable with the n held out, the chance that it holds a frame worse than the worst
    of them is at most 1 / (n + 1) for a gate fixed beforehand: give many.

    Args:
        closure: Track B; its gate is set and returned.
        trajectories: Held-out truth, (frames + 1, batch, channels, cells, cells).
        harm: Largest admissible ratio of errors; the solver's own roll-out is the denominator.
        strengths: Strengths to try.

    Returns:
        The gate with the lowest geometric mean of the ratio, or the closed gate.
    """
    solver = closure.solver.sharper()
    frames = trajectories.shape[0] - 1
    baseline, state = [], trajectories[0]
    for t in range(frames):
        state = solver.advance(state)
        baseline.append(_relative_error(state, trajectories[t + 1]).clamp_min(1e-15))
    best, best_score = Gate(), -1e-3
    for strength in strengths:
        threshold = 0.0
        for _ in range(5):
            closure.gate = Gate(threshold, strength)
            state, ratios, estimates = trajectories[0], [], []
            for t in range(frames):
                frame = closure(state)
                state = frame.state
                ratios.append(_relative_error(state, trajectories[t + 1]) / baseline[t])
                estimates.append(torch.where(frame.opening > 0, frame.estimate, math.nan))
                if float(ratios[-1].max()) > harm:
                    break
            ratio, seen = torch.stack(ratios), torch.stack(estimates)
            gain = float(torch.log(ratio).mean())
            if float(ratio.max()) <= harm:
                if gain < best_score:
                    best, best_score = Gate(threshold, strength), gain
                break
            opened = seen[~torch.isnan(seen)]
            if not opened.numel():
                break
            # Close the lower half of what was open and try again.
            threshold = float(opened.median()) * (1 + 1e-9)
    closure.gate = best
    return best
