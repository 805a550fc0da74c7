"""Clean tails: empirical below a high quantile, generalised Pareto above.

The Pareto parameters are the moment estimates of Hosking & Wallis (1987), shape limited to [0, 0.45] so that
a tail neither ends nor loses its variance.
"""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout

__all__ = ["fit_tail", "fit_tails", "fusion_weights"]

Array = NDArray[np.float64]

TAIL_SHARE = 0.05
MINIMUM_EXCESSES = 8
MAXIMUM_SHAPE = 0.45


def fit_tail(scores: Array) -> Array:
    """Tail row of clean scores: exceedance probability, scale, shape, ascending knots; shape (3 + KNOTS,)."""
    share = min(max(TAIL_SHARE, MINIMUM_EXCESSES / len(scores)), 0.5)
    knots = np.quantile(scores, np.linspace(0.0, 1.0 - share, layout.KNOTS))
    excess = scores[scores > knots[-1]] - knots[-1]
    sigma, shape = 1e-12, 0.0
    if len(excess) > 1:
        mean, variance = float(excess.mean()), float(excess.var()) + 1e-300
        shape = float(np.clip(0.5 * (1.0 - mean * mean / variance), 0.0, MAXIMUM_SHAPE))
        sigma = max(mean * (1.0 - shape), 1e-12)
    return np.concatenate([[share, sigma, shape], knots])


def fit_tails(components: Array) -> Array:
    """Tail rows of each column of clean components (n, c), shape (c, 3 + KNOTS)."""
    return np.vstack([fit_tail(column) for column in components.T])


def fusion_weights(components: Array, scale_count: int) -> Array:
    """Equal weight for each family, split evenly inside it; components that never vary get none."""
    families = layout.component_families(scale_count)
    moving = np.ptp(components, axis=0) > 1e-12
    weights = np.zeros(len(families))
    for family in layout.COMPONENT_FAMILIES:
        members = [i for i, name in enumerate(families) if name == family and moving[i]]
        weights[members] = 1.0 / max(len(members), 1)
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(families), 1.0 / len(families))
