"""Checks shared by the functionals: every array enters as finite float64 of a stated shape."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cholesky, eigh

from industriverse.physics.errors import CovarianceError, SampleError, ShapeError

__all__ = ["cholesky_factor", "covariance_matrix", "finite_array", "inverse_square_root", "square_matrix"]

# Largest relative asymmetry still taken for rounding: float32 input carries about 1e-7 a rounding.
_SYMMETRY_TOLERANCE = 1e-5


def finite_array(name: str, value: ArrayLike, *, dimensions: tuple[int, ...]) -> NDArray[np.float64]:
    """Return ``value`` as float64 after checking its number of dimensions and that it is finite.

    Raises:
        ShapeError: If the number of dimensions is none of ``dimensions``.
        SampleError: If a value is NaN or infinite.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.ndim not in dimensions:
        wanted = " or ".join(str(count) for count in dimensions)
        raise ShapeError(
            f"{name} has shape {array.shape}",
            hint=f"give an array of {wanted} dimension(s), one row a sample",
        )
    if not np.isfinite(array).all():
        raise SampleError(f"{name} contains NaN or infinite values", hint="drop or fill those samples first")
    return array


def square_matrix(name: str, value: ArrayLike, *, size: int | None = None) -> NDArray[np.float64]:
    """Return a finite square matrix, of side ``size`` where given.

    Raises:
        ShapeError: If it is not square or has another side.
        SampleError: If a value is NaN or infinite.
    """
    matrix = finite_array(name, value, dimensions=(2,))
    side = matrix.shape[0] if size is None else size
    if matrix.shape != (side, side) or side == 0:
        raise ShapeError(f"{name} has shape {matrix.shape}", hint=f"give a square matrix of side {side or 1}")
    return matrix


def covariance_matrix(name: str, value: ArrayLike, *, size: int | None = None) -> NDArray[np.float64]:
    """Return a finite symmetric matrix with a positive diagonal.

    Raises:
        ShapeError: If it is not square or has another side.
        SampleError: If a value is NaN or infinite.
        CovarianceError: If it is not symmetric or a variance is not positive.
    """
    matrix = square_matrix(name, value, size=size)
    if np.abs(matrix - matrix.T).max() > _SYMMETRY_TOLERANCE * np.abs(matrix).max():
        raise CovarianceError(f"{name} is not symmetric", hint="pass a covariance matrix")
    variances = np.diag(matrix)
    if variances.min() <= 0:
        channel = int(np.argmin(variances))
        raise CovarianceError(
            f"{name} has variance {variances[channel]:.3g} at index {channel}",
            hint="leave constant channels out or add a ridge",
        )
    symmetric: NDArray[np.float64] = (matrix + matrix.T) / 2
    return symmetric


def cholesky_factor(name: str, covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower factor L of ``covariance = L L^T``.

    Raises:
        CovarianceError: If the matrix is not positive definite.
    """
    try:
        factor: NDArray[np.float64] = cholesky(covariance, lower=True, check_finite=False)
    except LinAlgError:
        raise _not_positive_definite(name) from None
    return factor


def inverse_square_root(name: str, covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric ``covariance^(-1/2)``, which keeps each output next to its own channel.

    Raises:
        CovarianceError: If the matrix is not positive definite.
    """
    eigenvalues, vectors = eigh(covariance, check_finite=False)
    if eigenvalues[0] <= 0:
        raise _not_positive_definite(name)
    root: NDArray[np.float64] = (vectors / np.sqrt(eigenvalues)) @ vectors.T
    return root


def _not_positive_definite(name: str) -> CovarianceError:
    return CovarianceError(
        f"{name} is not positive definite",
        hint="use more samples than channels or add a ridge to its diagonal",
    )
