"""Robust aggregation of predictions of a conserved field."""

from collections.abc import Callable

import torch
from torch import Tensor

from industriverse.nvp.field_errors import CouncilError, FieldShapeError

__all__ = [
    "AGGREGATORS",
    "conservation_gate",
    "coordinate_median",
    "gated_geometric_median",
    "geometric_median",
    "krum",
    "mean",
    "multi_krum",
    "trimmed_mean",
]


def _flat(predictions: Tensor) -> Tensor:
    if predictions.ndim < 2 or predictions.shape[0] < 1:
        raise FieldShapeError(
            f"predictions have the shape {tuple(predictions.shape)}", hint="give (members, ...)"
        )
    return predictions.double().flatten(1)


def mean(predictions: Tensor) -> Tensor:
    """Mean of the members: conserves, and one liar moves it anywhere."""
    return predictions.double().mean(dim=0)


def coordinate_median(predictions: Tensor) -> Tensor:
    """Median of each cell: robust, but breaks every linear invariant."""
    return predictions.double().median(dim=0).values


def trimmed_mean(predictions: Tensor, faults: int) -> Tensor:
    """Mean of each cell without the `faults` largest and smallest (Yin et al., ICML 2018)."""
    ordered = predictions.double().sort(dim=0).values
    return ordered[faults : len(ordered) - faults].mean(dim=0)


def multi_krum(predictions: Tensor, faults: int, keep: int = 3) -> Tensor:
    """Mean of the `keep` members nearest to their neighbours (Blanchard et al., NeurIPS 2017)."""
    flat = _flat(predictions)
    distances = torch.cdist(flat, flat).square().sort(dim=1).values
    neighbours = max(1, len(flat) - faults - 2)
    order = distances[:, 1 : neighbours + 1].sum(dim=1).argsort()[:keep]
    return predictions.double()[order].mean(dim=0)


def krum(predictions: Tensor, faults: int) -> Tensor:
    """The single member nearest to its neighbours."""
    return multi_krum(predictions, faults, keep=1)


def geometric_median(predictions: Tensor, *, iterations: int = 60, tolerance: float = 1e-10) -> Tensor:
    """The point of least total distance to the members (Weiszfeld 1937).

    A convex combination of the members, so it keeps every linear invariant that they share; breakdown
    point 1/2. Distances are floored (Vardi and Zhang, PNAS 97, 2000) where the point meets a member.

    Args:
        predictions: (members, ...), finite.
        iterations: Largest number of Weiszfeld steps.
        tolerance: Relative movement at which to stop.

    Returns:
        The median in float64, shape of one member.
    """
    flat = _flat(predictions)
    weights = torch.full((len(flat),), 1 / len(flat), dtype=torch.float64)
    point = weights @ flat
    for _ in range(iterations):
        distances = (flat - point).norm(dim=1)
        floor = 1e-12 * distances.max().clamp_min(1e-300)
        weights = 1 / distances.clamp_min(floor)
        weights = weights / weights.sum()
        following = weights @ flat
        moved = float((following - point).norm())
        point = following
        if moved <= tolerance * float(point.norm().clamp_min(1e-300)):
            break
    return point.reshape(predictions.shape[1:])


def conservation_gate(
    predictions: Tensor, expected: float | Tensor, scale: float | Tensor, tolerance: float = 1e-6
) -> Tensor:
    """Members whose sum matches the balance, (members,) bool.

    Args:
        predictions: (members, ...); NaN fails.
        expected: Sum that the balance demands.
        scale: A_E, the sum of |e - mean e| of the present state.
        tolerance: Admissible |sum - expected| / scale.
    """
    totals = _flat(predictions).sum(dim=1)
    within: Tensor = (totals - expected).abs() <= tolerance * scale
    return within & torch.isfinite(totals)


def gated_geometric_median(
    predictions: Tensor, expected: float | Tensor, scale: float | Tensor, tolerance: float = 1e-6
) -> Tensor:
    """Conservation gate, then geometric median of the members that passed.

    Raises:
        CouncilError: No member passed the gate.
    """
    passed = conservation_gate(predictions, expected, scale, tolerance)
    if not bool(passed.any()):
        raise CouncilError("no member keeps the balance", hint="check the members and the metered exchange")
    return geometric_median(predictions[passed])


# Aggregators without a gate, all called as f(predictions, faults).
AGGREGATORS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "mean": lambda predictions, faults: mean(predictions),  # noqa: ARG005
    "coordinate median": lambda predictions, faults: coordinate_median(predictions),  # noqa: ARG005
    "trimmed mean": trimmed_mean,
    "krum": krum,
    "multi-krum 3": multi_krum,
    "geometric median": lambda predictions, faults: geometric_median(predictions),  # noqa: ARG005
}
