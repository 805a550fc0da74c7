"""Which kind of noise a channel shows: a library of ten profiles, told apart by structure and by spectrum.

Structural profiles come first, because a few exact observations settle them: values that repeat one by one,
values that repeat a stretch, values on a grid, two levels, rare impulses, one spectral line. What is left is
a continuous spectrum, compared by Whittle's likelihood (Whittle, Ark. Mat. 2:423, 1953) with the Bayesian
information criterion, and refused where even the best shape does not fit.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.shield.errors import AnalysisError
from industriverse.shield.isomorphism.spectra import best_spectrum

__all__ = ["MINIMUM_SAMPLES", "NoiseMatch", "NoiseProfile", "identify_noise"]

Array = NDArray[np.float64]

MINIMUM_SAMPLES = 128
REPLAY_RUN = 24  # that many equal readings in a row of a continuous sensor are no coincidence
FROZEN_SHARE = 0.2
GRID_LEVELS = 64
LINE_SHARE = 0.4
LINE_HEIGHT = 5.0
IMPULSE_KURTOSIS = 4.0


class NoiseProfile(StrEnum):
    """The library."""

    WHITE = "white"
    PINK = "pink"
    BROWN = "brown"
    SHOT = "shot"
    QUANTISATION = "quantisation"
    TELEGRAPH = "random_telegraph"
    PERIODIC = "periodic"
    FROZEN = "frozen"
    SMOOTHED = "smoothed"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NoiseMatch:
    """What a window of one channel looks like.

    Attributes:
        profile: The profile, ``unknown`` if none fits.
        confidence: 0 to 1: how far the deciding statistic is beyond its limit, or the posterior weight of
            the spectral shape; an ordinal judgement, not a probability of an attack.
        reason: The deciding observation with its number.
    """

    profile: NoiseProfile
    confidence: float
    reason: str


def identify_noise(signal: ArrayLike, *, clean: ArrayLike | None = None) -> NoiseMatch:
    """Name the noise profile of a window.

    Args:
        signal: Equidistant readings, shape (n,), n >= 128; missing values (NaN) are left out.
        clean: Earlier clean readings of the same channel; a stretch of them that comes again is a replay.

    Raises:
        AnalysisError: If it is no vector or too short.
    """
    values = _window(signal)
    earlier = np.empty(0) if clean is None else np.asarray(clean, dtype=np.float64).ravel()
    for check in (_frozen, _line, _telegraph, _quantised):
        found = check(values)
        if found is not None:
            return found
    replay = _replayed(values, earlier[~np.isnan(earlier)])
    if replay is not None:
        return replay
    return _impulses(values) or _spectral(values)


def _window(signal: ArrayLike) -> Array:
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim != 1:
        raise AnalysisError(
            f"signal has shape {values.shape}", hint="give one channel as a vector of readings"
        )
    values = values[~np.isnan(values)]
    if len(values) < MINIMUM_SAMPLES or not np.isfinite(values).all():
        raise AnalysisError(
            f"signal holds {len(values)} finite readings", hint=f"give at least {MINIMUM_SAMPLES}"
        )
    return values


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _frozen(values: Array) -> NoiseMatch | None:
    longest = _longest_run(np.diff(values) == 0.0) + 1
    moving_levels = len(np.unique(values))
    share = longest / len(values)
    # A state or a coarse sensor also repeats itself; a frozen continuous sensor has many other values besides.
    if share == 1.0 or (share >= FROZEN_SHARE and moving_levels > 0.5 * (1.0 - share) * len(values)):
        return NoiseMatch(
            NoiseProfile.FROZEN,
            min(1.0, 0.5 + share),
            f"{longest} readings in a row are exactly equal ({share:.0%} of the window)",
        )
    return None


def _line(values: Array) -> NoiseMatch | None:
    """One spectral line with most of the power: Fisher's g statistic (Proc. R. Soc. A 125:54, 1929)."""
    rows = np.arange(len(values))
    detrended = values - np.polyval(np.polyfit(rows, values, 1), rows)
    power = np.abs(np.fft.rfft(detrended * np.hanning(len(values)))[1:]) ** 2
    peak = int(np.argmax(power))
    total = float(power.sum())
    if total <= 0.0 or peak < 4:  # fewer than five periods in the window cannot be told from a wandering mean
        return None
    share = float(power[max(peak - 2, 0) : peak + 3].sum()) / total
    harmonics = [k * (peak + 1) - 1 for k in (2, 3, 4, 5) if k * (peak + 1) - 1 < len(power)]
    share += sum(float(power[max(k - 2, 0) : k + 3].sum()) for k in harmonics) / total
    around = np.concatenate([power[max(peak - 12, 0) : max(peak - 2, 0)], power[peak + 3 : peak + 13]])
    # A line is narrow: the strongest neighbour of continuous noise is never this far below its peak.
    stands_out = power[peak] > LINE_HEIGHT * float(np.max(around, initial=0.0))
    levels = len(np.unique(values))
    if share < LINE_SHARE or not stands_out or levels <= 2:
        return None
    period = len(values) / (peak + 1)
    return NoiseMatch(
        NoiseProfile.PERIODIC, min(1.0, share), f"{share:.0%} of the power repeats every {period:.3g} samples"
    )


def _telegraph(values: Array) -> NoiseMatch | None:
    """Two levels with few jumps between them (Machlup, J. Appl. Phys. 25:341, 1954)."""
    low, high = float(values.min()), float(values.max())
    for _ in range(30):
        upper = values > 0.5 * (low + high)
        if upper.all() or not upper.any():
            return None
        low, high = float(values[~upper].mean()), float(values[upper].mean())
    upper = values > 0.5 * (low + high)
    within = np.where(upper, values - high, values - low)
    separation = (high - low) / max(float(within.std()), 1e-12 * abs(high - low))
    jumps = int(np.count_nonzero(np.diff(upper.astype(np.int8))))
    minority = min(upper.mean(), 1.0 - upper.mean())
    if separation < 6.0 or jumps < 2 or jumps > 0.4 * len(values) or minority < 0.05:
        return None
    return NoiseMatch(
        NoiseProfile.TELEGRAPH,
        min(1.0, separation / 12.0),
        f"two levels, {high - low:.4g} apart, {jumps} jumps; the levels lie {separation:.3g} deviations apart",
    )


def _quantised(values: Array) -> NoiseMatch | None:
    levels = np.unique(values)
    if len(levels) < 3 or len(levels) > min(GRID_LEVELS, len(values) // 4):
        return None
    gaps = np.diff(levels)
    step = float(gaps.min())
    off_grid = np.abs(gaps / step - np.round(gaps / step)).max()
    if off_grid > 1e-3:
        return None
    return NoiseMatch(
        NoiseProfile.QUANTISATION,
        1.0 - len(levels) / (2.0 * GRID_LEVELS),
        f"{len(levels)} levels on a grid of {step:.4g}",
    )


def _replayed(values: Array, earlier: Array) -> NoiseMatch | None:
    """The longest stretch of readings that occurs again, exactly, in the window or from the clean rows on."""
    series = np.concatenate([earlier, [np.nan], values]) if len(earlier) else values
    start = len(series) - len(values)
    run, lag = longest_repeat(series, start)
    if run < REPLAY_RUN:
        return None
    return NoiseMatch(
        NoiseProfile.REPLAYED,
        min(1.0, 0.5 + run / 200.0),
        f"{run} readings in a row equal those of {lag} samples before",
    )


def longest_repeat(series: Array, start: int) -> tuple[int, int]:
    """Longest run of rows from ``start`` on that equals an earlier run, and its lag; (0, 0) if there is none.

    A run of eight readings is the seed: it is looked up by value, then followed.
    """
    seed = 8
    if len(series) < 2 * seed:
        return 0, 0
    windows = np.lib.stride_tricks.sliding_window_view(series, seed)
    varied = (np.ptp(windows, axis=1) > 0) & ~np.isnan(windows).any(axis=1)
    seen: dict[bytes, int] = {}
    best = (0, 0)
    row = 0
    while row < len(windows):
        if not varied[row]:
            row += 1
            continue
        key = windows[row].tobytes()
        first = seen.setdefault(key, row)
        if row >= start and first < row - seed + 1:
            length = _common_length(series, first, row)
            best = max(best, (length, row - first))
            for skipped in range(row, min(row + length, len(windows))):
                seen.setdefault(windows[skipped].tobytes(), skipped)
            row += max(length - seed, 1)
            continue
        row += 1
    return best


def _common_length(series: Array, first: int, second: int) -> int:
    limit = min(len(series) - second, second - first)
    unequal = np.flatnonzero(series[first : first + limit] != series[second : second + limit])
    return int(unequal[0]) if unequal.size else limit


def _impulses(values: Array) -> NoiseMatch | None:
    """Rare jumps of one sign that decay: shot noise (Campbell, Proc. Camb. Phil. Soc. 15:117, 1909)."""
    steps = np.diff(values)
    spread = float(np.median(np.abs(steps - np.median(steps)))) / 0.6745
    centred = steps - steps.mean()
    variance = float((centred**2).mean())
    if variance <= 0.0:
        return None
    kurtosis = float((centred**4).mean()) / variance**2 - 3.0
    large = np.abs(steps) > 6.0 * max(spread, 1e-9 * np.sqrt(variance))
    share = float(large.mean())
    if kurtosis < IMPULSE_KURTOSIS or not 0.0 < share < 0.25:
        return None
    return NoiseMatch(
        NoiseProfile.SHOT,
        min(1.0, kurtosis / 12.0),
        f"{int(large.sum())} impulses; the steps have an excess kurtosis of {kurtosis:.3g}",
    )


def _spectral(values: Array) -> NoiseMatch:
    fit = best_spectrum(values)
    if fit is None:
        return NoiseMatch(NoiseProfile.UNKNOWN, 0.0, "no spectral shape of the library fits")
    return NoiseMatch(NoiseProfile(fit.name), fit.weight, fit.text)
