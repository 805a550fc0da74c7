"""Training makes the learned flux earn its place on held-out roll-outs, or leaves it silent."""

import pytest
import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError
from industriverse.nvp.grid import Grid
from industriverse.nvp.learned_flux import Gate, LearnedFlux
from industriverse.nvp.solvers.burgers import Burgers
from industriverse.nvp.training import held_out_ratios, train_flux


def unresolved_burgers(count: int, frames: int, seed: int) -> Tensor:
    """Shocks of 64² seen by 16² sensors, (frames + 1, count, 1, 16, 16)."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.zeros(count, 64, 33, dtype=torch.complex128)
    spectrum[:, :3, :3] = torch.randn(count, 3, 3, dtype=torch.complex128, generator=generator)
    spectrum[:, 0, 0] = 0
    state: Tensor = torch.fft.irfft2(spectrum, s=(64, 64))
    state = (state / state.abs().amax(dim=(1, 2), keepdim=True))[:, None]
    solver, seen = Burgers(Grid(64), 0.02, viscosity=4e-3), []
    for _ in range(frames + 1):
        kept = torch.zeros(count, 1, 16, 9, dtype=torch.complex128)
        found = torch.fft.rfft2(state)
        kept[..., :8, :8], kept[..., -7:, :8] = found[..., :8, :8], found[..., -7:, :8]
        seen.append(torch.fft.irfft2(kept, s=(16, 16)) / 16)
        state = solver.advance(state)
    return torch.stack(seen)


def test_a_trained_flux_helps_on_unseen_trajectories_and_still_conserves() -> None:
    closure = LearnedFlux(Burgers(Grid(16), 0.02, viscosity=4e-3), width=8, levels=1)
    torch.manual_seed(0)
    shares: list[float] = []
    report = train_flux(
        closure,
        unresolved_burgers(6, 8, 1),
        unresolved_burgers(6, 8, 2),
        budget_s=2.0,
        seed=0,
        progress=lambda share, loss: shares.append(share * (loss >= 0)),
    )
    assert report.loss < 1
    assert report.updates == len(shares) > 50
    assert report.worst <= 1.0
    unseen = unresolved_burgers(6, 8, 3)
    ratios = held_out_ratios(closure, unseen)
    assert float(torch.log(ratios).mean()) <= 0
    state = unseen[0]
    with torch.no_grad():
        for _ in range(8):
            state = closure(state).state
    drift = (state.sum(dim=(1, 2, 3)) - unseen[0].sum(dim=(1, 2, 3))).abs()
    assert float((drift / unseen[0].abs().sum(dim=(1, 2, 3))).max()) < 1e-13


def test_no_training_leaves_the_gate_closed() -> None:
    closure = LearnedFlux(Burgers(Grid(16), 0.02, viscosity=4e-3), width=8, levels=1)
    frames = unresolved_burgers(3, 4, 1)
    report = train_flux(closure, frames, frames, budget_s=1e-9, seed=0)
    assert report.updates == 0
    assert report.gate == Gate()
    assert report.ratio == pytest.approx(1.0)


def test_single_frames_are_refused() -> None:
    closure = LearnedFlux(Burgers(Grid(16), 0.02), width=8, levels=1)
    frames = unresolved_burgers(2, 4, 1)
    with pytest.raises(FieldShapeError, match="held_out"):
        train_flux(closure, frames, frames[:2], budget_s=1.0, seed=0)
