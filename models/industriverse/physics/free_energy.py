"""Free-energy excess of a window over equilibrium and its exact split into work, heat and structure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, solve_triangular

from industriverse.physics._arrays import (
    cholesky_factor,
    covariance_matrix,
    finite_array,
    inverse_square_root,
)
from industriverse.physics.errors import CovarianceError, ShapeError

__all__ = ["FreeEnergyExcess", "gaussian_free_energy_excess", "gaussian_kl_divergence"]


@dataclass(frozen=True, slots=True, eq=False)
class FreeEnergyExcess:
    """The excess ``F - F_eq`` of a window, channel by channel, in kT; no entry is negative.

    Attributes:
        work_by_channel: ``m_j^2 / 2``, shape (d,): a shifted mean (bias, drift).
        heat_by_channel: ``(v_j - 1 - log v_j) / 2``, shape (d,): a changed variance (hot or cold).
        structure_by_channel: ``-(log R)_jj / 2``, shape (d,): changed correlations, R the correlation matrix.
    """

    work_by_channel: NDArray[np.float64]
    heat_by_channel: NDArray[np.float64]
    structure_by_channel: NDArray[np.float64]

    @property
    def work(self) -> float:
        """Part due to shifted means, kT."""
        return float(self.work_by_channel.sum())

    @property
    def heat(self) -> float:
        """Part due to changed variances, kT."""
        return float(self.heat_by_channel.sum())

    @property
    def structure(self) -> float:
        """Part due to changed correlations, kT: the total correlation ``-log det(R) / 2``."""
        return float(self.structure_by_channel.sum())

    @property
    def total(self) -> float:
        """``work + heat + structure``, kT."""
        return self.work + self.heat + self.structure

    @property
    def by_channel(self) -> NDArray[np.float64]:
        """Share of each channel, shape (d,), kT; adds up to :attr:`total`."""
        return self.work_by_channel + self.heat_by_channel + self.structure_by_channel


def gaussian_free_energy_excess(
    mean: ArrayLike,
    covariance: ArrayLike,
    *,
    reference_mean: ArrayLike | None = None,
    reference_covariance: ArrayLike | None = None,
) -> FreeEnergyExcess:
    r"""Free-energy excess of a Gaussian window over a Gaussian equilibrium, at kT = 1.

    .. math:: F - F_{eq} = D_{KL}(N(m, S) \| N(0, I))
        = \tfrac12 m^\top m + \tfrac12\sum_j (v_j - 1 - \log v_j) - \tfrac12 \log\det R

    with ``v`` the diagonal and ``R`` the correlation matrix of ``S``. Free energy as relative entropy to
    equilibrium: Seifert, Rep. Prog. Phys. 75:126001 (2012). Structure belongs to no single channel; here
    channel j gets ``-(log R)_jj / 2`` with the matrix logarithm. That sums exactly since
    ``tr log R = log det R``, does not depend on the order of the channels, is zero for a channel that is
    uncorrelated with all others, and is never negative because the logarithm is concave and ``R_jj = 1``.

    Args:
        mean: Window mean, shape (d,).
        covariance: Window covariance, shape (d, d), positive definite: use more samples than channels.
        reference_mean: Equilibrium mean, shape (d,); zero where left out.
        reference_covariance: Equilibrium covariance, shape (d, d); identity where left out. The window is
            whitened by its symmetric inverse root, which keeps every whitened axis next to its channel.

    Returns:
        The excess by channel and part.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If a covariance is not positive definite (the excess would be infinite).
    """
    centre = finite_array("mean", mean, dimensions=(1,))
    matrix = covariance_matrix("covariance", covariance, size=len(centre))
    if reference_mean is not None:
        centre = centre - _same_length("reference_mean", reference_mean, len(centre))
    if reference_covariance is not None:
        reference = covariance_matrix("reference_covariance", reference_covariance, size=len(centre))
        whitener = inverse_square_root("reference_covariance", reference)
        centre = whitener @ centre
        matrix = whitener @ matrix @ whitener
    variances = np.diag(matrix).copy()
    return FreeEnergyExcess(
        work_by_channel=0.5 * centre**2,
        heat_by_channel=0.5 * (variances - 1 - np.log(variances)),
        structure_by_channel=_structure_by_channel(matrix, variances),
    )


def gaussian_kl_divergence(
    mean: ArrayLike, covariance: ArrayLike, reference_mean: ArrayLike, reference_covariance: ArrayLike
) -> float:
    r"""Kullback-Leibler divergence of one Gaussian from another.

    .. math:: D_{KL}(N(m,S)\|N(\mu,C)) = \tfrac12[\operatorname{tr}(C^{-1}S)
        + (m-\mu)^\top C^{-1}(m-\mu) - d + \log\det C - \log\det S]

    (Kullback & Leibler, Ann. Math. Stat. 22:79, 1951.) Equal to the free-energy excess in kT, and
    unchanged by any invertible affine map of the channels.

    Args:
        mean: Shape (d,).
        covariance: Shape (d, d), positive definite.
        reference_mean: Shape (d,).
        reference_covariance: Shape (d, d), positive definite.

    Returns:
        The divergence in nats, never negative beyond rounding.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If a covariance is not positive definite.
    """
    centre = finite_array("mean", mean, dimensions=(1,))
    size = len(centre)
    shift = centre - _same_length("reference_mean", reference_mean, size)
    window = cholesky_factor("covariance", covariance_matrix("covariance", covariance, size=size))
    reference = cholesky_factor(
        "reference_covariance", covariance_matrix("reference_covariance", reference_covariance, size=size)
    )
    ratio = solve_triangular(reference, window, lower=True, check_finite=False)
    scaled = solve_triangular(reference, shift, lower=True, check_finite=False)
    log_determinants = 2 * float(np.log(np.diag(ratio)).sum())
    return 0.5 * (float((ratio**2).sum()) + float(scaled @ scaled) - size - log_determinants)


def _same_length(name: str, value: ArrayLike, length: int) -> NDArray[np.float64]:
    vector = finite_array(name, value, dimensions=(1,))
    if len(vector) != length:
        raise ShapeError(f"{name} has {len(vector)} values", hint=f"give {length}, one a channel")
    return vector


def _structure_by_channel(
    covariance: NDArray[np.float64], variances: NDArray[np.float64]
) -> NDArray[np.float64]:
    scale = 1 / np.sqrt(variances)
    eigenvalues, vectors = eigh(covariance * np.outer(scale, scale), check_finite=False)
    if eigenvalues[0] <= 0:
        raise CovarianceError(
            "covariance is not positive definite", hint="use more samples than channels or add a ridge"
        )
    structure: NDArray[np.float64] = -0.5 * (vectors**2 @ np.log(eigenvalues))
    return structure
