"""Finite-volume transport of a scalar by a divergence-free face velocity, with diffusion."""

import math

import torch
from torch import Tensor

from industriverse.nvp.field_errors import StabilityError
from industriverse.nvp.grid import AXES, Grid
from industriverse.nvp.solvers.base import MAXIMUM_SUBSTEPS

__all__ = ["FaceVelocity", "corner_velocity", "transport_flux", "transport_substeps"]

FaceVelocity = tuple[Tensor, Tensor]
# Largest outflow of a cell in a substep; below 1/2 both stages of SSPRK2 stay well inside their bound.
OUTFLOW_LIMIT = 0.4


def corner_velocity(streamfunction: Tensor, grid: Grid) -> FaceVelocity:
    """Face velocities u = d psi/dy, v = -d psi/dx from psi at the upper right corner of each cell.

    Their discrete divergence is zero to rounding, so transport by them is doubly stochastic. Walls
    need psi equal along the rim; the rim faces are closed.
    """
    along_x = (streamfunction - streamfunction.roll(1, -1)) / grid.spacing
    along_y = -(streamfunction - streamfunction.roll(1, -2)) / grid.spacing
    return grid.closed_faces(along_x, -2), grid.closed_faces(along_y, -1)


def _limited_slope(field: Tensor, axis: int, grid: Grid) -> Tensor:
    """Van Leer slope (J. Comput. Phys. 32, 1979), a cell's difference across itself; zero at walls."""
    right = grid.face_difference(field, axis)
    left = right.roll(1, axis)
    product = right * left
    total = right + left
    safe = torch.where(total.abs() > 1e-30, total, torch.ones_like(total))
    return torch.where(product > 0, 2 * product / safe, torch.zeros_like(product))


def _face_flux(
    field: Tensor, velocity: FaceVelocity, diffusivity: Tensor, grid: Grid, limited: bool
) -> Tensor:
    fluxes = []
    for axis, speed in zip(AXES, velocity, strict=True):
        left, right = field, field.roll(-1, axis)
        if limited:
            slope = _limited_slope(field, axis, grid)
            left, right = field + 0.5 * slope, right - 0.5 * slope.roll(-1, axis)
        upwind = torch.where(speed >= 0, speed * left, speed * right)
        fluxes.append(upwind - diffusivity * grid.face_difference(field, axis) / grid.spacing)
    return torch.stack(fluxes, dim=-3)


def transport_substeps(velocity: FaceVelocity, diffusivity: float, grid: Grid, frame_s: float) -> float:
    """Substeps that keep the outflow of every cell within the limit; not rounded."""
    outflow = torch.zeros_like(velocity[0])
    for axis, speed in zip(AXES, velocity, strict=True):
        outflow = outflow + speed.clamp_min(0) + (-speed.roll(1, axis)).clamp_min(0)
    rate = float(outflow.detach().max()) / grid.spacing + 4 * diffusivity / grid.spacing**2
    return frame_s * rate / OUTFLOW_LIMIT


def transport_flux(
    field: Tensor,
    velocity: FaceVelocity,
    diffusivity: Tensor,
    grid: Grid,
    frame_s: float,
    substeps: float,
    *,
    accurate: bool,
) -> Tensor:
    """Flux accumulated over a frame.

    Args:
        field: (batch, channels, cells, cells).
        velocity: Velocities through right faces along x and y, m/s, broadcastable to the field.
        diffusivity: m²/s, broadcastable to the field.
        grid: The grid.
        frame_s: Seconds.
        substeps: From `transport_substeps`; rounded up.
        accurate: Second order (van Leer slopes, SSPRK2 of Shu and Osher 1988) or, when false,
            first-order upwind Euler, whose every substep is doubly stochastic.

    Raises:
        StabilityError: The frame needs more substeps than are run.
    """
    if not substeps <= MAXIMUM_SUBSTEPS:
        raise StabilityError(
            f"one frame of transport needs {substeps:.3g} substeps",
            hint=f"shorten frame_s (now {frame_s} s) or lower the wind and the diffusivity: at most "
            f"{MAXIMUM_SUBSTEPS} substeps",
        )
    count = max(1, math.ceil(substeps))
    step_s = frame_s / count
    total = torch.zeros(*field.shape[:-2], 2, *field.shape[-2:], dtype=field.dtype)
    for _ in range(count):
        moved = field - grid.divergence(total)
        first = _face_flux(moved, velocity, diffusivity, grid, accurate)
        if accurate:
            second = _face_flux(moved - step_s * grid.divergence(first), velocity, diffusivity, grid, True)
            first = 0.5 * (first + second)
        total = total + step_s * first
    return total
