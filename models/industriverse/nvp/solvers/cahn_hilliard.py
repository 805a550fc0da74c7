"""Cahn-Hilliard phase separation."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.solvers._double_well import GinzburgLandau
from industriverse.nvp.solvers.base import Coefficient, FieldChannel

__all__ = ["CahnHilliard"]


class CahnHilliard(GinzburgLandau):
    """Separation of a mixture into two phases at constant mass.

        u_t = M lap( u³ - u - gamma lap u )

    State: (batch, 1, cells, cells); channel `order_parameter`, dimensionless, near [-1, 1].

    Args:
        grid: Periodic or walls.
        frame_s: Seconds between frames.
        refinement: Multiplies the substeps chosen by stability.
        **coefficients: `mobility` M in m²/s and `gamma` in m², the squared interface width.

    Expected behaviour: mass is kept to rounding, the free energy never rises, domains coarsen.

    When it breaks: interfaces of width sqrt(2 gamma) below 3 cells are pinned to the grid.
    """

    name = "cahn_hilliard"
    channels = (FieldChannel("order_parameter", "1"),)
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {
        "mobility": Coefficient("m2/s", 1e-9, 1e3),
        "gamma": Coefficient("m2", 1e-8, 1e2),
    }
    defaults: ClassVar[Mapping[str, float]] = {"mobility": 1.0, "gamma": 1.5e-3}

    def courant(self, state: Tensor) -> Tensor:
        """Growth of the fastest mode in a frame, M/(4 gamma), limited to a quarter a substep."""
        mobility, gamma = self.coefficients["mobility"].detach(), self.coefficients["gamma"].detach()
        growth = mobility / (4 * gamma) * self.frame_s / 0.25
        return growth.expand(state.shape[0]) if growth.ndim == 0 else growth

    def linear(self, grid: Grid) -> Tensor:
        """Minus M lap (u + gamma lap u)."""
        laplacian = self.laplacian(grid)
        return self.coefficient("mobility") * (-laplacian - self.coefficient("gamma") * laplacian**2)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """M lap u³."""
        symbol = (self.coefficient("mobility") * self.laplacian(grid)).to(spectrum.real.dtype)
        return symbol * self.products(self.physical(spectrum, grid) ** 3, grid)

    def mobility(self, laplacian: Tensor) -> Tensor:
        """-M lap."""
        return -self.value("mobility", laplacian) * laplacian

    def density(self, state: Tensor) -> Tensor:
        """The conserved order parameter."""
        return state[:, 0].double()

    def energy_density(self, state: Tensor) -> Tensor:
        """Bulk part of the free energy density, (batch, cells, cells), float64."""
        return 0.25 * torch.square(state[:, 0].double() ** 2 - 1)
