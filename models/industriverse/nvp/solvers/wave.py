"""Acoustic wave in a medium of varying speed."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.field_errors import CoefficientError, FieldShapeError
from industriverse.nvp.grid import AXES, Grid
from industriverse.nvp.solvers.base import Coefficient, Exchange, FieldChannel, FluxSolver

__all__ = ["Wave"]


class Wave(FluxSolver):
    """Waves that keep their energy.

        u_t = v,   v_t = div( (scale c(x))² grad u )

    Finite volumes with a fourth-order composition of Stormer-Verlet steps (Yoshida, Phys. Lett. A
    150, 1990), then a rescaling of the fluctuation by the square root of the energy ratio: Verlet's
    energy error is bounded and tiny, the rescaling makes it zero.

    State: (batch, 2, cells, cells); channels `displacement` in m and `velocity` in m/s.

    Args:
        grid: Periodic, or with free (no-flux) walls.
        frame_s: Seconds between frames.
        speed: c at cell centres, (cells, cells) or (batch, 1, cells, cells), in m/s, positive.
        refinement: Multiplies the substeps chosen by the Courant limit.
        **coefficients: `scale`, a factor on c.

    Expected behaviour: H = integral of v²/2 + c² |grad u|²/2 and the momentum are kept to rounding;
    nothing is dissipated, so the entropy production is zero.

    When it breaks: second order in space, so waves shorter than about 10 cells lag in phase.
    """

    name = "wave"
    field_names: ClassVar[tuple[str, ...]] = ("speed",)
    channels = (FieldChannel("displacement", "m", conserved=False), FieldChannel("velocity", "m/s"))
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {"scale": Coefficient("1", 1e-6, 1e6)}
    defaults: ClassVar[Mapping[str, float]] = {"scale": 1.0}
    # The Verlet limit is 2 / (largest frequency) = spacing / (c sqrt 2); Yoshida's widest substep is 1.70.
    courant_limit = 0.35

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
        self._stiffness = torch.stack([grid.face_mean(medium**2, axis) for axis in AXES], dim=-3)

    def courant(self, state: Tensor) -> Tensor:
        """Cells crossed by a wave in a frame, over the limit."""
        fastest = float(self.speed.max()) * self.largest("scale") * self.frame_s / self.grid.spacing
        return torch.full((state.shape[0],), fastest / self.courant_limit, dtype=torch.float64)

    def _stress(self, displacement: Tensor) -> Tensor:
        """Minus c² grad u through faces, (batch, 1, 2, cells, cells)."""
        slope = torch.stack([self.grid.face_difference(displacement, axis) for axis in AXES], dim=-3)
        scale = self.value("scale", displacement)
        scale = scale[..., None] if scale.ndim else scale
        return -(scale**2) * self._stiffness.to(displacement.dtype) * slope / self.grid.spacing

    def exchange(self, state: Tensor) -> Exchange:
        """Momentum flux of the frame and the displacement it caused."""
        steps = self.substeps(state)
        cube_root = 2.0 ** (1 / 3)
        outer = self.frame_s / steps / (2 - cube_root)
        inner = -cube_root * outer
        moved, speed = state[:, :1], state[:, 1:]
        flux = torch.zeros_like(self._stress(moved))
        start_speed = speed
        for _ in range(steps):
            for step_s in (outer, inner, outer):
                flux = flux + 0.5 * step_s * self._stress(moved)
                moved = moved + step_s * (start_speed - self.grid.divergence(flux))
                flux = flux + 0.5 * step_s * self._stress(moved)
        speed = start_speed - self.grid.divergence(flux)
        factor = self._factor(state, torch.cat([moved, speed], dim=1))
        mean_moved = moved.mean(dim=AXES, keepdim=True)
        settled = mean_moved + factor * (moved - mean_moved)
        # factor (v0 - mean - div J) = v0 - mean - div(factor J) + (factor - 1)(v0 - mean).
        fluctuation = start_speed - start_speed.mean(dim=AXES, keepdim=True)
        source = torch.cat([settled - state[:, :1], (factor - 1) * fluctuation], dim=1)
        momentum = torch.cat([torch.zeros_like(flux), factor[..., None] * flux], dim=1)
        return Exchange(momentum, source)

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
        """Kinetic plus elastic energy; a face's elastic energy is booked on its left cell."""
        exact = state.double()
        slope = [self.grid.face_difference(exact[:, :1], axis) / self.grid.spacing for axis in AXES]
        elastic = torch.stack(slope, dim=-3) ** 2 * self._stiffness
        scale = self.value("scale", exact)
        scale = scale.reshape(-1, 1, 1) if scale.ndim else scale
        return 0.5 * exact[:, 1] ** 2 + 0.5 * scale**2 * elastic.sum(dim=-3)[:, 0]

    def invariants(self, state: Tensor) -> dict[str, Tensor]:
        """Energy and momentum."""
        return {
            "total": self.grid.integral(self.density(state)),
            "momentum": self.grid.integral(state[:, 1]),
        }
