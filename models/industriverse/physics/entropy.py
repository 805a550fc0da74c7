"""Information entropy of vectors and of counts, in nats. Never to be added to a thermodynamic entropy."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.physics._arrays import cholesky_factor, covariance_matrix, finite_array
from industriverse.physics.errors import SampleError

__all__ = ["gaussian_entropy", "shannon_entropy", "shannon_entropy_miller_madow"]


def gaussian_entropy(covariance: ArrayLike) -> float:
    r"""Differential entropy of a Gaussian.

    .. math:: S = \tfrac12 \log\det(2\pi e\, C)

    (Cover & Thomas, Elements of Information Theory, 2nd ed., theorem 8.4.1.) It changes by ``log|det B|``
    under ``x -> B x``, so only differences between windows of the same channels carry meaning.

    Args:
        covariance: Shape (d, d), positive definite.

    Returns:
        Entropy in nats; may be negative.

    Raises:
        ShapeError: If the matrix is not square.
        SampleError: If it is not finite.
        CovarianceError: If it is not positive definite.
    """
    matrix = covariance_matrix("covariance", covariance)
    diagonal = np.diag(cholesky_factor("covariance", matrix))
    return float(np.log(diagonal).sum() + 0.5 * len(matrix) * math.log(2 * math.pi * math.e))


def shannon_entropy(counts: ArrayLike) -> float:
    """Plug-in entropy of the observed frequencies, ``-sum p log p``.

    Biased low by about (K - 1) / 2N for K occupied cells and N observations.

    Args:
        counts: Non-negative counts of any shape, at least one above zero.

    Returns:
        Entropy in nats, 0 to log K.

    Raises:
        SampleError: If a count is negative or not finite, or all are zero.
    """
    occupied = _occupied(counts)
    frequencies = occupied / occupied.sum()
    # A single cell gives -(1 log 1) = -0.0; adding zero makes it the plain zero.
    return float(-(frequencies * np.log(frequencies)).sum()) + 0.0


def shannon_entropy_miller_madow(counts: ArrayLike) -> float:
    r"""Shannon entropy of counts with the Miller-Madow bias correction.

    .. math:: S = -\sum_i \hat p_i \log \hat p_i + \frac{K-1}{2N}

    with K the occupied cells and N the observations (G. A. Miller, "Note on the bias of information
    estimates", in Information Theory in Psychology II-B, 1955, 95-100). It removes the bias of order 1/N
    and may exceed log K on few observations.

    Args:
        counts: Non-negative counts of any shape, at least one above zero.

    Returns:
        Entropy in nats.

    Raises:
        SampleError: If a count is negative or not finite, or all are zero.
    """
    occupied = _occupied(counts)
    return shannon_entropy(occupied) + (len(occupied) - 1) / (2 * float(occupied.sum()))


def _occupied(counts: ArrayLike) -> NDArray[np.float64]:
    cells = finite_array("counts", np.ravel(np.asarray(counts)), dimensions=(1,))
    if cells.size == 0 or cells.min() < 0 or cells.max() == 0:
        raise SampleError(
            "counts must be non-negative with at least one above zero", hint="count some events first"
        )
    return cells[cells > 0]
