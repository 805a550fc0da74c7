"""The daily cycle of a stream: the mean that follows the hour, and how much of each channel it explains.

A plant that follows people has a mean that depends on the time of day. Whether a stream does is not configured: a
channel is conditioned on the hour if that predicts clean rows ahead of the fit better. Only the clock is looked for:
the periods of hearts and pumps wander, so that a phase learned today is wrong tomorrow. The mean over a day is a short
Fourier series, so that memory does not grow with the sampling rate and every phase has a value.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["Cycle", "angles", "cyclic_mean", "find_cycle", "fit_coefficients"]

Array = NDArray[np.float64]
Times = NDArray[np.int64]

DAY_NS = 86_400 * NANOSECONDS_PER_SECOND
HARMONICS = (1, 2, 4, 8)
WIDE_CHANNELS = 100  # above this, memory allows two harmonics
WIDE_HARMONICS = 2
ROWS_A_HARMONIC = 4  # in a day; with fewer, the VAR follows it
DAYS_NEEDED = 4  # in the rows that are fitted
NEEDED_GAIN = 0.9  # of the error ahead: a channel follows the cycle if that cuts a tenth
LARGER_MODEL = 0.97  # more harmonics must cut the error ahead by three hundredths


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """A period, how finely it is followed, and by which channels.

    Attributes:
        period_ns: Length of the period, nanoseconds.
        harmonics: Harmonics of the Fourier series.
        channels: Which channels follow it, shape (d,).
    """

    period_ns: int
    harmonics: int
    channels: NDArray[np.bool_]


def angles(timestamps_ns: Times | int, period_ns: int) -> Array:
    """Phase of each time in the period, radians, of the shape of the times."""
    return np.asarray((timestamps_ns % period_ns) * (2.0 * np.pi / period_ns), dtype=np.float64)


def _design(phase: Array, harmonics: int) -> Array:
    """Columns 1, cos, sin, cos 2, sin 2, ... of a phase (n,), shape (n, 1 + 2 h)."""
    turns = np.outer(phase, np.arange(1, harmonics + 1))
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(len(phase), -1)
    return np.hstack([np.ones((len(phase), 1)), waves])


def cyclic_mean(phase: Array, coefficients: Array) -> Array:
    """Departure of the mean at each phase (n,) from the mean over the period, shape (n, d).

    Args:
        phase: Radians.
        coefficients: Cosine and sine amplitudes of each harmonic in turn, shape (2 h, d).
    """
    return np.asarray(_design(phase, len(coefficients) // 2)[:, 1:] @ coefficients)


def fit_coefficients(values: Array, timestamps_ns: Times, cycle: Cycle) -> Array:
    """Amplitudes of each harmonic by least squares, shape (2 h, d); zero for channels that do not follow.

    Fewer rows than twice a period leave every amplitude at zero: nothing says yet that it repeats.
    """
    coefficients = np.zeros((2 * cycle.harmonics, values.shape[1]))
    if not len(values) or timestamps_ns[-1] - timestamps_ns[0] < 2 * cycle.period_ns:
        return coefficients
    design = _design(angles(timestamps_ns, cycle.period_ns), cycle.harmonics)
    followed = values[:, cycle.channels]
    seen = ~np.isnan(followed)
    center = np.where(seen, followed, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    filled = np.where(seen, followed - center, 0.0)
    coefficients[:, cycle.channels] = np.linalg.lstsq(design, filled, rcond=None)[0][1:]
    return coefficients


def find_cycle(values: Array, timestamps_ns: Times, interval_s: float) -> Cycle | None:
    """The daily cycle if it predicts the last quarter of clean rows from the rest, None where it does not.

    Args:
        values: Clean rows, NaN where missing, shape (n, d).
        timestamps_ns: Their times, shape (n,).
        interval_s: Sampling interval, seconds.
    """
    held = int(0.75 * len(values))
    rows_a_day = DAY_NS / (interval_s * NANOSECONDS_PER_SECOND)
    most = HARMONICS[-1] if values.shape[1] <= WIDE_CHANNELS else WIDE_HARMONICS
    usable = [h for h in HARMONICS if h <= min(most, rows_a_day / ROWS_A_HARMONIC)]
    if not usable or held < DAYS_NEEDED * rows_a_day:
        return None
    standard = _standard(values, held)
    errors = _errors_ahead(standard, held, angles(timestamps_ns, DAY_NS), usable)
    harmonics, error = usable[0], errors[0]
    for more, less_error in zip(usable[1:], errors[1:], strict=True):
        if float(less_error.sum()) < LARGER_MODEL * float(error.sum()):
            harmonics, error = more, less_error
    follows = error < NEEDED_GAIN * (standard[held:] ** 2).mean(axis=0)
    return Cycle(DAY_NS, harmonics, follows) if follows.any() else None


def _errors_ahead(standard: Array, held: int, phase: Array, usable: list[int]) -> list[Array]:
    """Mean squared error of each channel on the rows from ``held`` on, for each number of harmonics."""
    design = _design(phase, max(usable, default=0))
    first, ahead = design[:held], design[held:]
    gram, moments = first.T @ first, first.T @ standard[:held]
    gram_ahead, moments_ahead = ahead.T @ ahead, ahead.T @ standard[held:]
    power = (standard[held:] ** 2).sum(axis=0)
    errors = []
    for harmonics in usable:
        k = 1 + 2 * harmonics
        fitted = np.linalg.solve(gram[:k, :k] + 1e-9 * held * np.eye(k), moments[:k])
        squares = (fitted * (gram_ahead[:k, :k] @ fitted - 2.0 * moments_ahead[:k])).sum(axis=0)
        errors.append((power + squares) / len(ahead))
    return errors


def _standard(values: Array, held: int) -> Array:
    """Channels centred on the first rows over their deviation; missing and constant ones are zero."""
    standard = np.zeros(values.shape)
    for j in range(values.shape[1]):
        seen = values[~np.isnan(values[:, j]), j]
        early = values[:held, j][~np.isnan(values[:held, j])]
        if len(early) and np.ptp(seen) > 1e-9 * np.abs(seen).max():
            standard[:, j] = np.nan_to_num((values[:, j] - early.mean()) / seen.std())
    return standard
