"""A threshold for events that keeps a budget of false tickets, or says that it cannot yet.

Tickets are counted on clean events scored by models that had not seen them, with the very rule that will
raise them: one per entity and refractory time. The threshold is the lowest at which the upper 80 % Poisson
bound of the counted rate stays within the budget. When T clean days cannot certify the budget, the threshold
lies above every clean score and the promise is the rule of three, 3/T a day (Hanley & Lippman-Hand 1983).
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.events.errors import EventFitError
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["EventCalibration", "TicketRule", "allowed_alarms", "calibrate_threshold"]

SECONDS_PER_DAY = 86_400.0
CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True)
class EventCalibration:
    """What the threshold of an event detector promises, and on what evidence.

    Attributes:
        budget_per_day: False tickets per day that the user allows.
        promised_per_day: The budget, or the lowest certifiable rate if that is higher.
        lowest_certifiable_per_day: 3 / T with T the clean days scored by models that did not see them.
        scored_days: That T, days.
        threshold: Surprise in nats from which an event or an entity is in alarm.
        clean_tickets: Tickets that the threshold raises on those clean days.
        refractory_s: Least time between two tickets of one entity, seconds.
    """

    budget_per_day: float
    promised_per_day: float
    lowest_certifiable_per_day: float
    scored_days: float
    threshold: float
    clean_tickets: int
    refractory_s: float

    @property
    def certified(self) -> bool:
        """Whether the clean events are enough to certify the budget."""
        return self.lowest_certifiable_per_day <= self.budget_per_day

    def statement(self) -> str:
        """The promise in one sentence for a person."""
        days = f"{self.scored_days:.3g} clean days scored ahead of the fit"
        if self.certified:
            return f"promises at most {self.promised_per_day:.3g} false tickets a day ({days})"
        return (
            f"not certifiable yet: {days} certify no less than {self.lowest_certifiable_per_day:.3g} false "
            f"tickets a day, the budget is {self.budget_per_day:.3g}; "
            f"about {3.0 / self.budget_per_day:.3g} days would do"
        )


class TicketRule:
    """Raises one ticket per entity and refractory time.

    Args:
        refractory_s: Least time between two tickets of one entity, seconds; 0 makes each alarm a ticket.
        maximum_entities: Entities whose last ticket is remembered at most; the oldest ticket goes first.
    """

    def __init__(self, refractory_s: float, *, maximum_entities: int = 10_000) -> None:
        self._refractory_ns = round(refractory_s * NANOSECONDS_PER_SECOND)
        self._maximum = maximum_entities
        self._last: OrderedDict[str, int] = OrderedDict()

    def due(self, entity: str, timestamp_ns: int) -> bool:
        """Whether an alarm of the entity at this time raises a ticket; takes note if so."""
        if self._refractory_ns == 0:
            return True
        last = self._last.get(entity, timestamp_ns - self._refractory_ns)
        if timestamp_ns - last < self._refractory_ns:
            return False
        self._last[entity] = timestamp_ns
        self._last.move_to_end(entity)
        if len(self._last) > self._maximum:
            self._last.popitem(last=False)
        return True


def calibrate_threshold(
    surprises: NDArray[np.float64],
    timestamps_ns: NDArray[np.int64],
    entities: Sequence[str],
    *,
    budget_per_day: float,
    refractory_s: float,
) -> EventCalibration:
    """Threshold for surprises (n,) of clean events at times (n,), nanoseconds, of ``entities``.

    Raises:
        EventFitError: If the clean events span no time.
    """
    scored_days = float(timestamps_ns.max() - timestamps_ns.min()) / (
        SECONDS_PER_DAY * NANOSECONDS_PER_SECOND
    )
    if scored_days <= 0.0:
        raise EventFitError(
            "the clean events are all at one time, so no rate per day can be promised",
            hint="give clean events that span the time in which they happened",
        )
    lowest = 3.0 / scored_days
    allowed = allowed_alarms(budget_per_day * scored_days) if budget_per_day >= lowest else 0
    candidates = np.unique(surprises)
    low, high = 0, len(candidates)  # index len(candidates) stands for "above every clean score"
    while low < high:
        middle = (low + high) // 2
        if _tickets(surprises >= candidates[middle], timestamps_ns, entities, refractory_s) <= allowed:
            high = middle
        else:
            low = middle + 1
    if low < len(candidates):
        threshold = float(candidates[low])
    else:
        # n clean events know nothing of surprises rarer than one in n + 1, even if they all were the same.
        threshold = max(float(np.nextafter(candidates[-1], np.inf)), math.log(len(surprises) + 1.0))
    return EventCalibration(
        budget_per_day=budget_per_day,
        promised_per_day=max(budget_per_day, lowest),
        lowest_certifiable_per_day=lowest,
        scored_days=scored_days,
        threshold=threshold,
        clean_tickets=_tickets(surprises >= threshold, timestamps_ns, entities, refractory_s),
        refractory_s=refractory_s,
    )


def allowed_alarms(expected: float) -> int:
    """The most clean alarms whose upper 80 % Poisson bound (Garwood 1936) is within ``expected``; -1 if none."""
    from scipy.stats import chi2

    counts = np.arange(int(expected) + 1)
    bounds = 0.5 * chi2.ppf(CONFIDENCE, 2 * (counts + 1))
    return int(np.searchsorted(bounds, expected, side="right")) - 1


def _tickets(
    alarm: NDArray[np.bool_], timestamps_ns: NDArray[np.int64], entities: Sequence[str], refractory_s: float
) -> int:
    rule = TicketRule(refractory_s, maximum_entities=len(entities) + 1)
    return sum(rule.due(entities[row], int(timestamps_ns[row])) for row in np.flatnonzero(alarm).tolist())
