"""Random covariances and stable linear processes on which the laws are tested."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def random_covariance(rng: np.random.Generator, channels: int) -> Matrix:
    """A well-conditioned random covariance: Wishart plus a floor."""
    factor = rng.normal(size=(channels, channels))
    return factor @ factor.T / channels + 0.3 * np.eye(channels)


def random_stable_process(
    rng: np.random.Generator, channels: int, radius: float = 0.8
) -> tuple[Matrix, Matrix]:
    """Transition matrix of the given spectral radius and a noise covariance."""
    A = rng.normal(size=(channels, channels))
    return A * radius / np.abs(np.linalg.eigvals(A)).max(), random_covariance(rng, channels)


def reversible_process(rng: np.random.Generator, channels: int) -> tuple[Matrix, Matrix]:
    """A process in detailed balance: ``A S`` symmetric, with ``Q = S - A S A^T`` to match."""
    S = random_covariance(rng, channels)
    root = np.linalg.cholesky(S)
    orthogonal, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    symmetric = (orthogonal * rng.uniform(-0.9, 0.9, channels)) @ orthogonal.T
    A = root @ symmetric @ np.linalg.inv(root)
    Q = S - A @ S @ A.T
    return A, (Q + Q.T) / 2


def random_map(rng: np.random.Generator, channels: int) -> Matrix:
    """An invertible map that mixes all channels and scales them between 0.3 and 3."""
    left, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    right, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    mapping: Matrix = (left * rng.uniform(0.3, 3, channels)) @ right
    return mapping
