"""One-step forecasts that lose to no single forecaster by more than a little.

A bank of regimes forecasts well while one of them is in force and badly between them; one autoregression over all
regimes does the opposite; yesterday's value beats both where nothing moves. Which one is right changes by channel and
time, so each channel keeps weights over them by AdaHedge and forecasts their weighted mean. Weights follow from past
errors alone. The square loss is convex, so for every channel and every length T of the stream

    sum of squared errors of the mixture <= that of the best forecaster + 2 sqrt(V ln K) + S (4/3 ln K + 2)

with K forecasters, S the largest difference between two of their squared errors at one sample, and V <= S^2 T / 4
the sum of the variances of the losses under the weights.

Sources: de Rooij, van Erven, Grünwald & Koolen, "Follow the leader if you can, hedge if you must", JMLR 15 (2014),
lemma 3 and theorem 6; recursive least squares: Ljung, "System identification" (1999), section 11.2.
"""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.errors import RegimeError
from industriverse.eil.regimes import RegimeBank
from industriverse.signals import Channel, Frame

__all__ = ["FORECASTERS", "AdaHedge", "MixedForecaster", "RecursiveAutoregression"]

Array = NDArray[np.float64]

FORECASTERS = ("bank", "autoregression", "persistence")
_RIDGE = 1.0  # prior rows of zero coefficients; scaled channels have unit variance
_SMALLEST = 1e-12  # below it a mixability gap is rounding


class AdaHedge:
    """Weights over forecasters, one set a channel, learned without a rate to tune.

    Args:
        forecasters: K, two or more.
        channels: d.
    """

    def __init__(self, forecasters: int, channels: int) -> None:
        if forecasters < 2:
            raise RegimeError(f"{forecasters} forecaster leaves nothing to weigh", hint="give two or more")
        self._losses = np.zeros((forecasters, channels))
        self._gap = np.zeros(channels)

    @property
    def weights(self) -> Array:
        """Shape (K, d); each column adds up to one."""
        behind = self._losses - self._losses.min(axis=0)
        weights: Array = np.empty_like(behind)
        follows = self._gap <= _SMALLEST
        # With no gap so far the rate is infinite: all weight lies on the leaders.
        weights[:, follows] = behind[:, follows] <= 0.0
        weights[:, ~follows] = np.exp(-self._rate(~follows) * behind[:, ~follows])
        weights /= weights.sum(axis=0)
        return weights

    def learn(self, losses: Array) -> None:
        """Take the losses of one sample, shape (K, d), not negative."""
        weights = self.weights
        hedged = (weights * losses).sum(axis=0)
        least = losses.min(axis=0)
        mixed = np.empty_like(hedged)
        follows = self._gap <= _SMALLEST
        leaders = np.where(weights[:, follows] > 0.0, losses[:, follows], np.inf)
        mixed[follows] = leaders.min(axis=0)
        rate = self._rate(~follows)
        inner = weights[:, ~follows] * np.exp(-rate * (losses[:, ~follows] - least[~follows]))
        mixed[~follows] = least[~follows] - np.log(inner.sum(axis=0)) / rate
        self._gap += np.maximum(hedged - mixed, 0.0)
        self._losses += losses

    def _rate(self, chosen: NDArray[np.bool_]) -> Array:
        rate: Array = np.log(len(self._losses)) / self._gap[chosen]
        return rate


class RecursiveAutoregression:
    """One autoregression of order one over everything seen, by recursive least squares; O(d^2) a sample.

    Args:
        center: Of each channel, shape (d,).
        scale: Of each channel, positive, shape (d,).
    """

    def __init__(self, center: Array, scale: Array) -> None:
        dimension = len(center)
        self._center, self._scale = center, scale
        self._covariance = np.eye(dimension + 1) / _RIDGE
        # Before it has seen anything it says that nothing changes.
        self._coefficients = np.vstack([np.eye(dimension), np.zeros(dimension)])
        self._regressors: Array | None = None

    @property
    def expected(self) -> Array:
        """The next sample, shape (d,); the centres before the first."""
        if self._regressors is None:
            return self._center.copy()
        forecast: Array = self._center + self._scale * (self._regressors @ self._coefficients)
        return forecast

    def update(self, sample: Array) -> None:
        """Take a sample, shape (d,), without missing values."""
        scaled = (sample - self._center) / self._scale
        if self._regressors is not None:
            gain = self._covariance @ self._regressors
            gain /= 1.0 + self._regressors @ gain
            self._covariance -= np.outer(gain, self._regressors @ self._covariance)
            self._coefficients += np.outer(gain, scaled - self._regressors @ self._coefficients)
        self._regressors = np.append(scaled, 1.0)


class MixedForecaster:
    """Forecasts the next sample of a stream from its bank of regimes, one autoregression and persistence.

    Args:
        bank: The regimes of the stream; it is fed here and nowhere else.
        channels: Of the stream.
        center: Of each channel, shape (d,).
        scale: In which errors count, positive, shape (d,).
    """

    def __init__(self, bank: RegimeBank, channels: tuple[Channel, ...], center: Array, scale: Array) -> None:
        self._bank, self._channels, self._scale = bank, channels, scale
        self._pooled = RecursiveAutoregression(center, scale)
        self._hedge = AdaHedge(len(FORECASTERS), len(center))
        self._last = center.copy()

    def prepare(self, stretch: Array) -> None:
        """Let the autoregression read an earlier stretch, shape (n, d), before the stream begins."""
        for sample in stretch:
            self._pooled.update(sample)
            self._last = sample

    @property
    def weights(self) -> Array:
        """Present weights, shape (3, d), in the order of ``FORECASTERS``."""
        return self._hedge.weights

    def forecast(self, time_ns: int) -> Array:
        """The sample of a later time by each forecaster and, last, by their mixture, shape (4, d)."""
        each = np.vstack([self._bank_forecast(time_ns), self._pooled.expected, self._last])
        return np.vstack([each, (self.weights * each).sum(axis=0)])

    def update(self, time_ns: int, sample: Array) -> Array:
        """Take the next sample, shape (d,); returns what was forecast of it, shape (4, d).

        A missing value counts as what was forecast.
        """
        forecasts = self.forecast(time_ns)
        filled = np.where(np.isnan(sample), forecasts[-1], sample)
        self._hedge.learn(((forecasts[:-1] - filled) / self._scale) ** 2)
        self._bank.feed(self._frame(time_ns, sample))
        self._pooled.update(filled)
        self._last = filled
        return forecasts

    def _bank_forecast(self, time_ns: int) -> Array:
        """What the active regime expects; it says so when it reads a sample, so it reads the last one once more."""
        detector = self._bank.detectors[self._bank.active]
        before = detector.snapshot()
        try:
            detector.score(self._frame(time_ns, self._last))
            expected = detector.expected
        finally:
            detector.restore(before)
        return np.where(np.isfinite(expected), expected, self._last)

    def _frame(self, time_ns: int, sample: Array) -> Frame:
        return Frame(np.array([time_ns]), sample[None, :], self._channels)
