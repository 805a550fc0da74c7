"""Rebuild missing or tampered stretches of channels, with intervals that clean data have shown to hold.

The estimate is what the other channels say (a regressor) plus a bridge over time: the regressor's error at the
two ends of the gap decays into the gap like an Ornstein-Uhlenbeck bridge, the exact conditional mean of a
first-order autoregressive error (linear interpolation is its limit for an error that never forgets). Which
regressor serves a channel is decided on clean rows that none was fitted on, by cutting gaps of the same class
of length; the errors made there give the interval (split conformal, Vovk et al. 2005).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.shield.errors import AnalysisError
from industriverse.shield.reconstruction.regressors import (
    ConditionalGaussian,
    GraphDiffusion,
    Nothing,
    Regressor,
)
from industriverse.signals import Frame

__all__ = ["Rebuilder", "Rebuilt"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MINIMUM_CLEAN_ROWS = 100
FIT_SHARE = 0.7
SHRINKAGES = (0.002, 0.02, 0.1, 0.3)
DIFFUSION_TIMES = (0.5, 2.0)
GAP_CLASSES = (4, 16, 64)  # samples; a gap belongs to the nearest class in ratio
TRIALS = 12  # gaps a channel and class; enough for a 90 % quantile over their samples
MEMORIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)


@dataclass(frozen=True, slots=True, eq=False)
class Rebuilt:
    """A window with its gaps filled.

    Attributes:
        values: Samples in channel units, shape (n, d), no missing entry.
        low: Lower end of the interval, equal to the value where it was present.
        high: Upper end.
        coverage: Nominal coverage of the intervals.
        methods: ``(channel, method)`` for each channel that had a gap.
    """

    values: Array
    low: Array
    high: Array
    coverage: float
    methods: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """How a channel is rebuilt for one class of gaps."""

    regressor: int
    memory: float
    half_width: float  # standard deviations of the channel


class Rebuilder:
    """Rebuilds channels of one stream.

    Args:
        clean: Rows without attack or fault, at least 100.
        coverage: Nominal coverage of the intervals.
        seed: Seed of the trial gaps.

    Raises:
        AnalysisError: If there are too few rows or the coverage is no share.
    """

    def __init__(self, clean: Frame, *, coverage: float = 0.9, seed: int = 0) -> None:
        if len(clean) < MINIMUM_CLEAN_ROWS:
            raise AnalysisError(
                f"{len(clean)} clean rows are too few to rebuild from",
                hint=f"give at least {MINIMUM_CLEAN_ROWS}",
            )
        if not 0.5 <= coverage < 1.0:
            raise AnalysisError(f"coverage is {coverage}", hint="give a share from 0.5 up to but not 1")
        self.channels = clean.names
        self.coverage = coverage
        values = np.where(
            np.isnan(clean.values), np.nanmean(_never_empty(clean.values), axis=0), clean.values
        )
        self._center, scale = values.mean(axis=0), values.std(axis=0)
        self._moving = scale > 1e-9 * np.maximum(np.abs(self._center), 1e-9)
        self._scale = np.where(self._moving, scale, 1.0)
        standard = self._standard(values)
        cut = int(FIT_SHARE * len(standard))
        self._choices = self._choose(_regressors(standard[:cut]), standard[cut:], np.random.default_rng(seed))
        # What was chosen on held-out rows is fitted on all of them.
        self._regressors = _regressors(standard)

    def _standard(self, values: Array) -> Array:
        return np.asarray(np.where(self._moving, (values - self._center) / self._scale, 0.0))

    def rebuild(self, frame: Frame, *, distrusted: Mask | None = None) -> Rebuilt:
        """Fill every missing entry, and replace every distrusted one.

        Args:
            frame: The window, with the channels of the clean rows.
            distrusted: Entries not to be believed, shape (n, d); missing ones always count as such.

        Raises:
            AnalysisError: If the channels differ or the mask has another shape.
        """
        if frame.names != self.channels:
            raise AnalysisError("the window has other channels than the clean rows", hint="align them first")
        missing = np.isnan(frame.values)
        if distrusted is not None:
            if distrusted.shape != missing.shape:
                raise AnalysisError(
                    f"distrusted has shape {distrusted.shape}, the window {missing.shape}",
                    hint="give one flag an entry",
                )
            missing |= distrusted
        standard = self._standard(np.where(missing, self._center, frame.values))
        filled, width = standard.copy(), np.zeros_like(standard)
        predictions: dict[int, Array] = {}
        methods = []
        for j in np.flatnonzero(missing.any(axis=0)):
            used = set()
            for start, stop in _runs(missing[:, j]):
                choice = self._choices[int(j), _gap_class(stop - start)]
                predicted = predictions.get(choice.regressor)
                if predicted is None:
                    predicted = self._regressors[choice.regressor].predict(standard, missing)
                    predictions[choice.regressor] = predicted
                bridge = self._bridge(choice, standard, missing, int(j), start, stop)
                filled[start:stop, j] = predicted[start:stop, j] + bridge
                width[start:stop, j] = choice.half_width * _distance_factor(stop - start, choice.memory)
                used.add(self._regressors[choice.regressor].name)
            methods.append((self.channels[int(j)], "; ".join(sorted(used))))
        values = np.where(missing, filled * self._scale + self._center, frame.values)
        margin = width * self._scale
        return Rebuilt(values, values - margin, values + margin, self.coverage, tuple(methods))

    def _bridge(
        self, choice: _Choice, standard: Array, missing: Mask, j: int, start: int, stop: int
    ) -> Array:
        regressor = self._regressors[choice.regressor]
        errors = _end_errors(regressor, standard, missing, j, start, stop)
        return _bridge(errors, stop - start, choice.memory)

    def _choose(
        self, regressors: tuple[Regressor, ...], held: Array, rng: np.random.Generator
    ) -> dict[tuple[int, int], _Choice]:
        choices: dict[tuple[int, int], _Choice] = {}
        for length in GAP_CLASSES:
            usable = min(length, max(len(held) // 4, 1))
            for j in range(held.shape[1]):
                choices[j, length] = _best_choice(regressors, held, j, usable, self.coverage, rng)
        return choices


def _never_empty(values: Array) -> Array:
    empty = np.isnan(values).all(axis=0)
    return np.where(empty, 0.0, values)


def _regressors(clean: Array) -> tuple[Regressor, ...]:
    gaussian = [ConditionalGaussian(clean, shrinkage) for shrinkage in SHRINKAGES]
    graph = [GraphDiffusion(clean, time) for time in DIFFUSION_TIMES] if clean.shape[1] > 1 else []
    return (Nothing(), *(gaussian if clean.shape[1] > 1 else []), *graph)


def _runs(flags: Mask) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _gap_class(length: int) -> int:
    return min(GAP_CLASSES, key=lambda known: abs(np.log(length / known)))


def _end_errors(
    regressor: Regressor, standard: Array, missing: Mask, j: int, start: int, stop: int
) -> tuple[float | None, float | None]:
    """The regressor's error on the rows next to a gap, made as if the gap went on there."""
    found: list[float | None] = []
    for row, inner in ((start - 1, start), (stop, stop - 1)):
        if not 0 <= row < len(standard) or missing[row, j]:
            found.append(None)
            continue
        low, high = max(row - 1, 0), min(row + 2, len(standard))
        hidden = missing[low:high].copy()
        hidden[:, j] = True
        hidden[row - low] |= missing[inner]
        predicted = regressor.predict(standard[low:high], hidden)
        found.append(float(standard[row, j] - predicted[row - low, j]))
    return found[0], found[1]


def _bridge(errors: tuple[float | None, float | None], length: int, memory: float) -> Array:
    """Conditional mean of a first-order autoregressive error between its known ends, shape (length,)."""
    left, right = errors
    steps = np.arange(1, length + 1)
    if left is None and right is None:
        return np.zeros(length)
    if right is None and left is not None:
        return np.asarray(left * memory**steps)
    if left is None or right is None:
        return np.asarray((right or 0.0) * memory ** steps[::-1])
    if memory >= 0.9995:
        return np.asarray(left + (right - left) * steps / (length + 1))
    total = 1.0 - memory ** (2 * (length + 1))
    from_left = (memory**steps - memory ** (2 * (length + 1) - steps)) / total
    back = steps[::-1]
    from_right = (memory**back - memory ** (2 * (length + 1) - back)) / total
    return np.asarray(left * from_left + right * from_right)


def _distance_factor(length: int, memory: float) -> Array:
    """How much wider the interval is in the middle of a gap than at its ends, mean square 1, shape (length,)."""
    steps = np.arange(1, length + 1)
    keep = min(memory, 0.9995) ** 2
    spread = (1.0 - keep**steps) * (1.0 - keep ** steps[::-1]) / (1.0 - keep ** (length + 1))
    return np.asarray(np.sqrt(spread / spread.mean()))


def _best_choice(
    regressors: tuple[Regressor, ...],
    held: Array,
    j: int,
    length: int,
    coverage: float,
    rng: np.random.Generator,
) -> _Choice:
    """The regressor and memory with the least error on trial gaps of one channel."""
    starts = rng.integers(1, max(len(held) - length - 1, 2), TRIALS)
    best, best_error, best_scaled = (0, MEMORIES[-1]), np.inf, np.ones(1)
    for index, regressor in enumerate(regressors):
        trials = [_trial(regressor, held, j, int(start), length) for start in starts]
        for memory in MEMORIES:
            errors = np.concatenate([target - _bridge(ends, length, memory) for target, ends in trials])
            size = float((errors**2).mean())
            if size < best_error:
                best, best_error = (index, memory), size
                best_scaled = np.abs(errors) / np.tile(_distance_factor(length, memory), len(trials))
    rank = min(1.0, coverage * (1.0 + 1.0 / len(best_scaled)))
    return _Choice(best[0], best[1], float(np.quantile(best_scaled, rank)))


def _trial(
    regressor: Regressor, held: Array, j: int, start: int, length: int
) -> tuple[Array, tuple[float | None, float | None]]:
    """What the regressor leaves in a trial gap, and its errors at the gap's ends."""
    low, high = max(start - 2, 0), min(start + length + 2, len(held))
    window = held[low:high]
    hidden = np.zeros(window.shape, dtype=np.bool_)
    hidden[start - low : start - low + length, j] = True
    shown = np.where(hidden, 0.0, window)
    predicted = regressor.predict(shown, hidden)
    inside = slice(start - low, start - low + length)
    ends = _end_errors(regressor, shown, hidden, j, start - low, start - low + length)
    return window[inside, j] - predicted[inside, j], ends
