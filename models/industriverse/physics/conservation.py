"""Conservation where a balance really exists: residuals of linear balances and data reconciliation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve
from scipy.stats import chi2

from industriverse.physics._arrays import cholesky_factor, covariance_matrix, finite_array
from industriverse.physics.errors import ShapeError

__all__ = ["Reconciliation", "balance_residual", "reconcile"]


@dataclass(frozen=True, slots=True, eq=False)
class Reconciliation:
    """Measurements adjusted so that declared balances close, and the evidence that they did not.

    Attributes:
        values: Reconciled values, shape (n, d), units of the channels; ``balances @ value`` is zero.
        adjustments: ``values - measured``, shape (n, d).
        standardised: Adjustments over their standard deviation, shape (n, d), about N(0, 1) when only
            noise is adjusted; the largest points at the suspect sensor. NaN for a channel in no balance.
        statistic: Global test, shape (n,), chi-squared with ``degrees_of_freedom`` when balances hold.
        p_value: Probability of a statistic at least this large from sensor noise alone, shape (n,).
        degrees_of_freedom: Number of independent balances.
    """

    values: NDArray[np.float64]
    adjustments: NDArray[np.float64]
    standardised: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]
    degrees_of_freedom: int


def balance_residual(values: ArrayLike, balances: ArrayLike) -> NDArray[np.float64]:
    """Residual ``A x`` of each declared balance: what appears (+) or vanishes (-) unaccounted for.

    Args:
        values: Measurements, shape (d,) or (n, d); NaN gives NaN in the balances that use the channel.
        balances: A, shape (m, d): one row a balance, +1 for what enters, -1 for what leaves, in one unit.

    Returns:
        Residuals, shape (m,) or (n, m), in the unit of the balance.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If the balances are not finite.
    """
    matrix = finite_array("balances", balances, dimensions=(2,))
    samples = _measurements(values, matrix)
    # A missing value may only spoil the balances in which its channel takes part.
    missing = np.isnan(samples).astype(np.float64) @ (matrix != 0).astype(np.float64).T > 0
    residual: NDArray[np.float64] = np.nan_to_num(samples, posinf=np.inf, neginf=-np.inf) @ matrix.T
    return np.where(missing, np.nan, residual)


def reconcile(values: ArrayLike, balances: ArrayLike, covariance: ArrayLike) -> Reconciliation:
    r"""Least-squares data reconciliation on linear balances.

    .. math:: \hat x = x - V A^\top (A V A^\top)^{-1} A x

    minimises ``(x - y)^T V^-1 (x - y)`` over all y with ``A y = 0`` (Kuehn & Davidson, Chem. Eng. Prog.
    57:44, 1961; global and measurement tests: Narasimhan & Jordache, Data Reconciliation and Gross Error
    Detection, 2000, chapters 3 and 7).

    Args:
        values: Measurements, shape (d,) or (n, d). A sample with a missing value comes back as NaN.
        balances: A, shape (m, d), independent rows, no row of zeros.
        covariance: V, covariance of the measurement errors, shape (d, d), positive definite.

    Returns:
        Reconciled values, adjustments and tests; always with a leading axis of samples.

    Raises:
        ShapeError: If shapes disagree or the balances are not independent.
        SampleError: If balances or covariance are not finite.
        CovarianceError: If the covariance is not positive definite.
    """
    matrix = finite_array("balances", balances, dimensions=(2,))
    samples = np.atleast_2d(_measurements(values, matrix))
    noise = covariance_matrix("covariance", covariance, size=matrix.shape[1])
    rank = int(np.linalg.matrix_rank(matrix))
    if rank < len(matrix) or rank == 0:
        raise ShapeError(
            f"{len(matrix)} balances of which {rank} are independent",
            hint="remove balances that follow from others",
        )
    cholesky_factor("covariance", noise)
    projected = matrix @ noise
    factor = (cholesky_factor("the covariance of the residuals", projected @ matrix.T), True)
    gain: NDArray[np.float64] = cho_solve(factor, projected)
    residual = samples @ matrix.T
    adjustments = -residual @ gain
    variance = np.einsum("md,md->d", projected, gain)
    touched = variance > 1e-12 * np.diag(noise)
    deviation = np.sqrt(np.where(touched, variance, np.nan))
    statistic = np.einsum("nm,mn->n", residual, cho_solve(factor, residual.T, check_finite=False))
    return Reconciliation(
        values=samples + adjustments,
        adjustments=adjustments,
        standardised=adjustments / deviation,
        statistic=statistic,
        p_value=np.asarray(chi2.sf(statistic, rank), dtype=np.float64),
        degrees_of_freedom=rank,
    )


def _measurements(values: ArrayLike, balances: NDArray[np.float64]) -> NDArray[np.float64]:
    samples = np.asarray(values, dtype=np.float64)
    if samples.ndim not in (1, 2) or samples.shape[-1] != balances.shape[1]:
        raise ShapeError(
            f"values have shape {samples.shape} and balances {balances.shape}",
            hint="give one column of the balances a channel",
        )
    return samples
