"""Samples of what a grid cannot see, drawn as fluxes: every sample conserves, whatever the weights are."""

import itertools
import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from industriverse.nvp.field_errors import PredictorError
from industriverse.nvp.flux_network import PatchUNet
from industriverse.nvp.grid import AXES, minimal_flux
from industriverse.nvp.solvers.base import Estimate, Exchange, Solver

__all__ = ["ResidualDiffusion", "ResidualSamples", "train_residual"]

# Noise is an angle: cos(t) of the residual flux and sin(t) of white noise, both of unit size; pi/2 is noise alone.
_LARGEST = 0.49 * math.pi
_TINY = 1e-300


@dataclass(frozen=True)
class ResidualSamples:
    """Frames that may follow a state.

    Args:
        states: (members, batch, channels, cells, cells).
        weights: Boltzmann weights, (members, batch), summing to 1; equal after resampling.
        effective: Effective sample size 1 / sum of the squared weights before resampling, (batch,).
        resampled: Whether fewer than half were effective and members were redrawn by weight, (batch,).
    """

    states: Tensor = field(repr=False)
    weights: Tensor = field(repr=False)
    effective: Tensor
    resampled: Tensor

    def mean(self) -> Tensor:
        """Weighted mean, (batch, channels, cells, cells)."""
        return (self.states * self._shaped()).sum(dim=0)

    def deviation(self) -> Tensor:
        """Weighted standard deviation, made unbiased by the effective size, (batch, channels, cells, cells)."""
        variance = ((self.states - self.mean()).square() * self._shaped()).sum(dim=0)
        size = 1 / self.weights.square().sum(dim=0)
        return (variance * (size / (size - 1).clamp_min(0.5)).to(variance.dtype)[:, None, None, None]).sqrt()

    def _shaped(self) -> Tensor:
        return self.weights.to(self.states.dtype)[..., None, None, None]


class ResidualDiffusion(nn.Module):
    """p(u' | u) = solver's frame minus the divergence of a flux drawn by a few refinement steps.

    A network sees the state, the solver's increment and the difference of its embedded pair and predicts the
    velocity along the angle between residual and noise (Salimans and Ho, ICLR 2022, appendix D); from noise,
    `steps` steps of Euler along its probability flow lead to a sample. A Gaussian residual of the size that the
    flux is scaled to has no velocity, so few steps do not narrow it. As in PDE-Refiner (Lippe et al., NeurIPS
    2023) a few steps refine a frame, but here it is the *flux* of the residual, scaled by the embedded estimate.
    A sample that would lower the entropy is replaced by the solver's frame.

    Samples are weighted by exp(-beta z²/2), z the excess of the entropy they produce over the solver's,
    standardised by what training frames had: a balance that the flux form does not settle by itself.

    Args:
        solver: The solver of record, with at least one conserved channel.
        width: Features of the network.
        levels: Levels of the network.
        steps: Refinement steps a sample.

    When it breaks: it knows one frame of the problem it was trained on; errors of a wrong law are outside it.

    Raises:
        PredictorError: No channel is conserved, or fewer than two steps.
    """

    def __init__(self, solver: Solver, *, width: int = 16, levels: int = 2, steps: int = 4) -> None:
        super().__init__()
        self.kept = [index for index, channel in enumerate(solver.channels) if channel.conserved]
        if not self.kept or steps < 2:
            raise PredictorError(
                f"{solver.name} has {len(self.kept)} conserved channels and steps is {steps}",
                hint="give a domain that conserves something and at least 2 steps",
            )
        self.solver, self.finer, self.steps = solver, solver.sharper(), steps
        fluxes = 2 * len(self.kept)
        self.body = PatchUNet(
            fluxes + 3 * len(solver.channels) + 2,
            fluxes,
            width=width,
            levels=levels,
            boundary=solver.grid.boundary,
        )
        self.scale: Tensor
        self.excess: Tensor
        # What training frames had: size of the flux; median and half the central 68 % of the excess production.
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("excess", torch.tensor([0.0, 1.0]))

    def conditions(self, state: Tensor, pair: Estimate) -> Tensor:
        """Maps that every refinement step sees, (batch, maps, cells, cells)."""

        def normalised(values: Tensor) -> Tensor:
            centred = values - values.mean(dim=AXES, keepdim=True)
            return centred / centred.square().mean(dim=AXES, keepdim=True).sqrt().clamp_min(1e-12)

        level = torch.log10(pair.relative.clamp_min(1e-12)) / 6
        flat = level.reshape(-1, 1, 1, 1).expand(-1, 1, *state.shape[-2:])
        maps = [normalised(state), normalised(pair.state - state), normalised(pair.difference), flat]
        return torch.cat(maps, dim=1).float()

    def reach(self, pair: Estimate) -> Tensor:
        """Size of the residual flux of each kept channel, (batch, kept, 1, 1, 1)."""
        centred = pair.state - pair.state.mean(dim=AXES, keepdim=True)
        spread = centred.square().mean(dim=AXES).sqrt()[:, self.kept]
        size = pair.relative.reshape(-1, 1).to(spread.dtype) * spread * self.solver.grid.spacing
        return (size * self.scale.to(spread.dtype)).clamp_min(1e-30)[..., None, None, None]

    def velocity(self, noisy: Tensor, angle: Tensor, maps: Tensor) -> Tensor:
        """Expected sin(t) flux - cos(t) noise given cos(t) flux + sin(t) noise, (batch, 2 kept, n, n)."""
        told = angle.reshape(-1, 1, 1, 1).expand(-1, 1, *noisy.shape[-2:])
        out: Tensor = self.body(torch.cat([noisy, maps, told], dim=1))
        return out

    @torch.no_grad()
    def drawn(self, maps: Tensor, generator: torch.Generator) -> Tensor:
        """One flux for every sample of the conditions, (batch, 2 kept, cells, cells), in units of reach."""
        flux = torch.randn(len(maps), 2 * len(self.kept), *maps.shape[-2:], generator=generator)
        turn = _LARGEST / self.steps
        for index in range(self.steps):
            angle = torch.full((len(maps),), _LARGEST - index * turn)
            flux = flux + turn * self.velocity(flux, angle, maps)
        return flux

    @torch.no_grad()
    def sample(
        self, state: Tensor, members: int, generator: torch.Generator, *, beta: float = 1.0
    ) -> ResidualSamples:
        """Draws frames that may follow.

        Args:
            state: (batch, channels, cells, cells), the same for all members.
            members: Samples of each, at least 2.
            generator: Source of the noise.
            beta: Weight of the balance; 0 for equal weights.

        Raises:
            PredictorError: Fewer than two members.
        """
        if members < 2:
            raise PredictorError(f"members is {members}", hint="give at least 2")
        pair = self.solver.estimate(state)
        repeated = Estimate(
            self._repeat(pair.state, members),
            self._repeat(pair.difference, members),
            self._repeat(pair.relative, members),
        )
        start = self._repeat(state, members)
        flux = self.drawn(self.conditions(start, repeated), generator)
        moved = self._moved(start, repeated, flux)
        states = moved.reshape(members, *state.shape)
        return self._weighted(state, pair.state, states, beta, generator)

    @staticmethod
    def _repeat(part: Tensor, members: int) -> Tensor:
        return part.repeat(members, *([1] * (part.ndim - 1)))

    def _moved(self, state: Tensor, pair: Estimate, flux: Tensor) -> Tensor:
        """The solver's frames with the fluxes on top, where they are lawful."""
        faces = flux.reshape(flux.shape[0], len(self.kept), 2, *flux.shape[-2:]).to(state.dtype)
        grid = self.solver.grid
        faces = torch.stack([grid.closed_faces(faces[:, :, k], axis) for k, axis in enumerate(AXES)], dim=2)
        total = state.new_zeros(*state.shape[:2], 2, *state.shape[-2:])
        total[:, self.kept] = faces * self.reach(pair)
        moved = self.finer.reconcile(state, self.solver.apply(pair.state, Exchange(total)))
        lawful = torch.isfinite(moved).flatten(1).all(dim=1)
        for index, channel in enumerate(self.solver.channels):
            lawful &= (moved[:, index] >= channel.minimum).flatten(1).all(dim=1)
        before, after = self.solver.entropy(state), self.solver.entropy(moved)
        if before is not None and after is not None:
            lawful &= after >= before
        return torch.where(lawful.reshape(-1, 1, 1, 1), moved, pair.state)

    def _weighted(
        self, state: Tensor, frame: Tensor, states: Tensor, beta: float, generator: torch.Generator
    ) -> ResidualSamples:
        members, batch = states.shape[:2]
        weights = torch.full((members, batch), 1 / members, dtype=torch.float64)
        reached = self.solver.entropy(frame)
        if beta > 0 and reached is not None:
            found = self.solver.entropy(states.flatten(0, 1))
            start = self.solver.entropy(state)
            assert found is not None
            assert start is not None
            produced = (reached - start).abs().clamp_min(_TINY)
            excess = (found.reshape(members, batch) - reached) / produced
            distance = (excess - self.excess[0]) / self.excess[1]
            weights = torch.softmax(-0.5 * beta * distance.double().square(), dim=0)
        effective = 1 / weights.square().sum(dim=0)
        resampled = effective < members / 2
        for index in torch.nonzero(resampled).flatten().tolist():
            drawn = torch.multinomial(weights[:, index], members, replacement=True, generator=generator)
            states[:, index] = states[drawn, index]
            weights[:, index] = 1 / members
        return ResidualSamples(states, weights, effective, resampled)


def train_residual(
    diffusion: ResidualDiffusion,
    trajectories: Tensor,
    *,
    budget_s: float,
    seed: int,
    batch: int = 16,
    learning_rate: float = 2e-3,
) -> int:
    """Trains on the residual fluxes of single frames for a budget; returns the number of updates.

    The residual flux is the one of least norm that carries the solver's frame to the truth. AdamW, cosine
    schedule, random shifts on a periodic grid.

    Args:
        diffusion: Trained in place.
        trajectories: Truth, (frames + 1, batch, channels, cells, cells).
        budget_s: Processor seconds.
        seed: Of batches, noise and shifts.
        batch: Frames an update.
        learning_rate: At the start.
    """
    generator = torch.Generator().manual_seed(seed)
    maps, target = _prepared(diffusion, trajectories)
    optimiser = torch.optim.AdamW(diffusion.body.parameters(), learning_rate, weight_decay=1e-5)
    periodic = diffusion.solver.grid.boundary == "periodic"
    started, updates = time.process_time(), 0
    while (share := (time.process_time() - started) / budget_s) < 1:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
        index = torch.randint(len(maps), (batch,), generator=generator)
        seen, clean = maps[index], target[index]
        if periodic:
            shift = torch.randint(maps.shape[-1], (2,), generator=generator).tolist()
            seen, clean = seen.roll(shift, AXES), clean.roll(shift, AXES)
        angle = _LARGEST * torch.rand(batch, generator=generator)
        cosine, sine = (part.reshape(-1, 1, 1, 1) for part in (angle.cos(), angle.sin()))
        noise = torch.randn(clean.shape, generator=generator)
        wanted = sine * clean - cosine * noise
        missed = diffusion.velocity(cosine * clean + sine * noise, angle, seen) - wanted
        loss = missed.square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(diffusion.body.parameters(), 1.0)
        optimiser.step()
        updates += 1
    return updates


@torch.no_grad()
def _prepared(diffusion: ResidualDiffusion, trajectories: Tensor) -> tuple[Tensor, Tensor]:
    """Conditions and residual fluxes of all frames in units of reach; sets the scales of the model."""
    solver, kept = diffusion.solver, diffusion.kept
    maps, fluxes, excesses = [], [], []
    for state, truth in itertools.pairwise(trajectories):
        pair = solver.estimate(state)
        flux = minimal_flux((truth - pair.state)[:, kept], solver.grid)
        fluxes.append((flux / diffusion.reach(pair)).flatten(1, 2).float())
        maps.append(diffusion.conditions(state, pair))
        start, reached, true = (solver.entropy(each) for each in (state, pair.state, truth))
        if start is not None and reached is not None and true is not None:
            excesses.append((true - reached) / (reached - start).abs().clamp_min(_TINY))
    target = torch.cat(fluxes)
    size = target.square().mean().sqrt()
    diffusion.scale = diffusion.scale * size
    if excesses:
        excess = torch.cat(excesses)
        low, middle, high = torch.quantile(excess, torch.tensor([0.16, 0.5, 0.84], dtype=excess.dtype))
        diffusion.excess = torch.stack([middle, (0.5 * (high - low)).clamp_min(1e-12)]).float()
    return torch.cat(maps), target / size
