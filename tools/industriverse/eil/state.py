"""What the detection core remembers between two samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout

__all__ = ["KernelState"]


@dataclass(frozen=True, slots=True, eq=False)
class KernelState:
    """The arrays that the kernel updates in place.

    Attributes:
        channel: Level, position, innovation, expectation, observed flag and filters, shape (5 + 2 s, d).
        lags: Lag features, newest first, shape (p, r).
        smooth: Smoothed whitened equilibrium modes, shape (s, m).
        window: Running mean and second moment of the leading innovation modes, shape (k + 1, k).
        flow: Previous modes, running mean and second moment of (previous, present), shape (2 k + 2, 2 k).
        counters: Counters of the drain rule.
        drift: Recent mean of the limited -log p of each component, 1 on clean rows, shape (c,).
        relief: Divisor of each component in the alarm's score, set by feedback, shape (c,).
    """

    channel: NDArray[np.float64]
    lags: NDArray[np.float64]
    smooth: NDArray[np.float64]
    window: NDArray[np.float64]
    flow: NDArray[np.float64]
    counters: NDArray[np.float64]
    drift: NDArray[np.float64]
    relief: NDArray[np.float64]

    @classmethod
    def neutral(
        cls, *, channels: int, lag_features: int, order: int, modes: int, scales: int
    ) -> "KernelState":
        """The state of a stream at its reference: no deviation, unit variances, no currents."""
        leading, flowing = min(layout.STRUCTURE_MODES, modes), min(layout.FLOW_MODES, modes)
        channel = np.zeros((layout.FIRST_FILTER + 2 * scales, channels))
        channel[layout.OBSERVED] = 1.0
        channel[layout.FIRST_FILTER + scales :] = 1.0
        return cls(
            channel=channel,
            lags=np.zeros((order, lag_features)),
            smooth=np.zeros((scales, modes)),
            window=np.vstack([np.zeros((1, leading)), np.eye(leading)]),
            flow=np.vstack([np.zeros((2, 2 * flowing)), np.eye(2 * flowing)]),
            counters=np.zeros(layout.COUNTER_COUNT),
            drift=np.ones(layout.STATIC_COMPONENTS + layout.SCALE_COMPONENTS * scales),
            relief=np.ones(layout.STATIC_COMPONENTS + layout.SCALE_COMPONENTS * scales),
        )

    def copy(self) -> "KernelState":
        """An independent copy."""
        return KernelState(*(array.copy() for array in self.arrays()))

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """The arrays in kernel order."""
        return (
            self.channel,
            self.lags,
            self.smooth,
            self.window,
            self.flow,
            self.counters,
            self.drift,
            self.relief,
        )
