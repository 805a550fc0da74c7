"""Two-dimensional Navier-Stokes with internal energy."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldValueError
from industriverse.nvp.grid import AXES, Boundary, Grid, minimal_flux, to_field, to_spectrum
from industriverse.nvp.solvers.base import Coefficient, Exchange, FieldChannel
from industriverse.nvp.solvers.second_law import bounded_fluctuation, lawful_flux
from industriverse.nvp.solvers.spectral import SpectralSolver, embed_spectrum
from industriverse.nvp.solvers.transport import corner_velocity, transport_flux, transport_substeps

__all__ = ["NavierStokes"]


class NavierStokes(SpectralSolver):
    """Incompressible flow whose lost kinetic energy becomes heat.

        w_t + u . grad w = nu lap w + f,   u = (d psi/dy, -d psi/dx),   lap psi = -w
        e_t + div( u e - kappa grad e ) = nu w² (scaled so that KE + integral of e is exact)

    Vorticity by padded ETDRK4; internal energy by finite-volume transport on a discretely
    divergence-free velocity. The kinetic energy that the vorticity step lost is deposited as heat
    where the flow is strained, to the last bit.

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
        vorticity = state[:, 0].detach().double()
        mean, scale = vorticity.mean(dim=AXES).abs().max(), vorticity.abs().max()
        if float(mean) > 1e-4 * max(float(scale), 1e-12):
            raise FieldValueError(
                f"channel vorticity of {self.name} has the mean {float(mean):.6g} 1/s",
                hint="subtract the mean: the circulation of a periodic flow is zero",
            )
        return state

    def _inverse(self, grid: Grid) -> Tensor:
        square = -self.laplacian(grid)
        return torch.where(square > 0, 1 / square.clamp_min(1e-300), 0.0)

    def courant(self, state: Tensor) -> Tensor:
        """Cells crossed by the fastest fluid in a frame, over the limit."""
        spectrum = to_spectrum(state[:, :1].detach().double()) * self._inverse(self.grid)
        kx, ky = self.grid.wavenumbers()
        speeds = [to_field(1j * k * spectrum, state.shape[-1]).abs().amax(dim=(1, 2, 3)) for k in (kx, ky)]
        return (speeds[0] + speeds[1]) * self.frame_s / self.grid.spacing / self.courant_limit

    def linear(self, grid: Grid) -> Tensor:
        """Viscous damping of the vorticity."""
        return self.coefficient("viscosity") * self.laplacian(grid)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Minus the divergence of the vorticity flux, plus the forcing."""
        kx, ky = (1j * part.to(spectrum.real.dtype) for part in grid.wavenumbers())
        psi = spectrum * self._inverse(grid).to(spectrum.real.dtype)
        vorticity = self.physical(spectrum, grid)
        along_x = self.products(self.physical(ky * psi, grid) * vorticity, grid)
        along_y = self.products(self.physical(-kx * psi, grid) * vorticity, grid)
        rate = -(kx * along_x + ky * along_y)
        if self.forcing is None:
            return rate
        forced = to_spectrum(self.forcing.to(spectrum.real.dtype))
        return rate + embed_spectrum(forced, self.grid.cells, grid.cells)

    def march_vorticity(self, vorticity: Tensor) -> Tensor:
        """Vorticity (batch, 1, cells, cells) one frame later, mean kept and decay enforced."""
        return self._decayed(vorticity, self.march(vorticity))

    def reconcile(self, before: Tensor, after: Tensor) -> Tensor:
        """Enforces the decay of a corrected vorticity and deposits what it lost as heat."""
        return self._heated(before, self._decayed(before[:, :1], after[:, :1]))

    def _decayed(self, vorticity: Tensor, after: Tensor) -> Tensor:
        if self.forcing is not None:
            return after

        def enstrophy(field: Tensor) -> Tensor:
            mean = field.mean(dim=AXES, keepdim=True)
            return ((field - mean).double() ** 2).sum(dim=(1, 2, 3))

        after = bounded_fluctuation(after, enstrophy(vorticity), enstrophy)
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
        modes = (spectrum.abs() ** 2) * self._inverse(self.grid) * weight
        return 0.5 * modes.sum(dim=AXES) * self.grid.cell_area / self.grid.cells**2

    def _corner_streamfunction(self, vorticity: Tensor) -> Tensor:
        kx, ky = self.grid.wavenumbers()
        half = torch.polar(torch.ones_like(kx + ky), (kx + ky) * self.grid.spacing / 2)
        spectrum = to_spectrum(vorticity.double()) * self._inverse(self.grid) * half
        return to_field(spectrum, vorticity.shape[-1]).to(vorticity.dtype)

    def heat_exchange(self, state: Tensor, vorticity_after: Tensor) -> Exchange:
        """Flux of internal energy in the frame and the kinetic energy deposited, (batch, 1, ...)."""
        heat = state[:, 1:]
        middle = 0.5 * (state[:, :1] + vorticity_after).detach()
        velocity = corner_velocity(self._corner_streamfunction(middle), self.grid)
        kappa = self.largest("conductivity")
        count = transport_substeps(velocity, kappa, self.grid, self.frame_s)

        def flux_of(accurate: bool) -> Tensor:
            steps = count * (self.refinement if accurate else 1)
            diffusivity = self.value("conductivity", heat)
            return transport_flux(
                heat, velocity, diffusivity, self.grid, self.frame_s, steps, accurate=accurate
            )

        def entropy_of(flux: Tensor) -> Tensor:
            return self._heat_entropy(heat - self.grid.divergence(flux))

        start = self._heat_entropy(heat).detach()
        flux = lawful_flux(flux_of(True), entropy_of, start, lambda: flux_of(False))
        lost = self.kinetic_energy(state) - self.kinetic_energy(vorticity_after)
        if self.forcing is not None:
            lost = (lost + self.work(state, vorticity_after)).clamp_min(0.0)
        where = middle.double() ** 2
        share = where / self.grid.integral(where).clamp_min(1e-300)[..., None, None]
        return Exchange(flux, (lost.reshape(-1, 1, 1, 1) * share).to(heat.dtype))

    def work(self, before: Tensor, after: Tensor) -> Tensor:
        """Work of the forcing in a frame, integral of psi f by the trapezium rule, (batch,), float64."""
        if self.forcing is None:
            return torch.zeros(before.shape[0], dtype=torch.float64)
        forcing = self.forcing.double()
        total = torch.zeros(before.shape[0], dtype=torch.float64)
        for state in (before, after):
            psi = to_field(to_spectrum(state[:, 0].double()) * self._inverse(self.grid), self.grid.cells)
            total = total + 0.5 * self.frame_s * self.grid.integral(psi * forcing)
        return total

    def advance(self, state: Tensor) -> Tensor:
        """State one frame later."""
        return self._heated(state, self.march_vorticity(state[:, :1]))

    def _heated(self, state: Tensor, after: Tensor) -> Tensor:
        exchange = self.heat_exchange(state, after)
        heat = state[:, 1:] - self.grid.divergence(exchange.flux)
        assert exchange.source is not None
        return torch.cat([after, heat + exchange.source], dim=1)

    def exchange(self, state: Tensor) -> Exchange:
        """Vorticity flux of least norm, native heat flux, heat deposited by friction."""
        after = self.march_vorticity(state[:, :1])
        heat = self.heat_exchange(state, after)
        assert heat.source is not None
        moved = minimal_flux(after - state[:, :1], self.grid)
        source = torch.cat([torch.zeros_like(heat.source), heat.source], dim=1)
        return Exchange(torch.cat([moved, heat.flux], dim=1), source)

    def density(self, state: Tensor) -> Tensor:
        """Kinetic plus internal energy density."""
        kx, ky = self.grid.wavenumbers()
        psi = to_spectrum(state[:, 0].double()) * self._inverse(self.grid)
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
