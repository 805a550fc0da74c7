"""Shallow water with walls and a bed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError
from industriverse.nvp.grid import AXES, Grid
from industriverse.nvp.solvers.base import (
    Coefficient,
    Estimate,
    Exchange,
    FieldChannel,
    FluxSolver,
    wants_derivatives,
)
from industriverse.nvp.solvers.second_law import blend_weight

__all__ = ["ShallowWater"]


@dataclass(frozen=True)
class _Sweep:
    """Fluxes through all faces along one axis and the bed's push on each cell."""

    faces: Tensor  # (batch, 3, ..., cells + 1 along the axis)
    push: Tensor  # (batch, cells, cells), normal momentum per second


def _weno_edges(cells: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Values at the low and the high edge of the middle of five cells, fifth order where smooth.

    WENO-Z of Borges et al. (J. Comput. Phys. 227, 2008): unlike a slope limiter it does not clip smooth
    crests, which is most of the error of smooth waves.
    """
    a, b, c, d, e = cells
    left, middle, right = a - 2 * b + c, b - 2 * c + d, c - 2 * d + e
    smoothness = (
        13 / 12 * left.square() + 0.25 * (a - 4 * b + 3 * c).square(),
        13 / 12 * middle.square() + 0.25 * (b - d).square(),
        13 / 12 * right.square() + 0.25 * (3 * c - 4 * d + e).square(),
    )
    # Differences below rounding are no structure.
    floor = torch.finfo(c.dtype).eps * c.square() + 1e-30
    jump = (smoothness[0] - smoothness[2]).abs()
    trust = [1 + (jump / (beta + floor)).square() for beta in smoothness]

    def blended(ideal: tuple[float, float, float], values: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        weights = [share * part for share, part in zip(ideal, trust, strict=True)]
        total = weights[0] + weights[1] + weights[2]
        return (weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2]) / total

    high = ((2 * a - 7 * b + 11 * c) / 6, (-b + 5 * c + 2 * d) / 6, (2 * c + 5 * d - e) / 6)
    low = ((-a + 5 * b + 2 * c) / 6, (2 * b + 5 * c - d) / 6, (11 * c - 7 * d + 2 * e) / 6)
    return blended((0.3, 0.6, 0.1), low), blended((0.1, 0.6, 0.3), high)


class ShallowWater(FluxSolver):
    """Depth-averaged flow under gravity: dam breaks, sloshing, tides in a basin.

        h_t + div(h u) = 0
        (h u)_t + div(h u u) + grad(g h²/2) = - g h grad b

    Finite volumes: WENO-Z edges, hydrostatic reconstruction (Audusse et al., SIAM J. Sci. Comput. 25,
    2004), Rusanov flux, SSPRK3. A substep that would raise the energy is blended with the first-order
    Rusanov substep. Wall pressure and bed push are booked as sources of momentum. The error estimate is the
    embedded one of the same stages: SSPRK3 against the second-order step of its first two. Where no gradient is
    asked for, the fluxes are computed by a compiled kernel.

    State: (batch, 3, cells, cells); channels `depth` h in m (positive), `momentum_x` and `momentum_y`
    h u in m²/s.

    Args:
        grid: Walls, or periodic.
        frame_s: Seconds between frames.
        bed: Height b in m, (cells, cells), or None for a flat bed.
        refinement: Multiplies the substeps chosen by the Courant limit.
        **coefficients: `gravity` g in m/s².

    Expected behaviour: the volume is kept to rounding, the energy never rises, a lake at rest stays
    at rest over any bed.

    When it breaks: drying beds (depths are kept positive but fronts onto dry land are first order),
    and shocks smear over 2 to 3 cells.
    """

    name = "shallow_water"
    field_names: ClassVar[tuple[str, ...]] = ("bed",)
    channels = (
        FieldChannel("depth", "m", minimum=1e-9),
        FieldChannel("momentum_x", "m2/s", conserved=False),
        FieldChannel("momentum_y", "m2/s", conserved=False),
    )
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {"gravity": Coefficient("m/s2", 1e-3, 1e3)}
    defaults: ClassVar[Mapping[str, float]] = {"gravity": 9.81}
    entropy_name = "minus the mechanical energy"
    courant_limit = 0.45

    def __init__(
        self,
        grid: Grid,
        frame_s: float,
        *,
        bed: Tensor | None = None,
        refinement: int = 1,
        **coefficients: float | Tensor,
    ) -> None:
        super().__init__(grid, frame_s, refinement=refinement, **coefficients)
        if bed is not None and tuple(bed.shape) != (grid.cells, grid.cells):
            raise FieldShapeError(
                f"bed has the shape {tuple(bed.shape)}", hint=f"give ({grid.cells}, {grid.cells})"
            )
        self.bed = torch.zeros(grid.cells, grid.cells, dtype=torch.float64) if bed is None else bed.double()

    def courant(self, state: Tensor) -> Tensor:
        """Cells crossed by the fastest gravity wave in a frame, over the limit."""
        exact = state.detach().double()
        depth = exact[:, 0].clamp_min(1e-12)
        speed = torch.maximum((exact[:, 1] / depth).abs(), (exact[:, 2] / depth).abs())
        celerity = torch.sqrt(self.largest("gravity") * depth)
        fastest = (speed + celerity).amax(dim=AXES)
        # Waves steepen inside the frame; a tenth of headroom covers what the walls reflect.
        return 1.1 * fastest * self.frame_s / self.grid.spacing / self.courant_limit

    def _padded(self, field: Tensor, axis: int, sign: Tensor) -> Tensor:
        """Three ghost cells on each side along `axis`; `sign` is -1 for what walls reflect."""
        count = self.grid.cells
        if self.grid.boundary == "periodic":
            return torch.cat([field.narrow(axis, count - 3, 3), field, field.narrow(axis, 0, 3)], dim=axis)
        low = sign * field.narrow(axis, 0, 3).flip(axis)
        high = sign * field.narrow(axis, count - 3, 3).flip(axis)
        return torch.cat([low, field, high], dim=axis)

    def _edges(self, field: Tensor, axis: int, accurate: bool) -> tuple[Tensor, Tensor]:
        """Values at the low and high edge of cells -1 ... cells, from three ghosts a side."""
        size = field.shape[axis] - 4
        a, b, c, d, e = (field.narrow(axis, k, size) for k in range(5))
        if not accurate:
            return c, c
        return _weno_edges((a, b, c, d, e))

    def _sweep(self, state: Tensor, axis: int, accurate: bool) -> _Sweep:
        gravity = self.value("gravity", state)
        gravity = gravity.reshape(-1, 1, 1) if gravity.ndim else gravity
        normal = 1 if axis == -2 else 2
        bed = self.bed.to(state.dtype).expand_as(state[:, 0])
        fields = torch.stack([state[:, 0], state[:, 0] + bed, state[:, normal], state[:, 3 - normal]], dim=1)
        sign = torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=state.dtype)[:, None, None]
        low, high = self._edges(self._padded(fields, axis, sign), axis, accurate)
        parts = list(zip(low.unbind(1), high.unbind(1), strict=True))
        count = self.grid.cells
        (depth_low, depth_high), (level_low, level_high) = parts[0], parts[1]
        bed_low, bed_high = level_low - depth_low, level_high - depth_high
        # Face i lies between the high edge of cell i-1 and the low edge of cell i, i = 0 ... cells.
        left = [part[1].narrow(axis, 0, count + 1) for part in (*parts, (bed_low, bed_high))]
        right = [part[0].narrow(axis, 1, count + 1) for part in (*parts, (bed_low, bed_high))]
        sill = torch.maximum(left[4], right[4])
        star_left = (left[1] - sill).clamp_min(0.0)
        star_right = (right[1] - sill).clamp_min(0.0)
        faces = self._rusanov(
            star_left,
            star_right,
            [left[k] / left[0].clamp_min(1e-12) for k in (2, 3)],
            [right[k] / right[0].clamp_min(1e-12) for k in (2, 3)],
            gravity,
        )
        inner_low = depth_low.narrow(axis, 1, count)
        inner_high = depth_high.narrow(axis, 1, count)
        drop = bed_low.narrow(axis, 1, count) - bed_high.narrow(axis, 1, count)
        push = (
            0.5 * gravity * (star_left.narrow(axis, 1, count) ** 2 - inner_high**2)
            + 0.5 * gravity * (inner_low**2 - star_right.narrow(axis, 0, count) ** 2)
            + 0.5 * gravity * (inner_low + inner_high) * drop
        )
        return _Sweep(faces, push / self.grid.spacing)

    @staticmethod
    def _rusanov(
        low: Tensor, high: Tensor, speeds_low: list[Tensor], speeds_high: list[Tensor], gravity: Tensor
    ) -> Tensor:
        """Rusanov flux of (depth, normal momentum, transverse momentum), (batch, 3, ...)."""
        fastest = torch.maximum(
            speeds_low[0].abs() + torch.sqrt(gravity * low), speeds_high[0].abs() + torch.sqrt(gravity * high)
        )
        sides = []
        for depth, (normal, transverse) in ((low, speeds_low), (high, speeds_high)):
            conserved = torch.stack([depth, depth * normal, depth * transverse], dim=1)
            pressure = 0.5 * gravity * depth**2
            physical = torch.stack(
                [depth * normal, depth * normal**2 + pressure, depth * normal * transverse], dim=1
            )
            sides.append((conserved, physical))
        (left_state, left_flux), (right_state, right_flux) = sides
        return 0.5 * (left_flux + right_flux) - 0.5 * fastest[:, None] * (right_state - left_state)

    def _rate(self, state: Tensor, accurate: bool) -> Exchange:
        """Face fluxes and sources per second; rim momentum fluxes of walls are sources."""
        if accurate and not wants_derivatives(state, self.coefficients["gravity"]):
            return self._compiled_rate(state)
        return self._traced_rate(state, accurate)

    def _compiled_rate(self, state: Tensor) -> Exchange:
        from industriverse.nvp.solvers._shallow_water_kernel import rates

        flux, source = rates(
            state.detach().contiguous().numpy(),
            self.bed.contiguous().numpy(),
            self.coefficients["gravity"].detach().reshape(-1).expand(state.shape[0]).contiguous().numpy(),
            self.grid.spacing,
            self.grid.boundary == "wall",
            torch.finfo(state.dtype).eps,
        )
        return Exchange(torch.from_numpy(flux), torch.from_numpy(source))

    def _traced_rate(self, state: Tensor, accurate: bool) -> Exchange:
        fluxes = []
        source = torch.zeros_like(state)
        count = self.grid.cells
        for axis in AXES:
            sweep = self._sweep(state, axis, accurate)
            order = [0, 1, 2] if axis == -2 else [0, 2, 1]
            faces = sweep.faces[:, order]
            right = faces.narrow(axis, 1, count)
            if self.grid.boundary == "wall":
                first = faces.narrow(axis, 0, 1) / self.grid.spacing
                last = faces.narrow(axis, count, 1) / self.grid.spacing
                middle = torch.zeros_like(state).narrow(axis, 0, count - 2)
                source = source + torch.cat([first, middle, -last], dim=axis)
                right = self.grid.closed_faces(right, axis)
            fluxes.append(right)
            push = torch.zeros_like(state)
            push[:, 1 if axis == -2 else 2] = sweep.push
            source = source + push
        return Exchange(torch.stack(fluxes, dim=-3), source)

    def _substep(self, state: Tensor, step_s: float) -> tuple[Exchange, Tensor]:
        """One guarded substep, integrated over `step_s`, and how much it changes the second-order one."""

        def scaled(parts: list[Exchange], weights: list[float]) -> Exchange:
            first = step_s * weights[0]
            assert parts[0].source is not None
            flux, source = first * parts[0].flux, first * parts[0].source
            for part, weight in zip(parts[1:], weights[1:], strict=True):
                assert part.source is not None
                flux = flux.add(part.flux, alpha=step_s * weight)
                source = source.add(part.source, alpha=step_s * weight)
            return Exchange(flux, source)

        # SSPRK3 (Shu and Osher 1988) in accumulated form: stages weigh 1/6, 1/6 and 4/6.
        first = self._rate(state, True)
        predicted = self.apply(state, scaled([first], [1.0]))
        second = self._rate(predicted, True)
        third = self._rate(self.apply(state, scaled([first, second], [0.25, 0.25])), True)
        stages = [first, second, third]
        found = scaled(stages, [1 / 6, 1 / 6, 4 / 6])
        reached = self.apply(state, found)
        start, entropy = self.entropy(state).detach(), self.entropy(reached).detach()
        if not bool((entropy >= start).all()):
            found = self._safer(state, step_s, found, (start, entropy))
            reached = self.apply(state, found)
        return found, reached - self.apply(state, scaled(stages[:2], [0.5, 0.5]))

    def _safer(
        self, state: Tensor, step_s: float, accurate: Exchange, entropies: tuple[Tensor, Tensor]
    ) -> Exchange:
        """The substep blended with the first-order one as far as the energy needs."""
        rate = self._rate(state, False)
        assert accurate.source is not None
        assert rate.source is not None
        safe = Exchange(step_s * rate.flux, step_s * rate.source)
        assert safe.source is not None
        start, reached = entropies
        weight = blend_weight(start, reached, self.entropy(self.apply(state, safe)).detach())
        weight = weight.to(state.dtype).reshape(-1, 1, 1, 1)
        flux = torch.nan_to_num(accurate.flux).lerp(safe.flux, weight[..., None])
        return Exchange(flux, torch.nan_to_num(accurate.source).lerp(safe.source, weight))

    def _frame(self, state: Tensor) -> tuple[Exchange, Tensor]:
        """Accumulated fluxes and forces of a frame, and the sum of the embedded differences."""
        steps = self.substeps(state)
        flux, source, difference, moved = None, torch.zeros_like(state), torch.zeros_like(state), state
        for _ in range(steps):
            part, changed = self._substep(moved, self.frame_s / steps)
            assert part.source is not None
            flux = part.flux if flux is None else flux + part.flux
            source, difference = source + part.source, difference + changed
            moved = self.apply(state, Exchange(flux, source))
        assert flux is not None
        return Exchange(flux, source), difference

    def exchange(self, state: Tensor) -> Exchange:
        """Accumulated fluxes and wall and bed forces of one frame."""
        return self._frame(state)[0]

    def sharper(self) -> Self:
        """The solver itself: its stages hold the coarser member of the pair."""
        return self.with_refinement(self.refinement)

    def estimate(self, state: Tensor) -> Estimate:
        """A frame with the difference to second order in time, summed over the substeps."""
        found, difference = self._frame(state)
        return self.estimated(state, self.apply(state, found), difference)

    def density(self, state: Tensor) -> Tensor:
        """The conserved depth."""
        return state[:, 0].double()

    def mechanical_energy(self, state: Tensor) -> Tensor:
        """Integral of h |u|²/2 + g h²/2 + g h b per unit density, (batch,), float64."""
        exact = state.double()
        gravity = self.coefficients["gravity"]
        gravity = gravity.reshape(-1, 1, 1) if gravity.ndim else gravity
        depth = exact[:, 0]
        kinetic = 0.5 * (exact[:, 1] ** 2 + exact[:, 2] ** 2) / depth
        return self.grid.integral(kinetic + 0.5 * gravity * depth**2 + gravity * depth * self.bed)

    def entropy(self, state: Tensor) -> Tensor:
        """Minus the mechanical energy; minus infinity where the depth is not positive."""
        dry = (state[:, 0].detach() <= 0).flatten(1).any(dim=1)
        return torch.where(dry, -torch.inf, -self.mechanical_energy(state))
