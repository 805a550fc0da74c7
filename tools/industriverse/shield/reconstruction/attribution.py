"""Which channels lie: the ones whose replacement by their reconstruction explains a disturbance best.

The reconstruction-based contribution of a channel (Alcala & Qin, Automatica 45:1593, 2009) is how much the
energy of a sample falls when that channel may take any value; with P the precision matrix and z the sample,
``RBC_j = (P z)_B^T (P_BB)^-1 (P z)_B`` for the block B of the channel's entries. Unlike a plain contribution it does
not smear a lie over the honest channels that the liar is compared with. Blocks hold two consecutive samples, so
that a lie about the course of a channel counts too. The leading suspect is set aside and the rest judged anew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.shield.errors import AnalysisError
from industriverse.signals import Frame

__all__ = ["LieDetector", "Suspicion"]

Array = NDArray[np.float64]

MINIMUM_CLEAN_ROWS = 100
SHRINKAGE = 0.02
TRUST = (
    0.1  # no relation is trusted beyond a tenth of a channel's spread: rounding and recalibration are no lies
)
CLIP = 12.0  # clean standard deviations


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How much one channel is under suspicion in a window.

    Attributes:
        channel: Channel name.
        energy: Mean energy that only this channel's freedom removes, kT, after the suspects before it.
        ordinary: What clean windows of that length show at most in 99 of 100, kT.
        ratio: ``energy / ordinary``; above 1 the channel contradicts the others.
    """

    channel: str
    energy: float
    ordinary: float
    ratio: float


class LieDetector:
    """Learns on clean rows how channels go together, and names those that contradict the rest.

    Args:
        clean: Rows without attack or fault, at least 100.

    Raises:
        AnalysisError: If there are too few rows or fewer than two channels.
    """

    def __init__(self, clean: Frame) -> None:
        if len(clean) < MINIMUM_CLEAN_ROWS or len(clean.channels) < 2:
            raise AnalysisError(
                f"{len(clean)} clean rows of {len(clean.channels)} channels cannot convict a channel",
                hint=f"give at least {MINIMUM_CLEAN_ROWS} rows of two channels",
            )
        self.channels = clean.names
        values = clean.values
        counts = np.maximum((~np.isnan(values)).sum(axis=0), 1)
        self._center = np.nansum(values, axis=0) / counts
        deviation = np.sqrt(np.nansum((values - self._center) ** 2, axis=0) / counts)
        self._moving = deviation > 1e-9 * np.maximum(np.abs(self._center), 1e-9)
        self._scale = np.where(self._moving, deviation, 1.0)
        stacked = self._stack(values)
        cut = int(0.7 * len(stacked))
        self._precision = _precision(stacked[:cut])
        self._held = self._contributions(stacked[cut:], self._precision, list(range(len(self.channels))))
        self._precision = _precision(stacked)

    def _stack(self, values: Array) -> Array:
        standard = np.clip((values - self._center) / self._scale, -CLIP, CLIP)
        standard = np.where(np.isnan(standard), 0.0, standard)
        return np.hstack([standard[:-1], standard[1:]])

    def _contributions(self, stacked: Array, precision: Array, channels: list[int]) -> Array:
        """RBC of each channel left, shape (n, number of channels); entries of ``stacked`` are those left."""
        half = len(channels)
        projected = stacked @ precision
        found = np.empty((len(stacked), half))
        for position in range(half):
            block = [position, half + position]
            inner = np.linalg.inv(precision[np.ix_(block, block)])
            part = projected[:, block]
            found[:, position] = 0.5 * np.einsum("na,ab,nb->n", part, inner, part)
        return found

    def contributions(self, frame: Frame) -> Array:
        """Contribution of each channel in each sample, kT, shape (n, d); the first row repeats the second."""
        found = self._contributions(
            self._stack(frame.values), self._precision, list(range(len(self.channels)))
        )
        return np.vstack([found[:1], found]) if len(found) else np.zeros((len(frame), len(self.channels)))

    def _ordinary(self, rows: int) -> Array:
        """What clean windows of that length show at most in 99 of 100, per channel."""
        length = max(1, min(rows, len(self._held) // 5))
        sums = np.cumsum(np.vstack([np.zeros(self._held.shape[1]), self._held]), axis=0)
        means = (sums[length:] - sums[:-length]) / length
        return np.asarray(np.maximum(np.quantile(means, 0.99, axis=0), 1.0))

    def suspects(self, frame: Frame, *, limit: int = 3) -> tuple[Suspicion, ...]:
        """The channels that contradict the others in a window, most suspect first.

        Args:
            frame: At least two rows with the channels of the clean rows.
            limit: Most channels to name.

        Raises:
            AnalysisError: If the channels differ or there are too few rows.
        """
        if frame.names != self.channels or len(frame) < 2:
            raise AnalysisError(
                "the window does not fit the clean rows", hint="give two rows or more of its channels"
            )
        ordinary = self._ordinary(len(frame) - 1)
        left = list(range(len(self.channels)))
        stacked, precision = self._stack(frame.values), self._precision
        found = []
        for _ in range(min(limit, len(left) - 1)):
            energy = self._contributions(stacked, precision, left).mean(axis=0)
            ratio = energy / ordinary[left]
            worst = int(np.argmax(np.where(self._moving[left], ratio, 0.0) + 1e-9 * ratio))
            j = left[worst]
            found.append(
                Suspicion(self.channels[j], float(energy[worst]), float(ordinary[j]), float(ratio[worst]))
            )
            keep = [i for i in range(2 * len(left)) if i % len(left) != worst]
            gone = [worst, len(left) + worst]
            inner = np.linalg.inv(precision[np.ix_(gone, gone)])
            # The precision of the rest once the suspect may be anything: the Schur complement.
            precision = (
                precision[np.ix_(keep, keep)]
                - precision[np.ix_(keep, gone)] @ inner @ precision[np.ix_(gone, keep)]
            )
            stacked = stacked[:, keep]
            left.pop(worst)
        return tuple(found)


def _precision(stacked: Array) -> Array:
    covariance = stacked.T @ stacked / len(stacked)
    covariance = (1.0 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    return np.asarray(np.linalg.inv(covariance + TRUST**2 * np.eye(len(covariance))))
