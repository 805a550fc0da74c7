"""Two-dimensional vorticity alone: the cheap member for turbulence that the sensors do not resolve."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError
from industriverse.nvp.grid import Boundary, Grid, inverse_laplacian, to_field, to_spectrum
from industriverse.nvp.solvers.base import Coefficient, FieldChannel, wants_derivatives
from industriverse.nvp.solvers.second_law import bounded_fluctuation, squared_fluctuation
from industriverse.nvp.solvers.spectral import SpectralSolver, check_circulation, embed_spectrum

if TYPE_CHECKING:
    from industriverse.nvp.solvers._vorticity_kernel import Symbols

__all__ = ["Vorticity"]

_FILTER_STRENGTH, _FILTER_ORDER = 36.0, 36


@lru_cache(maxsize=16)
def _filter(cells: int) -> Tensor:
    """Hou and Li's exponential filter (J. Comput. Phys. 226, 2007), (cells, cells/2+1), float64."""
    rows = torch.fft.fftfreq(cells, 0.5, dtype=torch.float64).abs()[:, None]
    columns = torch.fft.rfftfreq(cells, 0.5, dtype=torch.float64)[None, :]
    return torch.exp(-_FILTER_STRENGTH * (rows**_FILTER_ORDER + columns**_FILTER_ORDER))


class Vorticity(SpectralSolver):
    """Incompressible flow in the plane without its heat.

        w_t + u . grad w = nu lap w + f,   u = (d psi/dy, -d psi/dx),   lap psi = -w

    ETDRK4 on a grid 3/2 times finer. The advection is formed from u v and v² - u², which takes four
    transforms instead of five; a smooth filter instead of the two-thirds rule keeps a quarter more modes
    of the same grid.

    State: (batch, 1, cells, cells); channel `vorticity` in 1/s with zero mean.

    Args:
        grid: Periodic.
        frame_s: Seconds between frames.
        forcing: Steady vorticity source f in 1/s², (cells, cells) with zero mean, or None.
        refinement: Multiplies the substeps chosen by the advective limit.
        **coefficients: `viscosity` nu in m²/s.

    Expected behaviour: the circulation stays zero; without forcing the enstrophy never rises.

    When it breaks: eddies below two thirds of a cell are not seen; the kinetic energy that friction
    takes leaves the state (`navier_stokes` keeps it as heat).
    """

    name = "vorticity"
    field_names: ClassVar[tuple[str, ...]] = ("forcing",)
    channels = (FieldChannel("vorticity", "1/s"),)
    boundaries: ClassVar[frozenset[Boundary]] = frozenset({"periodic"})
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {"viscosity": Coefficient("m2/s", 1e-7, 1e2)}
    defaults: ClassVar[Mapping[str, float]] = {"viscosity": 1e-3}
    entropy_name = "minus half the enstrophy"
    # ETDRK4 is stable on the imaginary axis to about 2.8; the filter silences the last tenth of the modes.
    courant_limit = 1.0

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
        if forcing is not None and tuple(forcing.shape) != (grid.cells, grid.cells):
            raise FieldShapeError(
                f"forcing has the shape {tuple(forcing.shape)}", hint=f"give ({grid.cells}, {grid.cells})"
            )
        self.forcing = forcing

    def check(self, state: Tensor) -> Tensor:
        """As the base, and the mean vorticity of a periodic flow must be zero."""
        super().check(state)
        check_circulation(state, self.name)
        return state

    def sharper(self) -> Self:
        """The solver itself: padded, it is the finer member already."""
        return self.with_refinement(self.refinement)

    def courant(self, state: Tensor) -> Tensor:
        """Padded cells crossed by the fastest fluid in a frame, over the limit."""
        psi = to_spectrum(state[:, :1].detach().double()) * inverse_laplacian(self.grid)
        kx, ky = self.grid.wavenumbers()
        speeds = [to_field(1j * k * psi, state.shape[-1]).abs() for k in (kx, ky)]
        fastest = (speeds[0] + speeds[1]).amax(dim=(1, 2, 3))
        return fastest * self.frame_s * self._periodic().cells / self.grid.length / self.courant_limit

    def substeps(self, state: Tensor) -> int:
        """As the base, but never so few that both members of the pair take the same."""
        return max(super().substeps(state), self.refinement * (4 if self.padding > 1.0 else 2))

    def linear(self, grid: Grid) -> Tensor:
        """Viscous damping."""
        return self.coefficient("viscosity") * self.laplacian(grid)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """(d_yy - d_xx)(u v) - d_x d_y (v² - u²), plus the forcing."""
        real = spectrum.real.dtype
        keep = _filter(grid.cells).to(real)
        kx, ky = (part.to(real) for part in grid.wavenumbers())
        psi = spectrum * (inverse_laplacian(grid).to(real) * keep)
        velocity = to_field(torch.cat([1j * ky * psi, -1j * kx * psi], dim=1), grid.cells)
        u, v = velocity[:, :1], velocity[:, 1:]
        stress = to_spectrum(torch.cat([u * v, v * v - u * u], dim=1))
        rate = ((kx * kx - ky * ky) * keep) * stress[:, :1] + (kx * ky * keep) * stress[:, 1:]
        if self.forcing is None:
            return rate
        forced = to_spectrum(self.forcing.to(real))
        return rate + embed_spectrum(forced, self.grid.cells, grid.cells)

    def _march(self, spectrum: Tensor, grid: Grid, like: Tensor, steps: int) -> Tensor:
        if wants_derivatives(like, *self.coefficients.values()):
            return super()._march(spectrum, grid, like, steps)
        from industriverse.nvp.solvers._vorticity_kernel import march

        parts = self._coefficients(grid, self.frame_s / steps, like)
        tables = tuple(part.reshape(-1, *part.shape[-2:]) for part in parts)
        return march(spectrum[:, 0], self._symbols(grid, like), tables, steps)[:, None]

    def _symbols(self, grid: Grid, like: Tensor) -> "Symbols":
        from industriverse.nvp.solvers._vorticity_kernel import Symbols

        keep, (kx, ky) = _filter(grid.cells), grid.wavenumbers()
        inverse = inverse_laplacian(grid) * keep
        forced = torch.zeros(*keep.shape, dtype=torch.complex128)
        if self.forcing is not None:
            forced = embed_spectrum(to_spectrum(self.forcing.double()), self.grid.cells, grid.cells)
        real = like.dtype
        return Symbols(
            (kx * inverse).to(real),
            (ky * inverse).to(real),
            ((kx**2 - ky**2) * keep).to(real),
            (kx * ky * keep).to(real),
            forced.to(real.to_complex()),
        )

    def guard(self, before: Tensor, after: Tensor) -> Tensor:
        """Scales the field where rounding or under-resolution raised the enstrophy of an unforced flow."""
        if self.forcing is not None:
            return after
        return bounded_fluctuation(after, squared_fluctuation(before), squared_fluctuation)

    def density(self, state: Tensor) -> Tensor:
        """The conserved vorticity."""
        return state[:, 0].double()

    def entropy(self, state: Tensor) -> Tensor | None:
        """Minus half the enstrophy; None with forcing, which feeds it."""
        if self.forcing is not None:
            return None
        return -0.5 * self.grid.integral((state.double() ** 2)[:, 0])
