"""Fokker-Planck equation in a potential."""

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

__all__ = ["FokkerPlanck"]


def _bernoulli(x: Tensor) -> Tensor:
    """Bernoulli function x / (exp(x) - 1), continued to 1 at x = 0 by its series."""
    small = x.abs() < 1e-5
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, 1 - x / 2 + x * x / 12, safe / torch.expm1(safe))


class FokkerPlanck(FluxSolver):
    """Probability of overdamped particles in a potential, in contact with a bath.

        p_t = div( D (grad p + beta p grad V) )

    Scharfetter-Gummel / Chang-Cooper face fluxes (Chang and Cooper, J. Comput. Phys. 6, 1970): the
    discrete equilibrium is exactly exp(-beta V) at the cell centres. RKL2 in time.

    State: (batch, 1, cells, cells); channel `probability_density` in 1/m², non-negative.

    Args:
        grid: Reflecting walls, or periodic with a periodic potential.
        frame_s: Seconds between frames.
        potential: V at cell centres, (cells, cells) or (batch, 1, cells, cells), finite.
        refinement: RKL2 steps a frame are 4 times this.
        **coefficients: `diffusivity` D in m²/s and `beta`, the inverse temperature 1/kT.

    Expected behaviour: mass is kept to rounding, the free energy
    F = integral of p (ln p + beta V) / beta never rises, the limit is the Boltzmann density.

    When it breaks: face steps of beta V above about 30 put neighbouring rates 10¹³ apart; the
    number of stages then grows and float32 loses the small densities.
    """

    name = "fokker_planck"
    field_names: ClassVar[tuple[str, ...]] = ("potential",)
    channels = (FieldChannel("probability_density", "1/m2", minimum=0.0),)
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {
        "diffusivity": Coefficient("m2/s", 1e-9, 1e6),
        "beta": Coefficient("1/energy", 1e-6, 1e3),
    }
    defaults: ClassVar[Mapping[str, float]] = {"diffusivity": 1.0, "beta": 1.0}
    entropy_name = "minus the free energy times beta"
    steps_per_frame = 4

    def __init__(
        self,
        grid: Grid,
        frame_s: float,
        *,
        potential: Tensor | float = 0.0,
        refinement: int = 1,
        **coefficients: float | Tensor,
    ) -> None:
        super().__init__(grid, frame_s, refinement=refinement, **coefficients)
        well = torch.as_tensor(potential, dtype=torch.float64)
        well = well.expand(grid.cells, grid.cells) if well.ndim == 0 else well
        if tuple(well.shape[-2:]) != (grid.cells, grid.cells) or well.ndim not in (2, 4):
            raise FieldShapeError(
                f"potential has the shape {tuple(well.shape)}",
                hint=f"give ({grid.cells}, {grid.cells}) or (batch, 1, {grid.cells}, {grid.cells})",
            )
        if not bool(torch.isfinite(well).all()):
            raise CoefficientError("potential has NaN or infinite values", hint="give finite values")
        self.potential = well

    def _rates(self, like: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Rates of jumping right and left through each face, times the spacing, per axis."""
        rates = []
        for axis in AXES:
            work = self.value("beta", like) * self.grid.face_difference(self.potential, axis).to(like.dtype)
            mobility = self.value("diffusivity", like) / self.grid.spacing
            right = self.grid.closed_faces(mobility * _bernoulli(work).expand_as(like), axis)
            left = self.grid.closed_faces(mobility * _bernoulli(-work).expand_as(like), axis)
            rates.append((right, left))
        return rates

    def courant(self, state: Tensor) -> Tensor:
        """RKL2 adapts its stages, so the frame is always cut into the same number of steps."""
        return torch.full((state.shape[0],), float(self.steps_per_frame), dtype=torch.float64)

    def exchange(self, state: Tensor) -> Exchange:
        """Accumulated probability flux of one frame."""
        rates = self._rates(state)

        def rate(density: Tensor) -> Tensor:
            faces = [
                right * density - left * density.roll(-1, axis)
                for (right, left), axis in zip(rates, AXES, strict=True)
            ]
            return torch.stack(faces, dim=-3)

        leaving = torch.zeros_like(state)
        for (right, left), axis in zip(rates, AXES, strict=True):
            leaving = leaving + right.detach() + left.detach().roll(1, axis)
        outflow = float(leaving.max()) / self.grid.spacing
        steps = self.substeps(state)
        step_s = self.frame_s / steps
        # A detailed-balance generator has real eigenvalues within twice its largest outflow.
        stages = stage_count(step_s * outflow)
        flux = torch.zeros_like(rate(state))
        for _ in range(steps):
            moved = state - self.grid.divergence(flux)
            flux = flux + rkl2_flux(moved, rate, self.grid, step_s, stages)
        start = self.entropy(state).detach()

        def entropy_of(flux: Tensor) -> Tensor:
            return self.entropy(state - self.grid.divergence(flux))

        def safe() -> Tensor:
            count = max(1, math.ceil(2 * self.frame_s * outflow))
            return explicit_flux(state, rate, self.grid, self.frame_s, count)

        return Exchange(lawful_flux(flux, entropy_of, start, safe))

    def boltzmann(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """The equilibrium density of unit mass, (batch or 1, 1, cells, cells)."""
        like = torch.zeros(1, 1, self.grid.cells, self.grid.cells, dtype=torch.float64)
        exponent = -self.value("beta", like) * (self.potential + like)
        weight = torch.exp(exponent - exponent.amax(dim=AXES, keepdim=True))
        return (weight / (weight.sum(dim=AXES, keepdim=True) * self.grid.cell_area)).to(dtype)

    def density(self, state: Tensor) -> Tensor:
        """Probability density."""
        return state[:, 0].double()

    def entropy(self, state: Tensor) -> Tensor:
        """Minus beta times the free energy, in nats; NaN where the density is negative."""
        density = state.double()
        information = torch.special.xlogy(density, density)
        energy = self.value("beta", density) * self.potential * density
        return -self.grid.integral((information + energy)[:, 0])
