"""The stationary linear process that clean telemetry is compared with: its stability and its covariance."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_discrete_lyapunov, solve_triangular

from industriverse.physics._arrays import cholesky_factor, covariance_matrix, square_matrix
from industriverse.physics.errors import InstabilityError

__all__ = ["simulate_var1", "spectral_radius", "stationary_covariance", "whitened_transition"]


def spectral_radius(A: ArrayLike) -> float:
    """Largest absolute eigenvalue of a transition matrix; the process is stable if it is below 1.

    Raises:
        ShapeError: If ``A`` is not square.
        SampleError: If it is not finite.
    """
    return float(np.abs(np.linalg.eigvals(square_matrix("A", A))).max())


def stationary_covariance(A: ArrayLike, noise_covariance: ArrayLike) -> NDArray[np.float64]:
    r"""Stationary covariance of ``x' = A x + w``, ``w ~ N(0, Q)``.

    .. math:: S = A S A^\top + Q

    the discrete Lyapunov equation (Luetkepohl, New Introduction to Multiple Time Series Analysis, 2005,
    section 2.1.4).

    Args:
        A: Transition matrix, shape (d, d), all eigenvalues inside the unit circle.
        noise_covariance: Q, shape (d, d), positive definite.

    Returns:
        S, shape (d, d), symmetric.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If Q is not symmetric or has a variance that is not positive.
        InstabilityError: If the process has no stationary state.
    """
    transition = square_matrix("A", A)
    noise = covariance_matrix("noise_covariance", noise_covariance, size=len(transition))
    radius = spectral_radius(transition)
    if radius >= 1:
        raise InstabilityError(
            f"the largest eigenvalue of A has modulus {radius:.4g}",
            hint="difference the data or shrink A below 1",
        )
    covariance: NDArray[np.float64] = solve_discrete_lyapunov(transition, noise)
    return (covariance + covariance.T) / 2


def whitened_transition(A: ArrayLike, noise_covariance: ArrayLike) -> NDArray[np.float64]:
    """Transition matrix in coordinates whose stationary covariance is the identity.

    ``M = L^-1 A L`` with ``S = L L^T``. The process is time-reversible if and only if M is symmetric, and
    all singular values of M are below 1 because ``I - M M^T`` is the whitened noise covariance.

    Args:
        A: Shape (d, d), stable.
        noise_covariance: Shape (d, d), positive definite.

    Returns:
        M, shape (d, d).

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If the noise covariance is not positive definite.
        InstabilityError: If the process has no stationary state.
    """
    covariance = stationary_covariance(A, noise_covariance)
    cholesky_factor("noise_covariance", covariance_matrix("noise_covariance", noise_covariance))
    factor = cholesky_factor("the stationary covariance", covariance)
    image = square_matrix("A", A) @ factor
    whitened: NDArray[np.float64] = solve_triangular(factor, image, lower=True, check_finite=False)
    return whitened


def simulate_var1(
    A: ArrayLike, noise_covariance: ArrayLike, steps: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a stationary path of ``x' = A x + w``: the first state comes from the stationary distribution.

    Args:
        A: Shape (d, d), stable.
        noise_covariance: Shape (d, d), positive definite.
        steps: Number of states.
        rng: Source of randomness.

    Returns:
        States in time order, shape (steps, d).

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If the noise covariance is not positive definite.
        InstabilityError: If the process has no stationary state.
    """
    transition = square_matrix("A", A)
    start = cholesky_factor("the stationary covariance", stationary_covariance(transition, noise_covariance))
    noise = cholesky_factor("noise_covariance", covariance_matrix("noise_covariance", noise_covariance))
    path = rng.standard_normal((steps, len(transition)))
    shocks = path @ noise.T
    state = start @ path[0]
    for step in range(steps):
        if step:
            state = transition @ state + shocks[step]
        path[step] = state
    return path
