"""Track D on fields: every Fourier mode on its own linear law, fitted to the frames (dynamic modes)."""

from collections.abc import Callable

import torch
from torch import Tensor

from industriverse.nvp.grid import AXES, Grid, to_field, to_spectrum

__all__ = ["LEAST_FRAMES", "modal_step"]

LEAST_FRAMES = 3
_RIDGE = 1e-8


def _extended(field: Tensor, grid: Grid) -> Tensor:
    if grid.boundary == "periodic":
        return field
    field = torch.cat([field, field.flip(-2)], dim=-2)
    return torch.cat([field, field.flip(-1)], dim=-1)


def modal_step(frames: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
    """One-frame map u_k -> lambda_k u_k, lambda_k by least squares over the frames.

    Dynamic mode decomposition (Schmid, J. Fluid Mech. 656, 2010) in the Fourier basis of a uniform medium,
    or the cosine basis between walls. The mean is kept and no mode grows: it is right for any linear,
    uniform and dissipative law and needs no name for it.

    Args:
        frames: (time >= 3, batch, channels, cells, cells).
        grid: Of the frames.
    """
    spectra = to_spectrum(_extended(frames.double(), grid))
    before, after = spectra[:-1], spectra[1:]
    power = before.abs().square().sum(dim=0)
    floor = _RIDGE * power.amax(dim=AXES, keepdim=True)
    factor = (before.conj() * after).sum(dim=0) / (power + floor).clamp_min(1e-300)
    factor = factor / factor.abs().clamp_min(1.0)
    factor[..., 0, 0] = 1.0

    def step(state: Tensor) -> Tensor:
        moved = to_field(factor * to_spectrum(_extended(state.double(), grid)), factor.shape[-2])
        return moved[..., : grid.cells, : grid.cells].to(state.dtype)

    return step
