"""Readings that come again: a stretch of a continuous sensor that equals an earlier one, bit for bit.

Noise does not repeat. A repeating stretch is weighed by what it would cost chance to produce it: each reading of
the run that differs from the one before adds the surprise ``-log`` of how often that value occurs on the channel.
Coarse sensors and states repeat cheaply, a hundredth of a metre among six hundred does not. How much a channel
repeats itself in clean operation is learned as well; evidence begins clearly beyond both. A frozen channel is the
special case of no change at all. None of this is a statistic that a smooth forgery could satisfy: it convicts
copies, and only copies.
"""

from collections import OrderedDict
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.shield.errors import AnalysisError

__all__ = ["RepeatWatch"]

Array = NDArray[np.float64]

SEED_ROWS: Final = 6
KNOWN_LIMIT: Final = 20_000  # stretches remembered a channel: about a fortnight of minutes
CHANCE_FACTOR: Final = 1.5  # beyond the most surprising clean run
LEAST_SURPRISE: Final = 30.0  # nats that a run must cost chance before it counts
VALUE_SURPRISE: Final = 4.0  # nats a reading adds at most: readings of one process are not independent
STILL_FACTOR: Final = 3
LEAST_STILL: Final = 24
EVIDENCE_AT_LIMIT: Final = 6.0  # nats; p = 0.0025
EVIDENCE_A_SAMPLE: Final = 0.25
NEVER: Final = np.iinfo(np.int64).max // 4


class RepeatWatch:
    """Follows each channel of a stream and measures how far it repeats itself beyond chance.

    Args:
        clean: Clean samples in time order, shape (n, d), NaN where missing.

    Raises:
        AnalysisError: If the samples are no matrix.
    """

    def __init__(self, clean: Array) -> None:
        values = np.asarray(clean, dtype=np.float64)
        if values.ndim != 2:
            raise AnalysisError(f"clean has shape {values.shape}", hint="give one column a channel")
        d = values.shape[1]
        self._known: list[OrderedDict[bytes, int]] = [OrderedDict() for _ in range(d)]
        self._counts: list[OrderedDict[float, int]] = [OrderedDict() for _ in range(d)]
        self._recent = np.full((SEED_ROWS, d), np.nan)
        self._seen = np.zeros((KNOWN_LIMIT, d))
        self._row = 0
        self._lag = np.zeros(d, dtype=np.int64)
        self._run = np.zeros(d, dtype=np.int64)
        self._still = np.zeros(d, dtype=np.int64)
        self._surprise = np.zeros(d)
        largest, stillest = np.zeros(d), np.zeros(d, dtype=np.int64)
        for row in values:
            self._step(row)
            np.maximum(largest, self._surprise, out=largest)
            np.maximum(stillest, self._still, out=stillest)
        self.surprise_limit = np.maximum(LEAST_SURPRISE, CHANCE_FACTOR * largest)
        self.still_limit = np.maximum(LEAST_STILL, STILL_FACTOR * stillest)
        if len(values):
            filled = np.nan_to_num(values)
            self.still_limit[np.ptp(filled, axis=0) == 0.0] = NEVER

    def evidence(self, values: Array) -> Array:
        """Evidence of a copy in each entry of the next rows, nats, shape (n, d); 0 within the limits."""
        found = np.zeros(values.shape)
        for index, row in enumerate(values):
            self._step(row)
            copied = self._surprise >= self.surprise_limit
            frozen = self._still >= self.still_limit
            if copied.any() or frozen.any():
                beyond = np.where(frozen, self._still - self.still_limit, self._run)
                found[index] = np.where(copied | frozen, EVIDENCE_AT_LIMIT + EVIDENCE_A_SAMPLE * beyond, 0.0)
        return found

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Present repeating run, its lag, and the run without any change, of each channel; each (d,)."""
        return self._run.copy(), self._lag.copy(), self._still.copy()

    def _step(self, row: Array) -> None:
        previous = self._recent[-1].copy()
        same = row == previous
        self._still = np.where(same, self._still + 1, np.where(np.isnan(row), self._still, 0))
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = row
        self._seen[self._row % KNOWN_LIMIT] = row
        changed = ~same & ~np.isnan(row)
        following = np.flatnonzero(self._run > 0)
        if len(following):
            earlier = self._seen[(self._row - self._lag[following]) % KNOWN_LIMIT, following]
            for j, goes_on in zip(following.tolist(), (earlier == row[following]).tolist(), strict=True):
                if goes_on:
                    self._run[j] += 1
                    self._surprise[j] += self._price(j, float(row[j])) if changed[j] else 0.0
                else:
                    self._run[j], self._surprise[j] = 0, 0.0
        # Only a stretch that moves can be told from a standing level.
        moves = (self._recent.max(axis=0) > self._recent.min(axis=0)) & ~np.isnan(self._recent).any(axis=0)
        for j in np.flatnonzero(moves).tolist():
            self._look_up(j)
        for j in np.flatnonzero(changed).tolist():
            counts, value = self._counts[j], float(row[j])
            counts[value] = counts.get(value, 0) + 1
            if len(counts) > KNOWN_LIMIT:
                counts.popitem(last=False)
        self._row += 1

    def _look_up(self, j: int) -> None:
        key = self._recent[:, j].tobytes()
        known = self._known[j]
        first = known.get(key)
        if first is None or self._row - first >= KNOWN_LIMIT:
            known[key] = self._row
            if len(known) > KNOWN_LIMIT:
                known.popitem(last=False)
        elif self._run[j] == 0 and self._row - first >= SEED_ROWS:
            self._run[j], self._lag[j] = SEED_ROWS, self._row - first
            steps = self._recent[:, j]
            fresh = [b for a, b in pairwise(steps.tolist()) if a != b]
            self._surprise[j] = sum(self._price(j, value) for value in fresh)

    def _price(self, j: int, value: float) -> float:
        """What it costs chance to hit a value of a channel, nats."""
        counts = self._counts[j]
        total = max(self._row, 1)
        return min(-float(np.log((counts.get(value, 0) + 0.5) / (total + 1.0))), VALUE_SURPRISE)
