"""Viscous Burgers equation."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from industriverse.nvp.grid import Boundary, Grid
from industriverse.nvp.solvers.base import Coefficient, FieldChannel
from industriverse.nvp.solvers.second_law import bounded_fluctuation, squared_fluctuation
from industriverse.nvp.solvers.spectral import SpectralSolver

__all__ = ["Burgers"]


class Burgers(SpectralSolver):
    """Scalar Burgers equation along the diagonal: shocks smoothed by viscosity; also light traffic.

        u_t + div( u²/2 (1, 1) ) = nu lap u

    State: (batch, 1, cells, cells); channel `velocity` in m/s.

    Args:
        grid: Periodic.
        frame_s: Seconds between frames.
        refinement: Multiplies the substeps chosen by the advective limit.
        **coefficients: `viscosity` nu in m²/s.

    Expected behaviour: the integral of u is kept to rounding, the integral of u² never rises.

    When it breaks: shocks thinner than a cell (nu below about |u| spacing / 2) ring; the embedded
    estimate then reports errors of several percent.
    """

    name = "burgers"
    channels = (FieldChannel("velocity", "m/s"),)
    boundaries: ClassVar[frozenset[Boundary]] = frozenset({"periodic"})
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {"viscosity": Coefficient("m2/s", 1e-6, 1e3)}
    defaults: ClassVar[Mapping[str, float]] = {"viscosity": 4e-3}
    entropy_name = "minus half the integral of u squared"
    # ETDRK4 is stable on the imaginary axis to about 2.8; the fastest retained mode moves at 2 u pi N.
    courant_limit = 0.6

    def courant(self, state: Tensor) -> Tensor:
        """Cells crossed in a frame along both axes, over the limit."""
        speed = state.detach().double().abs().amax(dim=(1, 2, 3))
        return 2 * speed * self.frame_s / self.grid.spacing / self.courant_limit / 2

    def linear(self, grid: Grid) -> Tensor:
        """Viscous damping."""
        return self.coefficient("viscosity") * self.laplacian(grid)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Minus the divergence of the advective flux."""
        kx, ky = grid.wavenumbers()
        slope = (-0.5j * (kx + ky)).to(spectrum.dtype)
        return slope * self.products(self.physical(spectrum, grid) ** 2, grid)

    def guard(self, before: Tensor, after: Tensor) -> Tensor:
        """Scales the fluctuation where rounding or under-resolution raised its square."""
        return bounded_fluctuation(after, squared_fluctuation(before), squared_fluctuation)

    def density(self, state: Tensor) -> Tensor:
        """The conserved velocity (momentum of unit mass)."""
        return state[:, 0].double()

    def entropy(self, state: Tensor) -> Tensor:
        """Minus half the integral of u squared."""
        return -0.5 * self.grid.integral((state.double() ** 2)[:, 0])
