"""What customers ask for: a daily pattern times slowly wandering multipliers."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industriverse.simulation.network_file import NetworkFile

__all__ = ["DemandModel"]

# The whole town wanders by 4 % over half a day (weather, habit), each customer by 12 % over two hours.
_COMMON_SD, _COMMON_TIME_S = 0.04, 12 * 3600.0
_LOCAL_SD, _LOCAL_TIME_S = 0.12, 2 * 3600.0


class DemandModel:
    """Demand of every junction at successive steps.

    requested_j(t) = base_j * pattern_j(t) * exp(c(t) + l_j(t) - variance / 2), where c and l_j are
    independent first-order autoregressions, so that the mean stays base * pattern. Patterns are read as
    periodic and linear between hours.

    Args:
        network: Where bases and patterns come from.
        interval_s: Length of a step, s.
        generator: Source of randomness; None gives the nominal demand.
    """

    def __init__(
        self, network: NetworkFile, *, interval_s: int, generator: np.random.Generator | None = None
    ) -> None:
        self._base = np.array([junction.base_demand_m3_h for junction in network.junctions])
        self._hourly = np.array([_day(network.patterns[junction.pattern]) for junction in network.junctions])
        self._generator = generator
        self._sd = np.full(len(self._base) + 1, _LOCAL_SD)
        self._sd[0] = _COMMON_SD
        times = np.full(len(self._base) + 1, _LOCAL_TIME_S)
        times[0] = _COMMON_TIME_S
        self._memory = np.exp(-interval_s / times)
        self._state = self._sd * generator.standard_normal(self._sd.size) if generator else 0.0 * self._sd

    def next(self, second_of_day: float) -> NDArray[np.float64]:
        """Demand at this step, m3/h, shape (junctions,); moves the wandering one step on."""
        hour = second_of_day / 3600 % 24
        low = math.floor(hour)
        weight = hour - low
        pattern = (1 - weight) * self._hourly[:, low] + weight * self._hourly[:, (low + 1) % 24]
        nominal: NDArray[np.float64] = self._base * pattern
        if self._generator is None:
            return nominal
        mean_correction = 0.5 * (_COMMON_SD**2 + _LOCAL_SD**2)
        requested: NDArray[np.float64] = nominal * np.exp(self._state[0] + self._state[1:] - mean_correction)
        shock = self._sd * np.sqrt(1 - self._memory**2) * self._generator.standard_normal(self._sd.size)
        self._state = self._memory * self._state + shock
        return requested


def _day(pattern: Sequence[float]) -> list[float]:
    return [pattern[hour % len(pattern)] for hour in range(24)]
