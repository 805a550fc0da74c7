"""The slow chart: has the mean of a channel over about a day left the range that its clean rows fix?

The families of evidence forget within some 64 samples, so a ramp over days is, at every moment, a small departure. An
exponentially weighted mean over a longer time (Roberts, "Control chart tests based on geometric moving averages",
1959) sees it: its clean spread is a small part of that of the samples. The limit is the predictive quantile of
Student's t for the few independent values that such a mean has in the clean rows, shared among the channels
(Bonferroni). A channel that wanders has few of them, and with less than three it has no limit. A sample counts for no
more than 1.5 clean standard deviations, so that a short excursion does not pass for a slow change.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout

__all__ = ["fit_slow_chart", "slow_rows"]

Array = NDArray[np.float64]

ROWS: Final = 96  # time constant, samples; where there is a daily cycle, whole days of at least so many
PERIODS: Final = 10  # of the time constant that the clean rows have to hold; with fewer it is shorter
FALSE_ALARM: Final = 1e-4  # that any channel leaves its limit in one time constant of clean rows
SMALLEST_LIMIT: Final = 0.4  # clean standard deviations: smaller changes are not worth a decision
LEAST_INDEPENDENT: Final = 3.0


def slow_rows(timestamps_ns: NDArray[np.int64], period_ns: int | None) -> int:
    """Time constant of the chart for clean rows at these times, shape (n,), samples."""
    rows = ROWS
    if period_ns is not None:
        period = period_ns / float(np.median(np.diff(timestamps_ns)))
        rows = round(period * np.ceil(rows / period))
    return max(1, min(rows, len(timestamps_ns) // PERIODS))


def fit_slow_chart(scaled: Array, rows: int, independent: Array) -> tuple[Array, Array]:
    """Clean mean of the clipped channels and limit of the chart, each of shape (d,), in clean standard deviations.

    Args:
        scaled: Clean rows, centred and scaled, NaN where missing, shape (n, d).
        rows: Time constant, samples.
        independent: Effective number of independent samples of each channel, shape (d,).
    """
    from scipy.signal import lfilter
    from scipy.stats import t

    clipped = np.nan_to_num(np.clip(scaled, -layout.SLOW_CLIP, layout.SLOW_CLIP))
    center = clipped.mean(axis=0)
    rate = 1.0 / rows
    means = lfilter([rate], [1.0, rate - 1.0], clipped - center, axis=0)[rows:]
    spread = np.sqrt((means**2).mean(axis=0))
    # A mean of time constant T has the variance of a mean over 2 T samples.
    values = np.minimum(len(scaled) / (2.0 * rows), independent)
    known = (values >= LEAST_INDEPENDENT) & (spread > 0.0)
    limit = np.full(len(center), np.inf)
    if known.any():
        quantile = t.ppf(1.0 - FALSE_ALARM / (2.0 * known.sum()), values[known] - 1.0)
        limit[known] = np.maximum(
            quantile * spread[known] * np.sqrt(1.0 + 1.0 / values[known]), SMALLEST_LIMIT
        )
    return center, limit
