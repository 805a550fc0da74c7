"""Networks that write fluxes, never states: conservation and the second law do not depend on weights."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from industriverse.nvp.field_errors import CoefficientError, FieldShapeError, FieldValueError
from industriverse.nvp.grid import AXES, Boundary, Grid

__all__ = [
    "CONDUCTANCE_LIMIT",
    "DissipativeFlow",
    "FluxNetwork",
    "PatchUNet",
    "lattice_unit",
    "straight_through_positive",
    "toward_zero",
]

# Four faces below 1/4 each leave every cell a non-negative share of itself: the update matrix is doubly
# stochastic, so that energy is exact and every convex functional falls (Schur).
CONDUCTANCE_LIMIT = 0.24


def straight_through_positive(value: Tensor) -> Tensor:
    """max(value, 0) whose gradient is one everywhere, so that a zero-initialised head can open."""
    return value.clamp_min(0.0) + torch.where(value < 0, value - value.detach(), torch.zeros_like(value))


def lattice_unit(state: Tensor) -> Tensor:
    """Spacing of the fixed-point lattice on which additions of values up to max |state| are exact.

    The power of two that is one unit in the last place of the binade of the largest magnitude.
    Returns a tensor of shape (batch, 1, 1, 1) and the precision of `state`.
    """
    largest = state.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    exponent = torch.frexp(largest).exponent
    # eps is two units in the last place of values just below a power of two.
    return torch.ldexp(torch.full_like(largest, torch.finfo(state.dtype).eps / 2), exponent)


def toward_zero(value: Tensor, unit: Tensor) -> Tensor:
    """`value` truncated to a multiple of `unit`; the gradient passes as if nothing happened."""
    return value + (torch.trunc(value.detach() / unit) * unit - value.detach())


class _Padded(nn.Module):
    """A 3 by 3 convolution that wraps around or repeats the rim, as the boundary says."""

    def __init__(self, channels_in: int, channels_out: int, boundary: Boundary) -> None:
        super().__init__()
        mode: Literal["circular", "replicate"] = "circular" if boundary == "periodic" else "replicate"
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode=mode)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, in, n, n) to (batch, out, n, n)."""
        out: Tensor = self.convolution(features)
        return out


class _Block(nn.Module):
    """Residual pair of convolutions; the second starts at zero."""

    def __init__(self, channels: int, boundary: Boundary) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.first = _Padded(channels, channels, boundary)
        self.second = _Padded(channels, channels, boundary)
        nn.init.zeros_(self.second.convolution.weight)
        assert self.second.convolution.bias is not None
        nn.init.zeros_(self.second.convolution.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape in and out."""
        out: Tensor = features + self.second(functional.gelu(self.first(self.norm(features))))
        return out


class PatchUNet(nn.Module):
    """U-Net on two by two patches: 0.33 M parameters at width 24 and two levels.

    Args:
        channels_in: Input maps.
        channels_out: Output maps; the last layer starts at zero.
        width: Features at the finest level, a multiple of 4.
        levels: Times the resolution is halved after the patching.
        boundary: Padding of every convolution.

    Input and output have shape (batch, channels, cells, cells) with cells a multiple of
    2 ** (levels + 1).
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, width: int = 24, levels: int = 2, boundary: Boundary
    ) -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise CoefficientError(f"width is {width}", hint="give a multiple of 4")
        self.multiple = 2 ** (levels + 1)
        sizes = [width * 2**level for level in range(levels + 1)]
        self.enter = _Padded(4 * channels_in, width, boundary)
        self.down = nn.ModuleList(_Block(size, boundary) for size in sizes[:-1])
        self.halve = nn.ModuleList(nn.Conv2d(size, 2 * size, 2, stride=2) for size in sizes[:-1])
        self.bottom = _Block(sizes[-1], boundary)
        self.widen = nn.ModuleList(
            nn.ConvTranspose2d(2 * size, size, 2, stride=2) for size in reversed(sizes[:-1])
        )
        self.up = nn.ModuleList(_Block(size, boundary) for size in reversed(sizes[:-1]))
        self.leave = _Padded(width, 4 * channels_out, boundary)
        nn.init.zeros_(self.leave.convolution.weight)
        assert self.leave.convolution.bias is not None
        nn.init.zeros_(self.leave.convolution.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Output maps of input maps."""
        if maps.shape[-1] % self.multiple:
            raise FieldShapeError(
                f"the network got {maps.shape[-1]} cells", hint=f"give a multiple of {self.multiple}"
            )
        features = self.enter(functional.pixel_unshuffle(maps, 2))
        skips = []
        for block, halve in zip(self.down, self.halve, strict=True):
            features = block(features)
            skips.append(features)
            features = halve(features)
        features = self.bottom(features)
        for widen, block in zip(self.widen, self.up, strict=True):
            features = block(widen(features) + skips.pop())
        return functional.pixel_shuffle(self.leave(features), 2)


class FluxNetwork(nn.Module):
    """Face fluxes from maps: a reversible part and a conductance times a force.

        J = a + G (mu_i - mu_j),   |a| <= 1,   0 <= G < 1/4

    Args:
        maps: Input maps.
        fluxes: Channels that get a flux; each takes two reversible and two conductance maps.
        width: Features of the U-Net.
        levels: Levels of the U-Net.
        boundary: As the grid's.
    """

    def __init__(
        self, maps: int, fluxes: int, *, width: int = 24, levels: int = 2, boundary: Boundary = "periodic"
    ) -> None:
        super().__init__()
        self.fluxes = fluxes
        self.body = PatchUNet(maps, 4 * fluxes, width=width, levels=levels, boundary=boundary)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Reversible flux and conductance, (batch, fluxes, 2, cells, cells) each; both start at zero."""
        raw = self.body(maps)
        raw = raw.reshape(raw.shape[0], self.fluxes, 2, 2, *raw.shape[-2:])
        conductance = CONDUCTANCE_LIMIT * straight_through_positive(torch.tanh(raw[:, :, 1]))
        return torch.tanh(raw[:, :, 0]), conductance


class DissipativeFlow(nn.Module):
    """A conserved positive density that relaxes by a law nobody told: track B without a solver.

        e' = e - div J,   J = G(e, medium) (e_i - e_j),   0 <= G < 1/4 a frame

    Any weights, trained or random, keep the integral of e to rounding, its minimum and maximum, and
    let no convex functional of e rise: the integral of ln e never falls. Fluxes are truncated to the
    fixed-point lattice of the state, on which float additions are exact: truncation only lowers the
    conductance, and nothing is left to drift after the first frame has been put on the lattice.

    State: (batch, 1, cells, cells), positive, in the unit of the density.

    Args:
        grid: The grid; walls close the rim.
        width: Features of the network.
        levels: Levels of the network.
        medium_maps: Number of static maps given with each state.
        frames: Doubly stochastic substeps a frame: reach of the flow, in cells.

    When it breaks: transport without dissipation (waves, advection) is outside its reach; use a solver.
    """

    def __init__(
        self, grid: Grid, *, width: int = 24, levels: int = 2, medium_maps: int = 0, frames: int = 1
    ) -> None:
        super().__init__()
        self.grid = grid
        self.frames = frames
        self._cells = Grid(grid.cells, float(grid.cells), grid.boundary)
        self.body = PatchUNet(2 + medium_maps, 2, width=width, levels=levels, boundary=grid.boundary)

    def forward(self, state: Tensor, medium: Tensor | None = None) -> Tensor:
        """State one frame later."""
        if float(state.detach().min()) <= 0:
            raise FieldValueError(
                f"the density reaches {float(state.detach().min()):.6g}", hint="admissible: positive values"
            )
        unit = lattice_unit(state)
        state = state + (torch.round(state.detach() / unit) * unit - state.detach())
        for _ in range(self.frames):
            mean = state.mean(dim=AXES, keepdim=True)
            maps = [(state - mean) / mean, torch.log(state / mean)]
            maps = maps if medium is None else [*maps, medium.expand(state.shape[0], -1, -1, -1)]
            conductance = CONDUCTANCE_LIMIT * torch.sigmoid(self.body(torch.cat(maps, dim=1)))
            forces = [-self.grid.face_difference(state, axis) for axis in AXES]
            flux = torch.stack([conductance[:, k : k + 1] * force for k, force in enumerate(forces)], dim=-3)
            # Unit cells: dividing by a spacing that is no power of two would leave the lattice.
            state = state - self._cells.divergence(toward_zero(flux, unit[..., None]))
        return state
