"""How a linear process answers an excitation: least-squares fit, and the correlation of a window with it.

Vector autoregression with exogenous input, d channels, e the excitation of one actuator:

    y[t] = sum_i A[i] y[t-i] + sum_k B[k] e[t-k] + w[t],   w white with covariance Q

A is there to whiten, so that little excitation suffices. If it is wrong the residuals are no longer white, which
costs power; that w does not depend on e, which the tests need, holds for any linear process.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDER", "TAPS", "Answer", "Response", "correlate", "fit_response"]

Array = NDArray[np.float64]

ORDER = 2
TAPS = 8
# Share of the rows added to the diagonal of standardised regressors: keeps collinear channels solvable.
_RIDGE = 1e-4
# Share of the mean residual variance added to Q: directions below it carry rounding, not noise.
_COVARIANCE_RIDGE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """The fitted process.

    Attributes:
        scale: Shape (d,), units of the channels per scaled unit.
        autoregression: A, shape (2, d, d), row vector convention, scaled channels.
        taps: B, shape (8, d), scaled channels per unit of the actuator.
        whitening: Shape (d, d); scaled residuals times this have unit covariance.
        deviations: Shape (d,), standard deviation of each scaled residual.
    """

    scale: Array
    autoregression: Array
    taps: Array
    whitening: Array
    deviations: Array


@dataclass(frozen=True, slots=True)
class Answer:
    """Sufficient statistics of a window for the two tests of freshness.

    Attributes:
        correlation: s, residuals with expected response.
        expected: Squared length of the expected response.
        live_spread: Root sum square of the signs' weights in s - gain * expected.
        replay_spread: The same in s.
    """

    correlation: float
    expected: float
    live_spread: float
    replay_spread: float


def _lagged(values: Array) -> Array:
    return np.hstack([values[ORDER - lag : len(values) - lag] for lag in range(1, ORDER + 1)])


def _delayed(excitation: Array, rows: int) -> Array:
    """Excitation 0 to 7 samples earlier, shape (rows, 8); its first entry is 7 before the first row."""
    return np.column_stack([excitation[TAPS - 1 - k : TAPS - 1 - k + rows] for k in range(TAPS)])


def fit_response(values: Array, excitation: Array) -> Response:
    """Fit A, B and Q.

    Args:
        values: Gapless samples, shape (n, d), no constant column.
        excitation: What was added, shape (n + 5,): from 5 samples before the first value to the last value.
    """
    scale = values.std(axis=0)
    scaled = values / scale
    target = scaled[ORDER:] - scaled[ORDER:].mean(axis=0)
    strength = max(float(np.abs(excitation).max()), 1e-300)
    regressors = np.hstack([_lagged(scaled), _delayed(excitation / strength, len(target))])
    regressors -= regressors.mean(axis=0)
    gram = regressors.T @ regressors + _RIDGE * len(target) * np.eye(regressors.shape[1])
    coefficients = np.linalg.solve(gram, regressors.T @ target)
    residuals = target - regressors @ coefficients
    dimension = values.shape[1]
    covariance = residuals.T @ residuals / len(residuals)
    ridge = _COVARIANCE_RIDGE * float(np.trace(covariance)) / dimension
    variances, vectors = np.linalg.eigh(covariance + ridge * np.eye(dimension))
    return Response(
        scale=scale,
        autoregression=coefficients[: ORDER * dimension].reshape(ORDER, dimension, dimension),
        taps=coefficients[ORDER * dimension :] / strength,
        whitening=vectors / np.sqrt(variances),
        deviations=np.sqrt(np.diag(covariance) + ridge),
    )


def correlate(
    values: Array, excitation: Array, response: Response, gain: float
) -> tuple[Answer, list[Answer]]:
    """Correlate a window with the answer that the excitation should have got.

    Args:
        values: Samples, shape (n, d).
        excitation: Shape (n + 5,), as for ``fit_response``.
        response: The fitted process.
        gain: The share of the response that the live test supposes.

    Returns:
        The answer of all channels together, then of each alone.
    """
    scaled = values / response.scale
    dimension = scaled.shape[1]
    predicted = _lagged(scaled) @ response.autoregression.reshape(ORDER * dimension, dimension)
    residuals = scaled[ORDER:] - predicted
    delayed = _delayed(excitation, len(residuals))
    whole = _answer(
        residuals @ response.whitening, delayed, excitation, response.taps @ response.whitening, gain
    )
    single = [
        _answer(
            residuals[:, [j]] / response.deviations[j], delayed, excitation,
            response.taps[:, [j]] / response.deviations[j], gain,
        )
        for j in range(dimension)
    ]  # fmt: skip
    return whole, single


def _answer(residuals: Array, delayed: Array, excitation: Array, taps: Array, gain: float) -> Answer:
    # Centring within the window takes slow levels out of both sides and keeps s linear in the signs.
    observed = residuals - residuals.mean(axis=0)
    expected = delayed @ taps
    expected -= expected.mean(axis=0)
    remainder = observed - gain * expected
    return Answer(
        correlation=float(np.sum(observed * expected)),
        expected=float(np.sum(expected * expected)),
        live_spread=_spread(remainder, excitation, taps),
        replay_spread=_spread(observed, excitation, taps),
    )


def _spread(centred: Array, excitation: Array, taps: Array) -> float:
    """Root sum square of the numbers that each sign is multiplied by in the correlation."""
    weights = np.zeros(len(excitation))
    for k in range(TAPS):
        weights[TAPS - 1 - k : TAPS - 1 - k + len(centred)] += centred @ taps[k]
    return float(np.linalg.norm(weights * excitation))
