"""What `industriverse nvp train` trains on: an equation below the sensors' resolution, from frozen seeds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from industriverse.nvp.field_errors import UnknownDomainError
from industriverse.nvp.grid import Grid, to_field, to_spectrum
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.burgers import Burgers
from industriverse.nvp.solvers.cahn_hilliard import CahnHilliard
from industriverse.nvp.solvers.spectral import SpectralSolver, embed_spectrum
from industriverse.nvp.solvers.vorticity import Vorticity
from industriverse.nvp.training import Symmetry

__all__ = ["RECIPES", "Recipe", "gaussian_field", "large_waves", "recipe", "seen_by_sensors"]


@dataclass(frozen=True)
class Recipe:
    """A training task.

    Args:
        domain: Name of the solver.
        description: What is unresolved, in words, for the model card.
        cells: Cells of the sensor grid along an axis.
        truth_cells: Cells of the grid on which the truth is solved.
        frame_s: Seconds between frames.
        spin_up: Frames left out before the first.
        frames: Frames of a trajectory after the first.
        symmetry: Of the equation.
        width: Features of the network.
        make: Solver on a grid.
        start: Draws `count` starts on the truth grid, (count, channels, n, n).
        truth_refinement: Multiple of the stable number of substeps of the truth. Where stability does not tie the
            substep to the grid, 1 would give the truth the sensors' own error in time.
    """

    domain: str
    description: str
    cells: int
    truth_cells: int
    frame_s: float
    spin_up: int
    frames: int
    symmetry: Symmetry
    width: int
    make: Callable[[int], Solver]
    start: Callable[[int, int, torch.Generator], Tensor]
    truth_refinement: int = 1

    def solver(self) -> Solver:
        """The solver that the sensors' grid allows: the base and the baseline of the closure."""
        return self.make(self.cells)

    @torch.no_grad()
    def trajectories(self, count: int, seed: int) -> Tensor:
        """Truth as the sensors see it, (frames + 1, count, channels, cells, cells), float32."""
        generator = torch.Generator().manual_seed(seed)
        exact = self.make(self.truth_cells).with_refinement(self.truth_refinement)
        if isinstance(exact, SpectralSolver):
            exact = exact.unpadded()
        state = self.start(count, self.truth_cells, generator).float()
        seen = []
        for frame in range(self.spin_up + self.frames + 1):
            if frame >= self.spin_up:
                seen.append(seen_by_sensors(state.double(), self.cells).float())
            state = exact.advance(state)
        return torch.stack(seen)


def seen_by_sensors(field: Tensor, cells: int) -> Tensor:
    """Band-limited values at the centres of coarse cells, (..., cells, cells), float64."""
    fine = Grid(field.shape[-1])
    kx, ky = fine.wavenumbers()
    # From the centre of a fine cell to the centre of the coarse cell that holds it.
    ahead = 0.5 * (field.shape[-1] / cells - 1) * fine.spacing
    spectrum = to_spectrum(field.double()) * torch.polar(torch.ones_like(kx + ky), (kx + ky) * ahead)
    half = cells // 2
    kept = torch.zeros(*field.shape[:-2], cells, half + 1, dtype=spectrum.dtype)
    kept[..., :half, :half] = spectrum[..., :half, :half]
    kept[..., -half + 1 :, :half] = spectrum[..., -half + 1 :, :half]
    return to_field(kept, cells) * (cells / field.shape[-1]) ** 2


def gaussian_field(count: int, cells: int, generator: torch.Generator) -> Tensor:
    """Gaussian vorticity of covariance 2 7³ (-lap + 49)^(-5/2) on the unit torus, zero mean.

    The start of Li et al. (ICLR 2021) with the amplitude of the authors' generator. Drawn mode by mode
    on 64 modes an axis, so that the same seed gives the same flow on every finer grid.
    """
    modes = min(cells, 128)
    kx, ky = Grid(modes).wavenumbers()
    root = math.sqrt(2) * 7**1.5 * (kx**2 + ky**2 + 49) ** -1.25
    root[0, 0] = 0
    noise = torch.randn(count, 1, modes, modes, dtype=torch.float64, generator=generator)
    return to_field(embed_spectrum(to_spectrum(noise) * root * modes, modes, cells), cells)


def large_waves(count: int, cells: int, generator: torch.Generator, modes: int = 4) -> Tensor:
    """Truncated Fourier fields of zero mean and unit maximum, (count, 1, cells, cells)."""
    spectrum = torch.zeros(count, 1, cells, cells // 2 + 1, dtype=torch.complex128)
    for row in range(-modes, modes + 1):
        spectrum[:, 0, row, : modes + 1] = torch.randn(
            count, modes + 1, dtype=torch.complex128, generator=generator
        )
    spectrum[..., 0, 0] = 0
    field = to_field(spectrum, cells)
    return field / field.abs().amax(dim=(-2, -1), keepdim=True)


def steady_forcing(cells: int) -> Tensor:
    """0.1 (sin + cos)(2 pi (x + y)), the forcing of Li et al. (ICLR 2021), (cells, cells)."""
    x, y = Grid(cells).coordinates()
    return 0.1 * (torch.sin(2 * math.pi * (x + y)) + torch.cos(2 * math.pi * (x + y)))


def _turbulence(cells: int) -> Solver:
    return Vorticity(Grid(cells), 1.0, forcing=steady_forcing(cells), viscosity=1e-5)


RECIPES: Final[dict[str, Recipe]] = {
    "vorticity": Recipe(
        "vorticity",
        "forced turbulence at viscosity 1e-5 m2/s; eddies below the cells of 64 x 64 sensors are unseen",
        cells=64,
        truth_cells=192,
        frame_s=1.0,
        spin_up=10,
        frames=10,
        symmetry="square_pseudoscalar",
        width=24,
        make=_turbulence,
        start=gaussian_field,
    ),
    "burgers": Recipe(
        "burgers",
        "shocks at viscosity 2e-3 m2/s, thinner than the cells of 32 x 32 sensors",
        cells=32,
        truth_cells=128,
        frame_s=0.02,
        spin_up=0,
        frames=25,
        symmetry="translations",
        width=16,
        make=lambda cells: Burgers(Grid(cells), 0.02, viscosity=2e-3),
        start=large_waves,
    ),
    "cahn_hilliard": Recipe(
        "cahn_hilliard",
        "interfaces of 1.2 cells on 32 x 32 sensors (gamma 1e-3 m2)",
        cells=32,
        truth_cells=96,
        frame_s=1e-3,
        spin_up=0,
        frames=25,
        symmetry="translations",
        width=16,
        make=lambda cells: CahnHilliard(Grid(cells), 1e-3, gamma=1e-3),
        start=lambda count, cells, generator: 0.6 * large_waves(count, cells, generator),
        truth_refinement=8,
    ),
}


def recipe(domain: str) -> Recipe:
    """The recipe of a domain.

    Raises:
        UnknownDomainError: No recipe; the message lists those that there are and why others have none.
    """
    if domain not in RECIPES:
        raise UnknownDomainError(
            f"no training recipe for domain {domain!r}",
            hint=f"choose one of: {', '.join(RECIPES)}; elsewhere padding the solver is cheaper and better",
        )
    return RECIPES[domain]
