"""Compiled parts of the detection core: level, windowed structure, entropy and entropy production."""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.physics.compiled import compiled

__all__ = ["flow_moments", "level_residuals", "structure_energy"]


@compiled
def level_residuals(
    scaled: NDArray[np.float64], rates: NDArray[np.float64], slew: float, level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scaled values minus the slew-limited quasi-static level, which is updated in place.

    A missing value has residual 0 and leaves the level as it is.
    """
    residuals = np.zeros(scaled.shape)
    for t in range(scaled.shape[0]):
        for j in range(scaled.shape[1]):
            value = scaled[t, j]
            if value == value:
                residual = value - level[j]
                residuals[t, j] = residual
                level[j] += min(max(residual, -slew), slew) * rates[j]
    return residuals


@compiled
def _cholesky_log_determinant(matrix: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """Log det of a positive definite matrix; ``lower`` receives its Cholesky factor."""
    n = matrix.shape[0]
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j]
            for q in range(j):
                value -= lower[i, q] * lower[j, q]
            if i == j:
                value = max(value, 1e-12)
                total += np.log(value)
                lower[i, i] = np.sqrt(value)
            else:
                lower[i, j] = value / lower[j, j]
    return total


@compiled
def structure_energy(
    window: NDArray[np.float64],
    modes: NDArray[np.float64],
    rate: float,
    correlation: NDArray[np.float64],
    lower: NDArray[np.float64],
) -> float:
    """-1/2 log det of the windowed correlation of the leading whitened innovation modes, kT.

    ``window`` holds the running mean in its row 0 and the running second moment below it.
    """
    k = window.shape[1]
    for i in range(k):
        window[0, i] += rate * (modes[i] - window[0, i])
        for j in range(i + 1):
            window[1 + i, j] += rate * (modes[i] * modes[j] - window[1 + i, j])
    for i in range(k):
        correlation[i, i] = max(window[1 + i, i] - window[0, i] * window[0, i], layout.MINIMUM_VARIANCE)
    for i in range(k):
        for j in range(i):
            covariance = window[1 + i, j] - window[0, i] * window[0, j]
            # The small shrinkage keeps the determinant away from zero when modes move as one.
            correlation[i, j] = 0.999 * covariance / np.sqrt(correlation[i, i] * correlation[j, j])
    for i in range(k):
        correlation[i, i] = 1.0
    return max(-0.5 * _cholesky_log_determinant(correlation, lower), 0.0)


@compiled
def flow_moments(
    flow: NDArray[np.float64],
    position: NDArray[np.float64],
    rate: float,
    matrix: NDArray[np.float64],
    lower: NDArray[np.float64],
    column: NDArray[np.float64],
    reading: NDArray[np.float64],
) -> None:
    """Windowed entropy and entropy production of the leading equilibrium modes.

    ``flow`` holds the previous modes in row 0, the running mean in row 1 and the running second moment G of
    (previous, present) below. With P the exchange of the two halves, the production per step is
    KL(N(0, G) || N(0, P G P)) = 1/2 tr((P G P)^-1 G) - k: zero exactly when the antisymmetric part of the
    lag-1 covariance (and the drift of the variance) vanishes, never negative.
    """
    k = flow.shape[1] // 2
    for i in range(k):
        flow[0, k + i] = position[i]
        flow[1, i] += rate * (position[i] - flow[1, i])
    for i in range(2 * k):
        for j in range(2 * k):
            flow[2 + i, j] += rate * (flow[0, i] * flow[0, j] - flow[2 + i, j])
    for i in range(k):
        for j in range(k):
            matrix[i, j] = flow[2 + k + i, k + j] - flow[1, i] * flow[1, j]
        matrix[i, i] += layout.MINIMUM_VARIANCE
    reading[6] = 0.5 * _cholesky_log_determinant(matrix[:k, :k], lower)
    for i in range(2 * k):
        for j in range(2 * k):
            matrix[i, j] = flow[2 + (i + k) % (2 * k), (j + k) % (2 * k)]
        matrix[i, i] += layout.MINIMUM_VARIANCE
    _cholesky_log_determinant(matrix, lower)
    trace = 0.0
    for c in range(2 * k):
        for i in range(2 * k):
            column[i] = flow[2 + i, c] + (layout.MINIMUM_VARIANCE if i == c else 0.0)
        for i in range(2 * k):
            for q in range(i):
                column[i] -= lower[i, q] * column[q]
            column[i] /= lower[i, i]
        for i in range(2 * k - 1, c - 1, -1):
            for q in range(i + 1, 2 * k):
                column[i] -= lower[q, i] * column[q]
            column[i] /= lower[i, i]
        trace += column[c]
    reading[11] = max(0.5 * trace - k, 0.0)
    for i in range(k):
        flow[0, i] = position[i]
