"""What every solver of record offers: a conserving frame, an error estimate, invariants, an entropy."""

import abc
import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.autograd import forward_ad

from industriverse.nvp.field_errors import (
    CoefficientError,
    FieldShapeError,
    FieldValueError,
    StabilityError,
)
from industriverse.nvp.grid import AXES, Boundary, Grid, minimal_flux

__all__ = [
    "MAXIMUM_SUBSTEPS",
    "Coefficient",
    "Estimate",
    "Exchange",
    "FieldChannel",
    "FluxSolver",
    "Solver",
    "wants_derivatives",
]

# A frame that needs more substeps than this is refused rather than left to run for minutes.
MAXIMUM_SUBSTEPS = 20_000


@dataclass(frozen=True)
class FieldChannel:
    """One channel of a state: its name, its unit, whether it is conserved, its smallest value."""

    name: str
    unit: str
    conserved: bool = True
    minimum: float = -math.inf


@dataclass(frozen=True)
class Coefficient:
    """Admissible range of a coefficient; `positive` ones are inferred on a logarithmic scale."""

    unit: str
    low: float
    high: float
    positive: bool = True


@dataclass(frozen=True)
class Exchange:
    """What crossed the faces and what came from outside during one frame.

    Args:
        flux: Face fluxes integrated over the frame, (batch, channels, 2, cells, cells), in the
            channel's unit times metres.
        source: Metered exchange with the outside, (batch, channels, cells, cells), or None.
    """

    flux: Tensor
    source: Tensor | None = None


@dataclass(frozen=True)
class Estimate:
    """A frame with its embedded error estimate.

    Args:
        state: The finer solution, (batch, channels, cells, cells).
        difference: Finer minus coarser solution, same shape: the estimate as a field.
        relative: Norm of the difference over the norm of the fluctuation of the state, (batch,).
    """

    state: Tensor
    difference: Tensor
    relative: Tensor


def wants_derivatives(*parts: Tensor) -> bool:
    """Whether somebody wants derivatives by one of these, which compiled code does not carry."""
    if torch.is_grad_enabled() and any(part.requires_grad for part in parts):
        return True
    duals = [forward_ad.unpack_dual(part) for part in parts]  # type: ignore[no-untyped-call]
    return any(dual.tangent is not None for dual in duals)


class Solver(abc.ABC):
    """One equation on one grid, stepped by whole frames of `frame_s` seconds.

    States have shape (batch, channels, cells, cells), float32 or float64. Coefficients are numbers
    or tensors of shape (batch,), one value a sample, and may carry gradients.

    Args:
        grid: The square grid.
        frame_s: Seconds between frames.
        refinement: Multiplies the number of substeps chosen by stability.
        coefficients: Values for `coefficient_ranges`; absent ones take the default.
    """

    name: ClassVar[str]
    channels: ClassVar[tuple[FieldChannel, ...]]
    boundaries: ClassVar[frozenset[Boundary]] = frozenset({"periodic", "wall"})
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {}
    defaults: ClassVar[Mapping[str, float]] = {}
    entropy_name: ClassVar[str] = ""
    # Constructor arguments beside the coefficients: static fields and plain options, by attribute.
    field_names: ClassVar[tuple[str, ...]] = ()
    option_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, grid: Grid, frame_s: float, *, refinement: int = 1, **coefficients: float | Tensor
    ) -> None:
        if grid.boundary not in self.boundaries:
            allowed = ", ".join(sorted(self.boundaries))
            raise CoefficientError(
                f"{self.name} has no {grid.boundary!r} boundary", hint=f"choose one of: {allowed}"
            )
        if not (math.isfinite(frame_s) and frame_s > 0):
            raise CoefficientError(f"frame_s is {frame_s}", hint="give a positive number of seconds")
        if refinement < 1:
            raise CoefficientError(f"refinement is {refinement}", hint="give an integer of at least 1")
        self.grid = grid
        self.frame_s = frame_s
        self.refinement = refinement
        self.coefficients: dict[str, Tensor] = {}
        self._propagators: dict[tuple[int, float], tuple[Tensor, ...]] = {}
        self._set(dict(self.defaults) | coefficients)

    def _set(self, values: Mapping[str, float | Tensor]) -> None:
        for name, value in values.items():
            if name not in self.coefficient_ranges:
                known = ", ".join(self.coefficient_ranges) or "none"
                raise CoefficientError(
                    f"{self.name} has no coefficient {name!r}", hint=f"its coefficients are: {known}"
                )
            limit = self.coefficient_ranges[name]
            tensor = torch.as_tensor(value, dtype=torch.float64)
            lowest, highest = float(tensor.detach().min()), float(tensor.detach().max())
            if not (limit.low <= lowest and highest <= limit.high):
                raise CoefficientError(
                    f"coefficient {name} of {self.name} is {lowest if lowest < limit.low else highest}",
                    hint=f"admissible: {limit.low} to {limit.high} {limit.unit}",
                )
            self.coefficients[name] = tensor

    def with_coefficients(self, **values: float | Tensor) -> Self:
        """A copy with other coefficient values; cached propagators are dropped."""
        other = copy.copy(self)
        other.coefficients = dict(self.coefficients)
        other._propagators = {}
        other._set(values)
        return other

    def with_refinement(self, refinement: int) -> Self:
        """A copy with another multiple of the stable number of substeps."""
        # Propagators belong to coefficients, grid and substep: the copy shares them.
        other = copy.copy(self)
        other.refinement = refinement
        return other

    def value(self, name: str, like: Tensor) -> Tensor:
        """Coefficient `name` in the precision of `like`, shaped to broadcast over states."""
        tensor = self.coefficients[name].to(like.dtype)
        return tensor.reshape(-1, 1, 1, 1) if tensor.ndim else tensor

    def largest(self, name: str) -> float:
        """Largest value of a coefficient over the batch, without its gradient."""
        return float(self.coefficients[name].detach().max())

    def check(self, state: Tensor) -> Tensor:
        """Returns the state, or raises with the channel, the value and the admissible range."""
        wanted = (len(self.channels), self.grid.cells, self.grid.cells)
        if state.ndim != 4 or tuple(state.shape[1:]) != wanted:
            raise FieldShapeError(
                f"{self.name} got a state of shape {tuple(state.shape)}",
                hint=f"give (batch, {wanted[0]}, {wanted[1]}, {wanted[2]})",
            )
        if state.dtype not in (torch.float32, torch.float64):
            raise FieldShapeError(f"{self.name} got {state.dtype}", hint="give float32 or float64")
        for index, channel in enumerate(self.channels):
            values = state[:, index].detach()
            if not bool(torch.isfinite(values).all()):
                raise FieldValueError(
                    f"channel {channel.name} of {self.name} has NaN or infinite values",
                    hint="clean or reconstruct the frame first",
                )
            if float(values.min()) < channel.minimum:
                raise FieldValueError(
                    f"channel {channel.name} of {self.name} has the value {float(values.min()):.6g}",
                    hint=f"admissible: at least {channel.minimum:.6g} {channel.unit}",
                )
        return state

    def substeps(self, state: Tensor) -> int:
        """Substeps of one frame: enough for stability, times the refinement."""
        needed = float(self.courant(state).max())
        if not math.isfinite(needed) or needed * self.refinement > MAXIMUM_SUBSTEPS:
            raise StabilityError(
                f"one frame of {self.name} needs {needed:.3g} substeps",
                hint=f"shorten frame_s (now {self.frame_s} s) or check the coefficients",
            )
        return self.refinement * max(1, math.ceil(needed))

    @abc.abstractmethod
    def courant(self, state: Tensor) -> Tensor:
        """Fraction of the stability limit that one frame in one substep would use, (batch,)."""

    @abc.abstractmethod
    def advance(self, state: Tensor) -> Tensor:
        """State one frame later, same shape and precision."""

    def exchange(self, state: Tensor) -> Exchange:
        """Fluxes and sources that carry this state one frame ahead."""
        change = self.advance(state) - state
        conserved = torch.tensor([channel.conserved for channel in self.channels])[:, None, None]
        moved = torch.where(conserved, change, torch.zeros_like(change))
        source = None if bool(conserved.all()) else change - moved
        return Exchange(minimal_flux(moved, self.grid), source)

    def apply(self, state: Tensor, exchange: Exchange) -> Tensor:
        """The conservative update: state minus one divergence plus the metered source."""
        update = state - self.grid.divergence(exchange.flux)
        return update if exchange.source is None else update + exchange.source

    def sharper(self) -> Self:
        """The finer member of the embedded pair; by default half the substep."""
        return self.with_refinement(2 * self.refinement)

    def coarser(self) -> Self:
        """The cheaper member of the embedded pair."""
        return self

    def estimate(self, state: Tensor) -> Estimate:
        """A frame of the finer pair member with the difference to the coarser one."""
        fine = self.sharper().advance(state)
        return self.estimated(state, fine, fine - self.coarser().advance(state))

    @staticmethod
    def estimated(state: Tensor, fine: Tensor, difference: Tensor) -> Estimate:
        """The estimate of a frame from `state` to `fine` that differs so from the coarser member."""
        spread = (fine - fine.mean(dim=AXES, keepdim=True)).double().flatten(1).norm(dim=1)
        # A flat field has no scale of its own: the step's size then sets it.
        scale = spread + (fine - state).double().flatten(1).norm(dim=1)
        relative = difference.double().flatten(1).norm(dim=1) / scale.clamp_min(1e-300)
        return Estimate(fine, difference, relative)

    def reconcile(self, before: Tensor, after: Tensor) -> Tensor:
        """Restores nonlinear invariants and the decay of a frame whose flux was corrected."""
        del before
        return after

    @abc.abstractmethod
    def density(self, state: Tensor) -> Tensor:
        """Density of the conserved energy-like quantity, (batch, cells, cells), float64."""

    def invariants(self, state: Tensor) -> dict[str, Tensor]:
        """Quantities that the frame must keep, (batch,) each, float64."""
        return {"total": self.grid.integral(self.density(state))}

    def entropy(self, state: Tensor) -> Tensor | None:
        """Functional that no frame may lower, (batch,) float64; None for an open system."""
        del state
        return None

    def entropy_slack(self, state: Tensor) -> Tensor:
        """How much rounding alone may lower the entropy in one frame, (batch,), float64."""
        entropy = self.entropy(state)
        scale = torch.zeros(state.shape[0], dtype=torch.float64) if entropy is None else entropy.abs()
        return 8 * torch.finfo(state.dtype).eps * (scale + self.grid.length**2)


class FluxSolver(Solver):
    """A solver whose own product is the face flux."""

    @abc.abstractmethod
    def exchange(self, state: Tensor) -> Exchange:
        """Fluxes and sources that carry this state one frame ahead."""

    def advance(self, state: Tensor) -> Tensor:
        """State one frame later, by one divergence of the accumulated flux."""
        return self.apply(state, self.exchange(state))
