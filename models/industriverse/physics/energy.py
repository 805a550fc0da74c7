"""Energy of a state and of an innovation: minus the log-density of the clean model, in units of kT."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, solve_triangular

from industriverse.physics._arrays import cholesky_factor, covariance_matrix, finite_array
from industriverse.physics.errors import CovarianceError, ShapeError

__all__ = ["gaussian_energy", "innovation_energy", "innovations", "principal_energy_split"]


def gaussian_energy(x: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64]:
    r"""Energy of states under a Gaussian equilibrium.

    .. math:: U(x) = \tfrac12 (x-\mu)^\top C^{-1} (x-\mu)

    This is ``-log pi(x)`` without its constant (the Boltzmann relation at kT = 1). On samples of the
    equilibrium itself its mean is d/2: equipartition, half a kT for each channel.

    Args:
        x: One state, shape (d,), or several, shape (n, d).
        mean: Equilibrium mean, shape (d,).
        covariance: Equilibrium covariance, shape (d, d), positive definite.

    Returns:
        Energies in kT, shape ``x.shape[:-1]``.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If the covariance is not positive definite.
    """
    centre = finite_array("mean", mean, dimensions=(1,))
    matrix = covariance_matrix("covariance", covariance, size=len(centre))
    deviation = _states(x, len(centre)) - centre
    return _half_squared_norm(deviation, cholesky_factor("covariance", matrix))


def principal_energy_split(
    x: ArrayLike, mean: ArrayLike, covariance: ArrayLike, *, rank: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split the Gaussian energy into its principal and its residual part.

    The parts are half of Hotelling's T-squared on the ``rank`` leading principal components and half of the
    variance-scaled residual statistic on the others, so they add up to :func:`gaussian_energy`
    (Jackson & Mudholkar, Technometrics 21:341, 1979, for the two statistics).

    Args:
        x: One state, shape (d,), or several, shape (n, d).
        mean: Equilibrium mean, shape (d,).
        covariance: Equilibrium covariance, shape (d, d), positive definite.
        rank: Number of principal components, 0 to d.

    Returns:
        The principal and the residual energies in kT, each of shape ``x.shape[:-1]``.

    Raises:
        ShapeError: If shapes disagree or the rank is outside 0 to d.
        SampleError: If an input is not finite.
        CovarianceError: If the covariance is not positive definite.
    """
    centre = finite_array("mean", mean, dimensions=(1,))
    matrix = covariance_matrix("covariance", covariance, size=len(centre))
    if not 0 <= rank <= len(centre):
        raise ShapeError(f"rank is {rank}", hint=f"choose a rank between 0 and {len(centre)}")
    eigenvalues, vectors = eigh(matrix, check_finite=False)
    if eigenvalues[0] <= 0:
        raise CovarianceError("covariance is not positive definite", hint="add a ridge to its diagonal")
    coordinates = (_states(x, len(centre)) - centre) @ vectors
    terms = coordinates**2 / (2 * eigenvalues)
    residual_count = len(centre) - rank
    return terms[..., residual_count:].sum(axis=-1), terms[..., :residual_count].sum(axis=-1)


def innovations(
    values: ArrayLike, coefficients: ArrayLike, *, intercept: ArrayLike | None = None
) -> NDArray[np.float64]:
    r"""One-step innovations of a vector autoregression.

    .. math:: e_t = x_t - c - \sum_{k=1}^{p} A_k x_{t-k}

    Args:
        values: Samples in time order, shape (n, d), n > p.
        coefficients: ``A_1 … A_p``, shape (p, d, d), or a single matrix of shape (d, d).
        intercept: The constant c, shape (d,); zero where left out.

    Returns:
        Innovations of samples p to n - 1, shape (n - p, d), in the units of the channels.

    Raises:
        ShapeError: If shapes disagree or there are not more samples than lags.
        SampleError: If an input is not finite.
    """
    samples = finite_array("values", values, dimensions=(2,))
    lags = finite_array("coefficients", coefficients, dimensions=(2, 3))
    lags = lags[np.newaxis] if lags.ndim == 2 else lags
    order, channels = len(lags), samples.shape[1]
    if lags.shape != (order, channels, channels):
        raise ShapeError(
            f"coefficients have shape {lags.shape}", hint=f"give (p, {channels}, {channels}) for these values"
        )
    if len(samples) <= order:
        raise ShapeError(f"{len(samples)} samples for {order} lags", hint="give more samples than lags")
    errors = samples[order:].copy()
    for lag, matrix in enumerate(lags, start=1):
        errors -= samples[order - lag : len(samples) - lag] @ matrix.T
    if intercept is not None:
        constant = finite_array("intercept", intercept, dimensions=(1,))
        if len(constant) != channels:
            raise ShapeError(f"intercept has {len(constant)} values", hint=f"give {channels}")
        errors -= constant
    return errors


def innovation_energy(
    values: ArrayLike,
    coefficients: ArrayLike,
    noise_covariance: ArrayLike,
    *,
    intercept: ArrayLike | None = None,
) -> NDArray[np.float64]:
    r"""Energy of each one-step innovation of a vector autoregression.

    .. math:: U_t = \tfrac12 e_t^\top \Sigma^{-1} e_t

    Up to a constant this is minus the log-likelihood of the step; its mean on clean data is d/2.

    Args:
        values: Samples in time order, shape (n, d), n > p.
        coefficients: Shape (p, d, d), or (d, d) for one lag.
        noise_covariance: Covariance of the innovations, shape (d, d), positive definite.
        intercept: Constant of the model, shape (d,); zero where left out.

    Returns:
        Energies in kT of samples p to n - 1, shape (n - p,).

    Raises:
        ShapeError: If shapes disagree or there are not more samples than lags.
        SampleError: If an input is not finite.
        CovarianceError: If the noise covariance is not positive definite.
    """
    errors = innovations(values, coefficients, intercept=intercept)
    noise = covariance_matrix("noise_covariance", noise_covariance, size=errors.shape[1])
    return _half_squared_norm(errors, cholesky_factor("noise_covariance", noise))


def _states(x: ArrayLike, channels: int) -> NDArray[np.float64]:
    states = finite_array("x", x, dimensions=(1, 2))
    if states.shape[-1] != channels:
        raise ShapeError(f"x has shape {states.shape}", hint=f"its last axis must hold {channels} channels")
    return states


def _half_squared_norm(deviation: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.atleast_2d(deviation)
    whitened = solve_triangular(factor, rows.T, lower=True, check_finite=False)
    energies: NDArray[np.float64] = 0.5 * np.einsum("ij,ij->j", whitened, whitened)
    return energies.reshape(deviation.shape[:-1])
