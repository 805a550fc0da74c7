"""Two-dimensional Navier-Stokes with internal energy."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.grid import (
    AXES,
    Boundary,
    Grid,
    inverse_laplacian,
    minimal_flux,
    to_field,
    to_spectrum,
)
from industriverse.nvp.solvers.base import Coefficient, Exchange, FieldChannel
from industriverse.nvp.solvers.second_law import bounded_fluctuation, lawful_flux, squared_fluctuation
from industriverse.nvp.solvers.spectral import SpectralSolver, check_circulation, embed_spectrum
from industriverse.nvp.solvers.transport import corner_velocity, transport_flux, transport_substeps

__all__ = ["NavierStokes"]


class NavierStokes(SpectralSolver):
    """Incompressible flow whose lost kinetic energy becomes heat.

        w_t + u . grad w = nu lap w + f,   u = (d psi/dy, -d psi/dx),   lap psi = -w
        e_t + div( u e - kappa grad e ) = nu w² (scaled so that KE + integral of e is exact)

    Both by padded ETDRK4. Where the spectral step of the internal energy would lower its entropy
    (fronts thinner than a cell), first-order upwind transport on a discretely divergence-free velocity
    is blended in. The kinetic energy that the vorticity step lost is deposited as heat where the flow is
    strained, to the last bit.

    State: (batch, 2, cells, cells); channels `vorticity` in 1/s (zero mean) and `internal_energy` in
    m²/s² (energy per mass at unit density, positive).

    Args:
        grid: Periodic.
        frame_s: Seconds between frames.
        forcing: Steady vorticity source f in 1/s², (cells, cells) with zero mean, or None.
        refinement: Multiplies the substeps chosen by the advective limit.
        **coefficients: `viscosity` nu and `conductivity` kappa in m²/s.

    Expected behaviour: without forcing KE + integral of e is kept to rounding, the enstrophy never
    rises and S = integral of ln e never falls. With forcing the work is booked by `work`.

    When it breaks: eddies below two cells (nu below about 1e-4 at 64² and unit vorticity) are not seen.
    """

    name = "navier_stokes"
    field_names: ClassVar[tuple[str, ...]] = ("forcing",)
    channels = (
        FieldChannel("vorticity", "1/s"),
        FieldChannel("internal_energy", "m2/s2", conserved=False, minimum=1e-12),
    )
    boundaries: ClassVar[frozenset[Boundary]] = frozenset({"periodic"})
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {
        "viscosity": Coefficient("m2/s", 1e-7, 1e2),
        "conductivity": Coefficient("m2/s", 1e-9, 1e2),
    }
    defaults: ClassVar[Mapping[str, float]] = {"viscosity": 1e-3, "conductivity": 1e-3}
    entropy_name = "integral of ln e"
    courant_limit = 0.6

    def __init__(
        self,
        grid: Grid,
        frame_s: float,
        *,
        forcing: Tensor | None = None,
        refinement: int = 1,
        **coefficients: float | Tensor,
    ) -> None:
        super().__init__(grid, frame_s, refinement=refinement, **coefficients)
        self.forcing = forcing

    def check(self, state: Tensor) -> Tensor:
        """As the base, and the mean vorticity of a periodic flow must be zero."""
        super().check(state)
        check_circulation(state, self.name)
        return state

    def courant(self, state: Tensor) -> Tensor:
        """Cells crossed by the fastest fluid in a frame, over the limit."""
        spectrum = to_spectrum(state[:, :1].detach().double()) * inverse_laplacian(self.grid)
        kx, ky = self.grid.wavenumbers()
        speeds = [to_field(1j * k * spectrum, state.shape[-1]).abs().amax(dim=(1, 2, 3)) for k in (kx, ky)]
        return (speeds[0] + speeds[1]) * self.frame_s / self.grid.spacing / self.courant_limit

    def linear(self, grid: Grid) -> Tensor:
        """Viscous damping of the vorticity and conduction of heat."""
        laplacian = self.laplacian(grid)
        parts = [self.coefficient(name) * laplacian for name in ("viscosity", "conductivity")]
        count = max(part.shape[0] if part.ndim == 4 else 1 for part in parts)
        return torch.cat([part.expand(count, 1, *laplacian.shape) for part in parts], dim=1)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Minus the divergence of the fluxes of vorticity and heat, plus the forcing."""
        kx, ky = (1j * part.to(spectrum.real.dtype) for part in grid.wavenumbers())
        psi = spectrum[:, :1] * inverse_laplacian(grid).to(spectrum.real.dtype)
        carried = self.physical(spectrum, grid)
        along_x = self.products(self.physical(ky * psi, grid) * carried, grid)
        along_y = self.products(self.physical(-kx * psi, grid) * carried, grid)
        rate = -(kx * along_x + ky * along_y)
        if self.forcing is None:
            return rate
        forced = to_spectrum(self.forcing.to(spectrum.real.dtype))
        work = torch.zeros_like(rate)
        work[:, 0] = embed_spectrum(forced, self.grid.cells, grid.cells)
        return rate + work

    def _coefficients(self, grid: Grid, step_s: float, like: Tensor) -> tuple[Tensor, ...]:
        parts = super()._coefficients(grid, step_s, like)
        return tuple(part[:, : like.shape[1]] for part in parts)

    def march_vorticity(self, vorticity: Tensor) -> Tensor:
        """Vorticity (batch, 1, cells, cells) one frame later without its heat, decay enforced."""
        return self._decayed(vorticity, self.march(vorticity))

    def reconcile(self, before: Tensor, after: Tensor) -> Tensor:
        """Enforces the decay of a corrected vorticity and books the energy that it changed as heat."""
        vorticity = self._decayed(before[:, :1], after[:, :1])
        owed = (
            self.kinetic_energy(before)
            + self.grid.integral(before[:, 1])
            + self.work(before, vorticity)
            - self.kinetic_energy(vorticity)
            - self.grid.integral(after[:, 1])
        )
        return torch.cat([vorticity, after[:, 1:] + self._deposit(before, vorticity, owed)], dim=1)

    def _decayed(self, vorticity: Tensor, after: Tensor) -> Tensor:
        if self.forcing is not None:
            return after
        after = bounded_fluctuation(after, squared_fluctuation(vorticity), squared_fluctuation)
        return bounded_fluctuation(after, self.kinetic_energy(vorticity), self.kinetic_energy)

    def _pinned(self, change: Tensor) -> Tensor:
        keep = torch.ones(change.shape[-2:], dtype=change.real.dtype)
        keep[0, 0] = 0.0
        return change * keep

    def kinetic_energy(self, state: Tensor) -> Tensor:
        """Integral of |u|²/2 by Parseval, (batch,), float64."""
        spectrum = to_spectrum(state[:, 0].double())
        weight = torch.full((self.grid.cells // 2 + 1,), 2.0, dtype=torch.float64)
        weight[0] = weight[-1] = 1.0
        modes = (spectrum.abs() ** 2) * inverse_laplacian(self.grid) * weight
        return 0.5 * modes.sum(dim=AXES) * self.grid.cell_area / self.grid.cells**2

    def _corner_streamfunction(self, vorticity: Tensor) -> Tensor:
        kx, ky = self.grid.wavenumbers()
        half = torch.polar(torch.ones_like(kx + ky), (kx + ky) * self.grid.spacing / 2)
        spectrum = to_spectrum(vorticity.double()) * inverse_laplacian(self.grid) * half
        return to_field(spectrum, vorticity.shape[-1]).to(vorticity.dtype)

    def _deposit(self, before: Tensor, vorticity: Tensor, energy: Tensor) -> Tensor:
        """`energy` (batch,) spread in proportion to the squared vorticity, (batch, 1, cells, cells)."""
        where = (0.5 * (before[:, :1] + vorticity).detach().double()) ** 2
        share = where / self.grid.integral(where).clamp_min(1e-300)[..., None, None]
        return (energy.reshape(-1, 1, 1, 1) * share).to(before.dtype)

    def _lawful_heat(self, state: Tensor, vorticity: Tensor, marched: Tensor) -> Tensor:
        """The transported heat, upwinded as far as its entropy needs, (batch, 1, cells, cells)."""
        heat, start = state[:, 1:], self._heat_entropy(state[:, 1:]).detach()
        if bool((self._heat_entropy(marched).detach() >= start).all()):
            return marched
        middle = 0.5 * (state[:, :1] + vorticity).detach()
        velocity = corner_velocity(self._corner_streamfunction(middle), self.grid)
        kappa = self.value("conductivity", heat)

        def upwind() -> Tensor:
            count = transport_substeps(velocity, self.largest("conductivity"), self.grid, self.frame_s)
            return transport_flux(heat, velocity, kappa, self.grid, self.frame_s, count, accurate=False)

        def entropy_of(flux: Tensor) -> Tensor:
            return self._heat_entropy(heat - self.grid.divergence(flux))

        flux = lawful_flux(minimal_flux(marched - heat, self.grid), entropy_of, start, upwind)
        return heat - self.grid.divergence(flux)

    def _parts(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vorticity, transported heat and deposit of the frame, (batch, 1, cells, cells) each."""
        marched = self.march(state)
        vorticity = self._decayed(state[:, :1], marched[:, :1])
        heat = self._lawful_heat(state, vorticity, marched[:, 1:])
        lost = self.kinetic_energy(state) - self.kinetic_energy(vorticity)
        if self.forcing is not None:
            lost = (lost + self.work(state, vorticity)).clamp_min(0.0)
        return vorticity, heat, self._deposit(state, vorticity, lost)

    def work(self, before: Tensor, after: Tensor) -> Tensor:
        """Work of the forcing in a frame, integral of psi f by the trapezium rule, (batch,), float64."""
        if self.forcing is None:
            return torch.zeros(before.shape[0], dtype=torch.float64)
        forcing = self.forcing.double()
        total = torch.zeros(before.shape[0], dtype=torch.float64)
        for state in (before, after):
            psi = to_field(to_spectrum(state[:, 0].double()) * inverse_laplacian(self.grid), self.grid.cells)
            total = total + 0.5 * self.frame_s * self.grid.integral(psi * forcing)
        return total

    def advance(self, state: Tensor) -> Tensor:
        """State one frame later."""
        vorticity, heat, deposit = self._parts(state)
        return torch.cat([vorticity, heat + deposit], dim=1)

    def exchange(self, state: Tensor) -> Exchange:
        """Fluxes of least norm of vorticity and heat, and the heat deposited by friction."""
        vorticity, heat, deposit = self._parts(state)
        moved = torch.cat([vorticity, heat], dim=1) - state
        return Exchange(
            minimal_flux(moved, self.grid), torch.cat([torch.zeros_like(deposit), deposit], dim=1)
        )

    def density(self, state: Tensor) -> Tensor:
        """Kinetic plus internal energy density."""
        kx, ky = self.grid.wavenumbers()
        psi = to_spectrum(state[:, 0].double()) * inverse_laplacian(self.grid)
        size = self.grid.cells
        speed = to_field(1j * ky * psi, size) ** 2 + to_field(1j * kx * psi, size) ** 2
        return 0.5 * speed + state[:, 1].double()

    def invariants(self, state: Tensor) -> dict[str, Tensor]:
        """Total energy (without forcing) and circulation."""
        circulation = self.grid.integral(state[:, 0])
        if self.forcing is not None:
            return {"circulation": circulation}
        total = self.kinetic_energy(state) + self.grid.integral(state[:, 1])
        return {"total": total, "circulation": circulation}

    def _heat_entropy(self, heat: Tensor) -> Tensor:
        return self.grid.integral(torch.log(heat[:, 0].double()))

    def entropy(self, state: Tensor) -> Tensor:
        """Integral of ln e, e the internal energy."""
        return self._heat_entropy(state[:, 1:])
