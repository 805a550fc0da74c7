"""Heterogeneous heat conduction."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.field_errors import CoefficientError, FieldShapeError
from industriverse.nvp.grid import AXES, Grid
from industriverse.nvp.solvers.base import Coefficient, Exchange, FieldChannel, FluxSolver
from industriverse.nvp.solvers.second_law import lawful_flux
from industriverse.nvp.solvers.super_time_step import explicit_flux, rkl2_flux, stage_count

__all__ = ["HeterogeneousHeat"]


class HeterogeneousHeat(FluxSolver):
    """Heat conduction through a medium whose conductivity varies in space.

        e_t = div( scale K(x) grad e )

    Finite volumes, RKL2 in time with accumulated fluxes (`super_time_step`), second order in space
    and time.

    State: (batch, 1, cells, cells); channel `energy_density` in J/m³ (heat capacity one), positive.

    Args:
        grid: Periodic, or with insulating walls.
        frame_s: Seconds between frames.
        conductivity: K at cell centres, (cells, cells) or (batch, 1, cells, cells), in m²/s, positive.
        refinement: RKL2 steps a frame are 4 times this.
        **coefficients: `scale`, a factor on K.

    Expected behaviour: the integral of e is kept to rounding; S = integral of ln e never falls; the
    minimum never falls and the maximum never rises beyond rounding.

    When it breaks: conductivities that jump by more than about 10⁴ between neighbours are averaged
    harmonically but resolved to first order only.
    """

    name = "heat"
    field_names: ClassVar[tuple[str, ...]] = ("conductivity",)
    channels = (FieldChannel("energy_density", "J/m3", minimum=1e-12),)
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {"scale": Coefficient("1", 1e-6, 1e6)}
    defaults: ClassVar[Mapping[str, float]] = {"scale": 1.0}
    entropy_name = "integral of ln e"
    steps_per_frame = 4

    def __init__(
        self,
        grid: Grid,
        frame_s: float,
        *,
        conductivity: Tensor | float = 1.0,
        refinement: int = 1,
        **coefficients: float | Tensor,
    ) -> None:
        super().__init__(grid, frame_s, refinement=refinement, **coefficients)
        medium = torch.as_tensor(conductivity, dtype=torch.float64)
        if medium.ndim == 0:
            medium = medium.expand(grid.cells, grid.cells)
        if tuple(medium.shape[-2:]) != (grid.cells, grid.cells) or medium.ndim not in (2, 4):
            raise FieldShapeError(
                f"conductivity has the shape {tuple(medium.shape)}",
                hint=f"give ({grid.cells}, {grid.cells}) or (batch, 1, {grid.cells}, {grid.cells})",
            )
        if not bool((medium > 0).all()) or not bool(torch.isfinite(medium).all()):
            raise CoefficientError(
                f"conductivity reaches {float(medium.min()):.6g}", hint="admissible: positive and finite"
            )
        self.conductivity = medium
        # The harmonic mean is the exact conductance of two half cells in series (Patankar 1980, §4.2).
        self._faces = torch.stack(
            [grid.closed_faces(2 / (1 / medium + 1 / medium.roll(-1, axis)), axis) for axis in AXES], dim=-3
        )

    def _rate(self, state: Tensor) -> Tensor:
        gradient = torch.stack([self.grid.face_difference(state, axis) for axis in AXES], dim=-3)
        scale = self.value("scale", state)
        scale = scale[..., None] if scale.ndim else scale
        faces = self._faces.to(state.dtype)
        return -scale * faces * gradient / self.grid.spacing

    def _radius(self) -> float:
        """Gershgorin bound of the spectral radius of the discrete operator, 1/s."""
        outflow = sum(
            (part + part.roll(1, axis)) for part, axis in zip(self._faces.unbind(-3), AXES, strict=True)
        )
        assert isinstance(outflow, Tensor)
        return 2 * self.largest("scale") * float(outflow.max()) / self.grid.spacing**2

    def courant(self, state: Tensor) -> Tensor:
        """RKL2 adapts its stages, so the frame is always cut into the same number of steps."""
        return torch.full((state.shape[0],), float(self.steps_per_frame), dtype=torch.float64)

    def exchange(self, state: Tensor) -> Exchange:
        """Accumulated conductive flux of one frame."""
        steps = self.substeps(state)
        step_s = self.frame_s / steps
        stages = stage_count(step_s * self._radius() / 2)
        flux = torch.zeros_like(self._rate(state))
        for _ in range(steps):
            moved = state - self.grid.divergence(flux)
            flux = flux + rkl2_flux(moved, self._rate, self.grid, step_s, stages)
        start = self.entropy(state).detach()

        def entropy_of(flux: Tensor) -> Tensor:
            return self.entropy(state - self.grid.divergence(flux))

        def safe() -> Tensor:
            # Outflow of a cell at most one half a substep: each substep is doubly stochastic.
            count = max(1, math.ceil(self.frame_s * self._radius()))
            return explicit_flux(state, self._rate, self.grid, self.frame_s, count)

        return Exchange(lawful_flux(flux, entropy_of, start, safe))

    def density(self, state: Tensor) -> Tensor:
        """Energy density."""
        return state[:, 0].double()

    def entropy(self, state: Tensor) -> Tensor:
        """Integral of ln e; NaN where the density is not positive."""
        return self.grid.integral(torch.log(state[:, 0].double()))
