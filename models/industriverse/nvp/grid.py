"""The square grid: wavenumbers, face differences and the one divergence that every update uses."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from industriverse.nvp.field_errors import CoefficientError

__all__ = ["AXES", "Boundary", "Grid", "inverse_laplacian", "minimal_flux", "to_field", "to_spectrum"]

Boundary = Literal["periodic", "wall"]
# Axis -2 is x and axis -1 is y in every state and flux.
AXES = (-2, -1)


def to_spectrum(field: Tensor) -> Tensor:
    """Half-plane spectrum (..., cells, cells/2+1) of a real field (..., cells, cells)."""
    spectrum: Tensor = torch.fft.rfft2(field)
    return spectrum


def to_field(spectrum: Tensor, cells: int) -> Tensor:
    """Real field (..., cells, cells) of a half-plane spectrum."""
    field: Tensor = torch.fft.irfft2(spectrum, s=(cells, cells))
    return field


# The symbols of a grid are asked for in every stage of every substep; callers must not write to them.
@lru_cache(maxsize=64)
def _wavenumbers(cells: int, length: float) -> tuple[Tensor, Tensor]:
    unit = 2 * math.pi / length
    kx = unit * torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64)
    ky = unit * torch.fft.rfftfreq(cells, 1 / cells, dtype=torch.float64)
    return kx[:, None], ky[None, :]


@lru_cache(maxsize=64)
def _retained(cells: int) -> Tensor:
    kx: Tensor = torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64).abs()[:, None]
    ky: Tensor = torch.fft.rfftfreq(cells, 1 / cells, dtype=torch.float64).abs()[None, :]
    return ((kx < cells / 3) & (ky < cells / 3)).to(torch.float64)


@lru_cache(maxsize=64)
def inverse_laplacian(grid: "Grid") -> Tensor:
    """1 / k² with zero for the mean, (cells, cells/2+1), float64; not to be written to."""
    kx, ky = grid.wavenumbers()
    square = kx**2 + ky**2
    return torch.where(square > 0, 1 / square.clamp_min(1e-300), 0.0)


@dataclass(frozen=True)
class Grid:
    """Square grid of `cells` by `cells` cell averages on [0, length)².

    Args:
        cells: Cells along an axis; even and at least 4, so that spectra have a Nyquist mode.
        length: Side of the square, in metres (or the unit of the caller's coefficients).
        boundary: "periodic", or "wall" for no flux through the rim.
    """

    cells: int
    length: float = 1.0
    boundary: Boundary = "periodic"

    def __post_init__(self) -> None:
        if self.cells < 4 or self.cells % 2:
            raise CoefficientError(f"cells is {self.cells}", hint="give an even number of at least 4")
        if not (math.isfinite(self.length) and self.length > 0):
            raise CoefficientError(f"length is {self.length}", hint="give a positive finite length")
        if self.boundary not in ("periodic", "wall"):
            raise CoefficientError(f"boundary is {self.boundary!r}", hint="choose 'periodic' or 'wall'")

    @property
    def spacing(self) -> float:
        """Width of a cell."""
        return self.length / self.cells

    @property
    def cell_area(self) -> float:
        """Area of a cell, the weight of every integral."""
        return self.spacing**2

    def resized(self, cells: int) -> "Grid":
        """The same square with another number of cells."""
        return Grid(cells, self.length, self.boundary)

    def reflected(self) -> "Grid":
        """Periodic grid twice as wide, on which an even extension obeys no-flux walls."""
        return Grid(2 * self.cells, 2 * self.length)

    def coordinates(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Cell centres x with shape (cells, 1) and y with shape (1, cells)."""
        centres = (torch.arange(self.cells, dtype=dtype) + 0.5) * self.spacing
        return centres[:, None], centres[None, :]

    def wavenumbers(self) -> tuple[Tensor, Tensor]:
        """Angular wavenumbers kx (cells, 1) and ky (1, cells/2+1) of `rfft2`, float64."""
        return _wavenumbers(self.cells, self.length)

    def retained(self) -> Tensor:
        """Mask of the modes kept by the two-thirds rule (Orszag 1971), float64."""
        return _retained(self.cells)

    def closed_faces(self, face: Tensor, axis: int) -> Tensor:
        """`face` with the rim faces of `axis` set to zero when the boundary is a wall."""
        if self.boundary == "periodic":
            return face
        zero = torch.zeros_like(face.narrow(axis, 0, 1))
        return torch.cat([face.narrow(axis, 0, self.cells - 1), zero], dim=axis)

    def face_difference(self, field: Tensor, axis: int) -> Tensor:
        """Difference (right - left) across the right face of each cell; zero at walls. No division."""
        return self.closed_faces(field.roll(-1, axis) - field, axis)

    def face_mean(self, field: Tensor, axis: int) -> Tensor:
        """Arithmetic mean of the two cells that share the right face."""
        return 0.5 * (field.roll(-1, axis) + field)

    def divergence(self, flux: Tensor) -> Tensor:
        """Divergence (..., cells, cells) of face fluxes (..., 2, cells, cells).

        Component 0 flows through the right face along x, component 1 along y. The sum over the
        grid telescopes to zero, which is what makes every update conserve to rounding.
        """
        x, y = flux[..., 0, :, :], flux[..., 1, :, :]
        return ((x - x.roll(1, -2)) + (y - y.roll(1, -1))) / self.spacing

    def integral(self, field: Tensor) -> Tensor:
        """Integral over the square, accumulated in float64."""
        return field.double().sum(dim=AXES) * self.cell_area


def minimal_flux(change: Tensor, grid: Grid) -> Tensor:
    """Least-norm face flux F with -div F = change, up to the mean of `change`.

    Solves the discrete Poisson problem of the same divergence that applies the flux, on the even
    extension when the boundary is a wall. Shapes: change (..., n, n) to flux (..., 2, n, n).
    """
    cells, spacing = grid.cells, grid.spacing
    if grid.boundary == "wall":
        change = torch.cat([change, change.flip(-2)], dim=-2)
        change = torch.cat([change, change.flip(-1)], dim=-1)
    size = change.shape[-1]
    mode_x = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)[:, None]
    mode_y = torch.fft.rfftfreq(size, 1 / size, dtype=torch.float64)[None, :]
    symbol = 4 * (torch.sin(math.pi * mode_x / size) ** 2 + torch.sin(math.pi * mode_y / size) ** 2)
    inverse = torch.where(symbol > 0, 1 / symbol.clamp_min(1e-300), 0.0).to(change.dtype)
    potential = to_field(to_spectrum(change) * inverse, size) * spacing
    potential = potential[..., :cells, :cells]
    return torch.stack([grid.face_difference(potential, axis) for axis in AXES], dim=-3)
