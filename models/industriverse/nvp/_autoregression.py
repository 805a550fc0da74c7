"""Ridge vector autoregression on differences, with daily harmonics: fit and roll forward."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Autoregression", "Scaling", "carried_forward", "fit_autoregression"]

# Harmonics of the period; four resolve features of an eighth of a day, three hours.
_HARMONICS = 4
# Scaled states are kept within this many standard deviations, so that an unstable candidate loses its
# validation instead of overflowing.
_LIMIT_SDS = 20.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Centre and scale of each channel, shape (d,).

    Attributes:
        centre: Mean of the finite training values, 0 where there is none.
        scale: Their standard deviation, 1 where it vanishes.
        varying: Whether the channel varied.
        known: Whether it had any finite value.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    varying: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @staticmethod
    def of(values: NDArray[np.float64]) -> "Scaling":
        """Measure training values, shape (n, d), NaN where missing."""
        finite = np.isfinite(values)
        count = finite.sum(axis=0)
        filled = np.where(finite, values, 0.0)
        centre = filled.sum(axis=0) / np.maximum(count, 1)
        deviation = np.where(finite, values - centre, 0.0)
        sd = np.sqrt((deviation**2).sum(axis=0) / np.maximum(count, 1))
        # Rounding leaves a constant channel a spread of some units in the last place of its mean.
        varying = (sd > 1e-9 * np.maximum(1.0, np.abs(centre))) & (count > 1)
        return Scaling(centre, np.where(varying, sd, 1.0), varying, count > 0)

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled values."""
        scaled: NDArray[np.float64] = (values - self.centre) / self.scale
        return scaled


def carried_forward(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace NaN by the last finite value above it, or by 0 (the training mean) where there is none."""
    rows = np.where(np.isfinite(scaled), np.arange(len(scaled))[:, None], -1)
    latest = np.maximum.accumulate(rows, axis=0)
    filled = np.take_along_axis(scaled, np.maximum(latest, 0), axis=0)
    return np.where(latest >= 0, filled, 0.0)


@dataclass(frozen=True, slots=True)
class Autoregression:
    """x(t) = x(t-1) + B [1, x(t-1) .. x(t-p), harmonics(t)], all in scaled units.

    Attributes:
        order: p.
        period: Rows a day, or None for no harmonics.
        coefficients: B transposed, shape (features, d).
    """

    order: int
    period: float | None
    coefficients: NDArray[np.float64]

    def roll(
        self, filled: NDArray[np.float64], origins: NDArray[np.int64], horizon: int, *, start: int = 0
    ) -> NDArray[np.float64]:
        """Forecast from many origins at once.

        Args:
            filled: Scaled values without NaN, shape (n, d).
            origins: Rows of the latest known sample, each at least ``order - 1``, shape (m,).
            horizon: Steps h.
            start: Clock of row 0, which sets the phase of the harmonics.

        Returns:
            Shape (h, m, d), scaled.
        """
        lags = [filled[origins - lag] for lag in range(self.order)]
        steps = []
        for step in range(1, horizon + 1):
            features = _features(lags, origins + start + step, self.period)
            following = np.clip(lags[0] + features @ self.coefficients, -_LIMIT_SDS, _LIMIT_SDS)
            steps.append(following)
            lags = [following, *lags[:-1]]
        return np.stack(steps)


def fit_autoregression(
    scaled: NDArray[np.float64], *, order: int, period: float | None, ridge: float, free: NDArray[np.bool_]
) -> Autoregression:
    """Fit by ridge regression, shrinking towards persistence.

    The penalty is ``ridge`` per sample on scaled features; the intercept is not penalised. A sample counts
    for a channel where that channel and its predecessor are present.

    Args:
        scaled: Training values, shape (n, d), NaN where missing.
        order: Number of lags.
        period: Rows a day, or None.
        ridge: Penalty relative to the unit variance of the features.
        free: Channels to fit, shape (d,); the others persist.
    """
    filled = carried_forward(scaled)
    rows = np.arange(order, len(scaled))
    features = _features([filled[rows - 1 - lag] for lag in range(order)], rows, period)
    change = filled[rows] - filled[rows - 1]
    present = np.isfinite(scaled[rows]) & np.isfinite(scaled[rows - 1]) & free
    coefficients = np.zeros((features.shape[1], scaled.shape[1]))
    patterns, members = np.unique(present, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        used = patterns[:, number]
        if not used.any():
            continue
        channels = np.flatnonzero(members.ravel() == number)
        penalty = np.full(features.shape[1], ridge * used.sum())
        penalty[0] = 1e-12 * used.sum()
        gram = features[used].T @ features[used] + np.diag(penalty)
        coefficients[:, channels] = np.linalg.solve(gram, features[used].T @ change[used][:, channels])
    return Autoregression(order, period, coefficients)


def _features(
    lags: list[NDArray[np.float64]], clock: NDArray[np.int64], period: float | None
) -> NDArray[np.float64]:
    parts = [np.ones((len(clock), 1)), *lags]
    if period is not None:
        angle = 2 * np.pi * clock[:, None] / period * np.arange(1, _HARMONICS + 1)
        parts += [np.sin(angle), np.cos(angle)]
    return np.concatenate(parts, axis=1)
