"""From clean telemetry to what an equilibrium reference is made of."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.proof.errors import WindowError
from industriverse.eil.proof.windows import MAX_MISSING_SHARE, fill_missing, gap_rows, is_contiguous
from industriverse.signals import Channel, ChannelKind, Frame

__all__ = [
    "arrow_of_time",
    "clean_windows",
    "count_disjoint",
    "interpolate_clean",
    "moderated_spread",
    "quasi_static_levels",
    "sort_channels",
]

Array = NDArray[np.float64]

# Deviations below this are rounding; dividing by them would invent evidence.
_SPREAD_FLOOR = 1e-9
# A statistic that hardly varied over few clean windows is not that certain: it gets this part of the median
# spread of its check.
_SPREAD_SHARE_OF_MEDIAN = 0.25
# A level is quasi-static if it predicts the next window better than the clean mean does by this factor in mean
# square: the gain that the detector asks of a moving level.
_LEVEL_GAIN = 0.8
_MIN_LEVELS = 4
# How far beyond the levels seen in clean data a level may go, as a share of their span.
_LEVEL_MARGIN = 0.5
# Currents this many standard errors from zero count as the reference's arrow of time.
_CURRENT_SIGNIFICANCE = 3.0


def interpolate_clean(values: Array) -> Array:
    """Interpolate missing values of a long clean stretch; channels were sorted by missing share before."""
    filled = values.copy()
    rows = np.arange(len(values))
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column])
        filled[:, column] = np.interp(rows, rows[known], values[known, column])
    return filled


def sort_channels(
    clean: Frame, half: int
) -> tuple[list[int], tuple[tuple[str, str], ...], tuple[tuple[str, float], ...]]:
    """Columns that can be checked, the excluded with reasons, and the values of the constant ones."""
    usable: list[int] = []
    excluded: list[tuple[str, str]] = []
    constants: list[tuple[str, float]] = []
    for column, channel in enumerate(clean.channels):
        reason, constant = _why_unusable(channel, clean.values[:, column], half)
        if not reason:
            usable.append(column)
            continue
        excluded.append((channel.name, reason))
        if constant is not None:
            constants.append((channel.name, constant))
    return usable, tuple(excluded), tuple(constants)


def _why_unusable(channel: Channel, values: Array, half: int) -> tuple[str, float | None]:
    missing = np.isnan(values)
    if missing[:half].mean() > MAX_MISSING_SHARE or missing[half:].mean() > MAX_MISSING_SHARE:
        return f"{missing.mean():.0%} of its clean values are missing", None
    known = values[~missing]
    if np.ptp(known) <= 1e-12 * max(1.0, abs(float(known[0]))):
        return "constant in the clean data", float(known[0])
    first = values[:half][~missing[:half]]
    if np.ptp(first) <= 1e-12 * max(1.0, abs(float(first[0]))):
        return "constant in the first half of the clean data", None
    # Two states are a number with a mean and a spread whatever they are called; more have no order.
    if channel.kind is ChannelKind.EVENT:
        return "events are no samples of a state", None
    if channel.kind is ChannelKind.CATEGORICAL and len(np.unique(known)) > 2:
        return "categories without an order have no energy", None
    return "", None


def clean_windows(clean: Frame, start: int, stop: int, window: int, stride: int) -> Iterator[Array]:
    """Complete windows of rows ``start:stop``; those with gaps or too many missing values are left out."""
    interval_s, names = clean.interval_s, clean.names
    for first in range(start, stop - window + 1, stride):
        if not is_contiguous(clean.timestamps_ns[first : first + window], interval_s):
            continue
        try:
            yield fill_missing(clean.values[first : first + window], names)
        except WindowError:
            # A clean window that could not be proved must not calibrate the ones that can.
            continue


def quasi_static_levels(clean: Array, half: int, window: int) -> Array:
    """Range of levels to take out of a window, shape (2, d) in the channels' units, NaN where none is.

    Whether a channel drifts is decided on the first half, by how well the mean of one window predicts the samples
    of the next; the range is that of all clean windows, widened. Inside it a bias cannot be told from drift.

    Args:
        clean: Clean samples without missing values, shape (n, d).
        half: Rows of the first half.
        window: Samples per window.
    """
    blocks = clean[: len(clean) // window * window].reshape(-1, window, clean.shape[1])
    levels, early = blocks.mean(axis=1), blocks[: half // window]
    ranges = np.full((2, clean.shape[1]), np.nan)
    if len(early) < _MIN_LEVELS:
        return ranges
    moving = ((early[1:] - levels[: len(early) - 1, None]) ** 2).mean(axis=(0, 1))
    fixed = ((early[1:] - early.mean(axis=(0, 1))) ** 2).mean(axis=(0, 1))
    drifting = moving < _LEVEL_GAIN * fixed
    low, high = levels.min(axis=0), levels.max(axis=0)
    widened = np.stack([low, high]) + _LEVEL_MARGIN * (high - low) * np.array([[-1.0], [1.0]])
    ranges[:, drifting] = widened[:, drifting]
    return ranges


def count_disjoint(timestamps_ns: NDArray[np.int64], interval_s: float, window: int) -> int:
    """How many gapless windows can be cut out of these samples without overlap."""
    runs = np.split(timestamps_ns, gap_rows(timestamps_ns, interval_s))
    return sum(len(run) // window for run in runs)


def moderated_spread(statistics: Array) -> Array:
    """Standard deviation of each statistic over clean windows, shape (m, c) to (c,), kept away from zero."""
    spread: Array = statistics.std(axis=0)
    floor = max(_SPREAD_SHARE_OF_MEDIAN * float(np.median(spread)), _SPREAD_FLOOR)
    return np.clip(spread, floor, None)


def arrow_of_time(currents: Array, windows: float) -> tuple[Array, float]:
    """The direction in the space of currents that tells forward from backward best.

    Fisher's discriminant between the clean currents and their negatives. The correlations are shrunk away
    the more, the fewer independent windows there are for each current: fitted noise is no direction.
    Currents whose mean is within three standard errors of zero are left out.

    Args:
        currents: Currents of clean windows, shape (m, c).
        windows: How many of the windows are independent.

    Returns:
        Weights, shape (c,), scaled so that the clean mean retains 1, and the deviation of the retained share
        over clean windows. All zero and 1 if no current is significant.
    """
    centre, spread = currents.mean(axis=0), moderated_spread(currents)
    chosen = np.flatnonzero(np.abs(centre) * np.sqrt(windows) > _CURRENT_SIGNIFICANCE * spread)
    weights = np.zeros_like(centre)
    if not chosen.size:
        return weights, 1.0
    signal = centre[chosen] / spread[chosen]
    standard = (currents[:, chosen] - centre[chosen]) / spread[chosen]
    correlation = standard.T @ standard / len(currents)
    shrinkage = chosen.size / (chosen.size + windows)
    shrunk = (1.0 - shrinkage) * correlation + shrinkage * np.eye(chosen.size)
    direction = np.linalg.solve(shrunk, signal)
    weights[chosen] = direction / (spread[chosen] * float(direction @ signal))
    return weights, max(float((currents @ weights).std()), _SPREAD_FLOOR)
