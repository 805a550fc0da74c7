"""Acoustic wave in a medium of varying speed."""

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.field_errors import CoefficientError, FieldShapeError
from industriverse.nvp.grid import AXES, Grid, to_field, to_spectrum
from industriverse.nvp.solvers.base import Coefficient, FieldChannel, Solver

__all__ = ["Wave"]


@lru_cache(maxsize=32)
def _derivatives(grid: Grid, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """1j k without the Nyquist mode, whose derivative has no real value; not to be written to."""
    kx, ky = (k.clone() for k in grid.wavenumbers())
    kx[grid.cells // 2] = 0.0
    ky[..., -1] = 0.0
    return 1j * kx.to(dtype), 1j * ky.to(dtype)


class Wave(Solver):
    """Waves that keep their energy.

        u_t = v,   v_t = div( (scale c(x))² grad u )

    Fourier derivatives (on the even extension behind walls) and a fourth-order composition of
    Stormer-Verlet steps (Yoshida, Phys. Lett. A 150, 1990), then a rescaling of the fluctuation by the
    square root of the energy ratio: Verlet's energy error is bounded and tiny, the rescaling makes it
    zero.

    State: (batch, 2, cells, cells); channels `displacement` in m and `velocity` in m/s.

    Args:
        grid: Periodic, or with free (no-flux) walls.
        frame_s: Seconds between frames.
        speed: c at cell centres, (cells, cells) or (batch, 1, cells, cells), in m/s, positive.
        refinement: Multiplies the substeps chosen by the Courant limit.
        **coefficients: `scale`, a factor on c.

    Expected behaviour: H = integral of v²/2 + c² |grad u|²/2 and the momentum are kept to rounding;
    nothing is dissipated, so the entropy production is zero.

    When it breaks: speeds that jump between neighbours ring at the jump; smooth them over 2 cells.
    """

    name = "wave"
    field_names: ClassVar[tuple[str, ...]] = ("speed",)
    channels = (FieldChannel("displacement", "m", conserved=False), FieldChannel("velocity", "m/s"))
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {"scale": Coefficient("1", 1e-6, 1e6)}
    defaults: ClassVar[Mapping[str, float]] = {"scale": 1.0}
    # Yoshida's composition is stable to 1.573 / frequency, the largest being c pi sqrt(2) / spacing: 0.354.
    courant_limit = 0.3

    def __init__(
        self,
        grid: Grid,
        frame_s: float,
        *,
        speed: Tensor | float = 1.0,
        refinement: int = 1,
        **coefficients: float | Tensor,
    ) -> None:
        super().__init__(grid, frame_s, refinement=refinement, **coefficients)
        medium = torch.as_tensor(speed, dtype=torch.float64)
        medium = medium.expand(grid.cells, grid.cells) if medium.ndim == 0 else medium
        if tuple(medium.shape[-2:]) != (grid.cells, grid.cells) or medium.ndim not in (2, 4):
            raise FieldShapeError(
                f"speed has the shape {tuple(medium.shape)}",
                hint=f"give ({grid.cells}, {grid.cells}) or (batch, 1, {grid.cells}, {grid.cells})",
            )
        if not bool((medium > 0).all()) or not bool(torch.isfinite(medium).all()):
            raise CoefficientError(
                f"speed reaches {float(medium.min()):.6g}", hint="admissible: positive and finite"
            )
        self.speed = medium

    def courant(self, state: Tensor) -> Tensor:
        """Cells crossed by a wave in a frame, over the limit."""
        fastest = float(self.speed.max()) * self.largest("scale") * self.frame_s / self.grid.spacing
        return torch.full((state.shape[0],), fastest / self.courant_limit, dtype=torch.float64)

    def _extended(self, field: Tensor) -> Tensor:
        if self.grid.boundary == "periodic":
            return field
        field = torch.cat([field, field.flip(-2)], dim=-2)
        return torch.cat([field, field.flip(-1)], dim=-1)

    def _symbols(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Symbols of d/dx and d/dy for fields of that precision."""
        return _derivatives(self.grid if self.grid.boundary == "periodic" else self.grid.reflected(), dtype)

    def _slopes(self, field: Tensor) -> list[Tensor]:
        """Derivatives along x and y on the extended grid."""
        extended = self._extended(field)
        spectrum = to_spectrum(extended)
        return [to_field(symbol * spectrum, extended.shape[-1]) for symbol in self._symbols(field.dtype)]

    def _acceleration(self, displacement: Tensor, stiffness: Tensor) -> Tensor:
        """div(c² grad u), (batch, 1, cells, cells), of the extended c²; its mean is zero."""
        along_x, along_y = self._symbols(displacement.dtype)
        slope_x, slope_y = self._slopes(displacement)
        total = along_x * to_spectrum(stiffness * slope_x) + along_y * to_spectrum(stiffness * slope_y)
        cells = self.grid.cells
        found = to_field(total, stiffness.shape[-1])[..., :cells, :cells]
        return found - found.mean(dim=AXES, keepdim=True)

    def advance(self, state: Tensor) -> Tensor:
        """State one frame later."""
        steps = self.substeps(state)
        cube_root = 2.0 ** (1 / 3)
        outer = self.frame_s / steps / (2 - cube_root)
        inner = -cube_root * outer
        moved, change = state[:, :1], torch.zeros_like(state[:, :1])
        scaled = self.value("scale", state) * self.speed.to(state.dtype)
        stiffness = self._extended(scaled**2 if scaled.ndim == 4 else (scaled**2)[None, None])
        acceleration = self._acceleration(moved, stiffness)
        for _ in range(steps):
            for step_s in (outer, inner, outer):
                change = change + 0.5 * step_s * acceleration
                moved = moved + step_s * (state[:, 1:] + change)
                acceleration = self._acceleration(moved, stiffness)
                change = change + 0.5 * step_s * acceleration
        return self.reconcile(state, torch.cat([moved, state[:, 1:] + change], dim=1))

    def reconcile(self, before: Tensor, after: Tensor) -> Tensor:
        """Scales the fluctuation so that the energy is that of `before`; the means are kept."""
        mean = after.mean(dim=AXES, keepdim=True)
        return mean + self._factor(before, after) * (after - mean)

    def _factor(self, before: Tensor, after: Tensor) -> Tensor:
        """Scale of the fluctuation that restores the energy, (batch, 1, 1, 1)."""
        wanted, found = self._fluctuation_energy(before), self._fluctuation_energy(after)
        ratio = torch.where(found > 0, wanted / found.clamp_min(1e-300), 1.0)
        return ratio.sqrt().to(before.dtype).reshape(-1, 1, 1, 1)

    def _fluctuation_energy(self, state: Tensor) -> Tensor:
        velocity = state[:, 1:]
        centred = torch.cat([state[:, :1], velocity - velocity.mean(dim=AXES, keepdim=True)], dim=1)
        return self.grid.integral(self.density(centred))

    def density(self, state: Tensor) -> Tensor:
        """Kinetic plus elastic energy."""
        exact, cells = state.double(), self.grid.cells
        slopes = [slope[..., :cells, :cells] for slope in self._slopes(exact[:, :1])]
        elastic = (slopes[0] ** 2 + slopes[1] ** 2) * (self.value("scale", exact) * self.speed) ** 2
        return 0.5 * exact[:, 1] ** 2 + 0.5 * elastic[:, 0]

    def invariants(self, state: Tensor) -> dict[str, Tensor]:
        """Energy and momentum."""
        return {
            "total": self.grid.integral(self.density(state)),
            "momentum": self.grid.integral(state[:, 1]),
        }
