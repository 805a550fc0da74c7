"""What the other channels say of a missing one: two estimators over standardised samples.

*Conditional Gaussian*: the mean of the missing entries given the present ones under a Gaussian of three
consecutive samples, covariance shrunk towards its diagonal. *Graph diffusion*: a Gaussian process on the graph
of signed correlations whose kernel is the heat kernel ``exp(-tau L)`` (Kondor & Lafferty, ICML 2002); it has one
parameter, so it holds where clean rows are few.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConditionalGaussian", "GraphDiffusion", "Nothing", "Regressor"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Regressor(Protocol):
    """An estimator of missing entries of standardised samples."""

    @property
    def name(self) -> str:
        """What it is, for people."""
        ...

    def predict(self, values: Array, missing: Mask) -> Array:
        """Samples (n, d) with every missing entry replaced; those present are returned as they are."""
        ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """The mean: all the rest is left to the bridge over time."""

    name: str = "bridge over time"

    def predict(self, values: Array, missing: Mask) -> Array:
        """Zero, the mean of standardised samples, where a value is missing."""
        return np.where(missing, 0.0, values)


class ConditionalGaussian:
    """Gaussian regression on the same sample and its two neighbours.

    Args:
        clean: Standardised clean samples, shape (n, d), no missing values.
        shrinkage: Weight of the diagonal, 0 to 1.
    """

    def __init__(self, clean: Array, shrinkage: float) -> None:
        self.name = f"conditional Gaussian, shrinkage {shrinkage:g}"
        stacked = np.hstack([clean[:-2], clean[1:-1], clean[2:]])
        covariance = stacked.T @ stacked / len(stacked)
        self._covariance = (1.0 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))
        self._covariance += 1e-6 * np.eye(len(covariance))

    def predict(self, values: Array, missing: Mask) -> Array:
        """Conditional means; at the ends of the window the neighbour outside counts as missing."""
        n, d = values.shape
        padded = np.full((n + 2, d), np.nan)
        padded[1:-1] = np.where(missing, np.nan, values)
        stacked = np.hstack([padded[:-2], padded[1:-1], padded[2:]])
        rows = np.flatnonzero(missing.any(axis=1))
        result = np.where(missing, 0.0, values)
        absent = np.isnan(stacked[rows])
        patterns, which = np.unique(absent, axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            chosen = rows[which.ravel() == index]
            wanted = np.flatnonzero(pattern[d : 2 * d])
            present = np.flatnonzero(~pattern)
            if not len(present):
                continue
            block = self._covariance[np.ix_(present, present)]
            gain = np.linalg.solve(block, self._covariance[np.ix_(present, d + wanted)])
            result[np.ix_(chosen, wanted)] = stacked[np.ix_(chosen, present)] @ gain
        return result


class GraphDiffusion:
    """Heat-kernel regression on the graph of signed correlations.

    Args:
        clean: Standardised clean samples, shape (n, d).
        time: Diffusion time tau, in units of the mean degree.
        noise: Variance of a reading that the graph does not explain.
    """

    def __init__(self, clean: Array, time: float, noise: float = 0.05) -> None:
        from scipy.linalg import expm

        self.name = f"graph diffusion, time {time:g}"
        correlation = clean.T @ clean / len(clean)
        strength = np.where(np.abs(correlation) > 0.1, correlation**2, 0.0)
        np.fill_diagonal(strength, 0.0)
        # On a signed graph heat flows towards the negative of an anticorrelated neighbour (signed Laplacian).
        degree = strength.sum(axis=1)
        laplacian = np.diag(degree) - np.sign(correlation) * strength
        kernel = expm(-time * laplacian / max(float(degree.mean()), 1e-9))
        deviation = np.sqrt(np.diag(kernel))
        self._kernel = kernel / np.outer(deviation, deviation)
        self._noise = noise

    def predict(self, values: Array, missing: Mask) -> Array:
        """Posterior means of the missing entries given those present in the same sample."""
        result = np.where(missing, 0.0, values)
        rows = np.flatnonzero(missing.any(axis=1))
        patterns, which = np.unique(missing[rows], axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            chosen = rows[which.ravel() == index]
            present, wanted = np.flatnonzero(~pattern), np.flatnonzero(pattern)
            if not len(present):
                continue
            block = self._kernel[np.ix_(present, present)] + self._noise * np.eye(len(present))
            gain = np.linalg.solve(block, self._kernel[np.ix_(present, wanted)])
            result[np.ix_(chosen, wanted)] = values[np.ix_(chosen, present)] @ gain
        return result
