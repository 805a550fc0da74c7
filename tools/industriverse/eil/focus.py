"""When did it begin: exact online change time for an upward shift of the mean.

FOCuS with a known mean before the change (Romano, Eckley, Fearnhead & Rigaill, "Fast online changepoint
detection via functional pruning CUSUM statistics", JMLR 24, 2023). The statistic is the largest of
``(S_t - S_tau)^2 / (2 (t - tau))`` over all change times tau, S the cumulative sum; only vertices of the lower
convex hull of S can attain it, so the list that is kept grows like log t.
"""

from dataclasses import dataclass, field

__all__ = ["ChangeClock"]


@dataclass(slots=True)
class ChangeClock:
    """Follows the log-likelihood ratio of an upward change of unit-variance increments with mean 0.

    Attributes:
        statistic: Largest log-likelihood ratio over all change times, nats; 0 while nothing rises.
        change: Index of the last increment before the best change time, 0 before the first.
    """

    statistic: float = 0.0
    change: int = 0
    _hull: list[tuple[int, float]] = field(default_factory=lambda: [(0, 0.0)])
    _time: int = 0
    _sum: float = 0.0

    def add(self, increment: float) -> float:
        """Take the next increment; returns the statistic."""
        self._time += 1
        self._sum += increment
        self.statistic, self.change = 0.0, self._time
        for time, total in self._hull:
            rise = self._sum - total
            gain = rise * rise / (2.0 * (self._time - time)) if rise > 0.0 else 0.0
            if gain > self.statistic:
                self.statistic, self.change = gain, time
        point = (self._time, self._sum)
        while len(self._hull) > 1 and _above(self._hull[-2], self._hull[-1], point):
            self._hull.pop()
        self._hull.append(point)
        return self.statistic


def _above(first: tuple[int, float], middle: tuple[int, float], last: tuple[int, float]) -> bool:
    """Whether the middle point lies on or above the line through the others."""
    along = (middle[1] - first[1]) * (last[0] - first[0])
    return along >= (last[1] - first[1]) * (middle[0] - first[0])
