"""Energies to calibrated surprise: ``-ln`` of the clean probability of at least as much, then a weighted mean.

The tails are those of :mod:`industriverse.eil.tails`, read in plain Python because events come one by one.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.layout import SCORE_CAP
from industriverse.eil.tails import fit_tail

__all__ = ["RESOLUTION_NATS", "Branch", "Tail"]

# Energies that differ by less are the same: otherwise a stream that hardly varies would make a tail of its
# rounding errors.
RESOLUTION_NATS = 1.0 / 64.0
# Energies are -ln of probabilities, so their upper tail falls by about e a nat; means of several fall faster.
# A tail is never taken to be sharper than this, however regular the clean stream was.
SHARPEST_NATS = 0.25
LEAST_SAMPLES = 20  # below, a component has no tail worth the name and gets no weight


class Tail:
    """Clean tail of one energy.

    Args:
        share: Clean share above the last knot.
        scale: Scale of the generalised Pareto tail above it.
        shape: Its shape, in [0, 0.45].
        knots: Ascending clean quantiles below.
    """

    def __init__(self, share: float, scale: float, shape: float, knots: Sequence[float]) -> None:
        self.share = share
        self.scale = scale
        self.shape = shape
        self.knots = list(knots)
        self._step = (1.0 - share) / (len(self.knots) - 1)

    @classmethod
    def fit(cls, values: NDArray[np.float64], *, sharpest: float = SHARPEST_NATS) -> "Tail":
        """Learn the tail from clean energies, shape (n,); it falls by no more than e each ``sharpest`` nats."""
        if np.ptp(values) < RESOLUTION_NATS:
            return cls(1.0, sharpest, 0.0, [float(values.max())] * 2)
        share, scale, shape, *knots = fit_tail(values).tolist()
        return cls(share, max(scale, sharpest), shape, knots)

    def nats(self, value: float) -> float:
        """``-ln`` of the clean probability of a value at least this large, not capped."""
        knots = self.knots
        if value > knots[-1]:
            scaled = (value - knots[-1]) / self.scale
            tail = math.log1p(self.shape * scaled) / self.shape if self.shape > 1e-3 else scaled
            return tail - math.log(self.share)
        if value <= knots[0]:
            return 0.0
        high = bisect_left(knots, value)
        width = knots[high] - knots[high - 1]
        part = (value - knots[high - 1]) / width if width > 0.0 else 1.0
        return -math.log(1.0 - self._step * (high - 1 + part))

    @property
    def median(self) -> float:
        """Clean median."""
        if self._step == 0.0:
            return self.knots[0]
        place = 0.5 / self._step
        return float(np.interp(place, range(len(self.knots)), self.knots))

    def state(self) -> list[float]:
        """JSON-ready values."""
        return [self.share, self.scale, self.shape, *self.knots]

    @classmethod
    def from_state(cls, state: Sequence[float]) -> "Tail":
        """Rebuild from :meth:`state`."""
        share, scale, shape, *knots = map(float, state)
        return cls(share, scale, shape, knots)


class Branch:
    """Components fused into one score: the mean of their capped surprises, calibrated once more.

    Args:
        tails: Tail of each component, None for one that said too little clean and therefore has no weight.
        final: Tail of the fused score.
    """

    def __init__(self, tails: Sequence[Tail | None], final: Tail) -> None:
        self.tails = tuple(tails)
        self.final = final

    @classmethod
    def fit(
        cls, energies: NDArray[np.float64], *, least: int = LEAST_SAMPLES, sharpest: float = SHARPEST_NATS
    ) -> "Branch":
        """Learn from clean energies (n, components), NaN where a component says nothing.

        A component with fewer than ``least`` values gets no weight. ``sharpest`` bounds the tails of the
        components, nats.
        """
        tails = [_component_tail(column[np.isfinite(column)], least, sharpest) for column in energies.T]
        rows = [[None if value != value else value for value in row] for row in energies.tolist()]
        return cls(tails, Tail.fit(np.array([_mean_surprise(tails, row) for row in rows])))

    def surprises(self, energies: Sequence[float | None]) -> list[float]:
        """Capped surprise of each component, nats; 0 where it says nothing."""
        return _surprises(self.tails, energies)

    def score(self, energies: Sequence[float | None]) -> float:
        """Fused score, nats."""
        return _mean_surprise(self.tails, energies)

    def shares(self, energies: Sequence[float | None]) -> list[float]:
        """Part of each component in the score; they add up to it."""
        weighted = max(sum(tail is not None for tail in self.tails), 1)
        return [surprise / weighted for surprise in self.surprises(energies)]

    def state(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"tails": [tail and tail.state() for tail in self.tails], "final": self.final.state()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Branch":
        """Rebuild from :meth:`state`."""
        return cls(
            [None if tail is None else Tail.from_state(tail) for tail in state["tails"]],
            Tail.from_state(state["final"]),
        )


def _resolved(energy: float) -> float:
    return round(energy / RESOLUTION_NATS) * RESOLUTION_NATS


def _surprises(tails: Sequence[Tail | None], energies: Sequence[float | None]) -> list[float]:
    return [
        0.0 if tail is None or energy is None else min(tail.nats(_resolved(energy)), SCORE_CAP)
        for tail, energy in zip(tails, energies, strict=True)
    ]


def _mean_surprise(tails: Sequence[Tail | None], energies: Sequence[float | None]) -> float:
    weighted = sum(tail is not None for tail in tails)
    return sum(_surprises(tails, energies)) / max(weighted, 1)


def _component_tail(values: NDArray[np.float64], least: int, sharpest: float) -> Tail | None:
    if len(values) < least:
        return None
    return Tail.fit(np.round(values / RESOLUTION_NATS) * RESOLUTION_NATS, sharpest=sharpest)
