"""Advection and diffusion of a plume."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.field_errors import CoefficientError, FieldShapeError
from industriverse.nvp.grid import Grid, minimal_flux, to_field, to_spectrum
from industriverse.nvp.solvers.base import Coefficient, Exchange, FieldChannel, FluxSolver
from industriverse.nvp.solvers.second_law import lawful_flux
from industriverse.nvp.solvers.transport import (
    FaceVelocity,
    corner_velocity,
    transport_flux,
    transport_substeps,
)

__all__ = ["AdvectionDiffusion"]

# kg/m². The entropy of c + background is as good a Lyapunov function of the equation as that of c, and
# stays defined where a spectral step rings slightly below zero.
BACKGROUND = 0.01


class AdvectionDiffusion(FluxSolver):
    """A plume carried by a steady divergence-free wind and spread by diffusion.

        c_t + div( w c ) = D lap c,   w = (wind_x, wind_y) + (d psi/dy, -d psi/dx)

    A uniform wind on a periodic grid is solved exactly in Fourier space; any other wind by finite
    volumes (van Leer slopes, SSPRK2, accumulated fluxes).

    State: (batch, 1, cells, cells); channel `concentration` in kg/m², non-negative
    up to the ringing of the spectral step (at most 0.01).

    Args:
        grid: Periodic, or walls (then the uniform wind must be zero).
        frame_s: Seconds between frames.
        streamfunction: psi in m²/s at the upper right corner of each cell, (cells, cells), or None.
        scheme: "auto", "spectral" (uniform periodic wind only) or "finite_volume".
        refinement: Multiplies the substeps chosen by stability; the spectral step has no error in time.
        **coefficients: `wind_x`, `wind_y` in m/s, `diffusivity` D in m²/s.

    Expected behaviour: mass is kept to rounding; S = minus integral of
    (c + b) ln(c + b) with the background b = 0.01 never falls.

    When it breaks: cell Peclet numbers w spacing / D far above 2 make the spectral step ring; the
    second-law guard then mixes in the upwind step, which is diffusive.
    """

    name = "advection_diffusion"
    field_names: ClassVar[tuple[str, ...]] = ("streamfunction",)
    option_names: ClassVar[tuple[str, ...]] = ("scheme",)
    channels = (FieldChannel("concentration", "kg/m2", minimum=-BACKGROUND),)
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {
        "wind_x": Coefficient("m/s", -1e4, 1e4, positive=False),
        "wind_y": Coefficient("m/s", -1e4, 1e4, positive=False),
        "diffusivity": Coefficient("m2/s", 1e-9, 1e4),
    }
    defaults: ClassVar[Mapping[str, float]] = {"wind_x": 0.0, "wind_y": 0.0, "diffusivity": 1e-3}
    entropy_name = "minus the integral of (c + 0.01) ln(c + 0.01)"

    def __init__(
        self,
        grid: Grid,
        frame_s: float,
        *,
        streamfunction: Tensor | None = None,
        scheme: str = "auto",
        refinement: int = 1,
        **coefficients: float | Tensor,
    ) -> None:
        super().__init__(grid, frame_s, refinement=refinement, **coefficients)
        if streamfunction is not None and tuple(streamfunction.shape) != (grid.cells, grid.cells):
            raise FieldShapeError(
                f"streamfunction has the shape {tuple(streamfunction.shape)}",
                hint=f"give ({grid.cells}, {grid.cells})",
            )
        uniform = streamfunction is None and grid.boundary == "periodic"
        if scheme not in ("auto", "spectral", "finite_volume") or (scheme == "spectral" and not uniform):
            raise CoefficientError(
                f"scheme is {scheme!r}", hint="'spectral' needs a uniform wind on a periodic grid"
            )
        if grid.boundary == "wall" and (self.largest("wind_x") or self.largest("wind_y")):
            raise CoefficientError(
                "a uniform wind cannot pass walls",
                hint="set wind_x and wind_y to 0 and give a streamfunction",
            )
        self.streamfunction = streamfunction
        self.scheme = ("spectral" if uniform else "finite_volume") if scheme == "auto" else scheme

    def _velocity(self, like: Tensor) -> FaceVelocity:
        along_x, along_y = torch.zeros_like(like), torch.zeros_like(like)
        if self.streamfunction is not None:
            swirl_x, swirl_y = corner_velocity(self.streamfunction.to(like.dtype), self.grid)
            along_x, along_y = along_x + swirl_x, along_y + swirl_y
        if self.grid.boundary == "periodic":
            along_x = along_x + self.value("wind_x", like)
            along_y = along_y + self.value("wind_y", like)
        return along_x, along_y

    def courant(self, state: Tensor) -> Tensor:
        """Substeps that the finite-volume scheme needs; one for the spectral step."""
        needed = 1.0
        if self.scheme == "finite_volume":
            velocity = self._velocity(state)
            needed = transport_substeps(velocity, self.largest("diffusivity"), self.grid, self.frame_s)
        return torch.full((state.shape[0],), needed, dtype=torch.float64)

    def _transported(self, state: Tensor, *, accurate: bool, refinement: int) -> Tensor:
        velocity = self._velocity(state)
        count = transport_substeps(velocity, self.largest("diffusivity"), self.grid, self.frame_s)
        diffusivity = self.value("diffusivity", state)
        return transport_flux(
            state, velocity, diffusivity, self.grid, self.frame_s, count * refinement, accurate=accurate
        )

    def _spectral_change(self, state: Tensor) -> Tensor:
        kx, ky = self.grid.wavenumbers()
        exact = state.double()
        phase = self.value("wind_x", exact) * kx + self.value("wind_y", exact) * ky
        damping = self.value("diffusivity", exact) * (kx**2 + ky**2)
        growth = torch.expm1(-self.frame_s * torch.complex(damping + 0 * phase, phase + 0 * damping))
        change = to_spectrum(state) * growth.to(to_spectrum(state[:1]).dtype)
        return to_field(change, state.shape[-1])

    def exchange(self, state: Tensor) -> Exchange:
        """Accumulated mass flux of one frame."""
        start = self.entropy(state).detach()

        def entropy_of(flux: Tensor) -> Tensor:
            return self.entropy(state - self.grid.divergence(flux))

        def safe() -> Tensor:
            return self._transported(state, accurate=False, refinement=1)

        if self.scheme == "spectral":
            flux = minimal_flux(self._spectral_change(state), self.grid)
        else:
            flux = self._transported(state, accurate=True, refinement=self.refinement)
        return Exchange(lawful_flux(flux, entropy_of, start, safe))

    def density(self, state: Tensor) -> Tensor:
        """Concentration."""
        return state[:, 0].double()

    def entropy(self, state: Tensor) -> Tensor:
        """Minus the integral of (c + background) ln(c + background); NaN below minus the background."""
        density = state[:, 0].double() + BACKGROUND
        return -self.grid.integral(torch.special.xlogy(density, density))
