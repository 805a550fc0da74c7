"""The event detector: learn the clean habits of a stream of events, then read each event against them."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.events.budget import EventCalibration, calibrate_threshold
from industriverse.eil.events.errors import EventDetectorError, EventFitError
from industriverse.eil.events.explanation import EventExplanation, Moment, explain_event
from industriverse.eil.events.model import EVENT_COMPONENTS, EventModel
from industriverse.eil.events.readings import EventReading, EventReadings
from industriverse.eil.events.reference import EventReference
from industriverse.eil.events.state import EntityMemory
from industriverse.eil.events.tails import Branch
from industriverse.signals.events import Event

__all__ = ["MINIMUM_CLEAN_EVENTS", "EventDetector"]

MINIMUM_CLEAN_EVENTS: Final = 100
# Forward chaining as for process vectors: fit on 40, 60, 80 %, score the next 20 %.
FOLDS: Final = (0.4, 0.6, 0.8)
_SPLIT: Final = len(EVENT_COMPONENTS)


class EventDetector:
    """Detects events and courses of events that a clean stream would not show.

    The reference stays as it was fitted; scoring never learns. Memory is bounded by ``maximum_entities``
    times the fixed amount an entity takes (see :mod:`industriverse.eil.events.state`).

    Args:
        budget_per_day: False tickets per day that the user allows.
        refractory_s: Least time between two tickets of one entity, seconds.
        maximum_entities: Entities remembered at most.

    Raises:
        EventDetectorError: If a setting is not usable.

    Example:
        >>> events = [Event(i * 10**9, "plc", ("read", "reply")[i % 2]) for i in range(400)]
        >>> detector = EventDetector(budget_per_day=2000.0, refractory_s=0.0).fit(events)
        >>> detector.update(Event(400 * 10**9, "plc", "stop")).alarm
        True
    """

    def __init__(
        self, budget_per_day: float = 1.0, *, refractory_s: float = 3600.0, maximum_entities: int = 10_000
    ) -> None:
        if not math.isfinite(budget_per_day) or budget_per_day <= 0.0:
            raise EventDetectorError(
                f"budget_per_day is {budget_per_day}", hint="give a positive finite number of tickets per day"
            )
        if not math.isfinite(refractory_s) or refractory_s < 0.0 or maximum_entities < 1:
            raise EventDetectorError(
                f"refractory_s is {refractory_s}, maximum_entities is {maximum_entities}",
                hint="give a refractory time of at least 0 s and at least one entity",
            )
        self.budget_per_day = float(budget_per_day)
        self.refractory_s = float(refractory_s)
        self.maximum_entities = maximum_entities
        self._reference: EventReference | None = None
        self._memory = EntityMemory(maximum_entities)
        self._latest: Moment | None = None

    @classmethod
    def from_reference(cls, reference: EventReference) -> "EventDetector":
        """A detector that continues from a fitted reference, with no entity remembered yet."""
        calibration = reference.calibration
        detector = cls(
            calibration.budget_per_day,
            refractory_s=calibration.refractory_s,
            maximum_entities=reference.maximum_entities,
        )
        detector._reference = reference
        return detector

    @property
    def reference(self) -> EventReference:
        """The fitted reference.

        Raises:
            EventDetectorError: If the detector is not fitted.
        """
        if self._reference is None:
            raise EventDetectorError("the detector is not fitted", hint="fit it on clean events first")
        return self._reference

    @property
    def calibration(self) -> EventCalibration:
        """Threshold and what it promises.

        Raises:
            EventDetectorError: If the detector is not fitted.
        """
        return self.reference.calibration

    def fit(self, events: Iterable[Event]) -> "EventDetector":
        """Learn from clean events, in any order; they are sorted by time.

        Returns:
            The detector, with no entity remembered.

        Raises:
            EventFitError: If there are fewer than 100 events or they span no time.
        """
        clean = sorted(events, key=lambda event: event.timestamp_ns)
        if len(clean) < MINIMUM_CLEAN_EVENTS:
            raise EventFitError(
                f"{len(clean)} clean events are too few", hint=f"give at least {MINIMUM_CLEAN_EVENTS}"
            )
        start = int(len(clean) * FOLDS[0])
        energies = self._forward_chained(clean)
        branches = Branch.fit(energies[:, :_SPLIT]), Branch.fit(energies[:, _SPLIT:])
        calibration = calibrate_threshold(
            _surprises(energies, *branches),
            np.array([event.timestamp_ns for event in clean[start:]], dtype=np.int64),
            [event.entity for event in clean[start:]],
            budget_per_day=self.budget_per_day,
            refractory_s=self.refractory_s,
        )
        model = EventModel.fit(clean, maximum_entities=self.maximum_entities)
        self._reference = EventReference(model, *branches, calibration, self.maximum_entities, len(clean))
        self.reset()
        return self

    def reset(self) -> None:
        """Forget every entity, as at the start of another stream."""
        self._memory = EntityMemory(self.maximum_entities)
        self._latest = None

    def snapshot(self) -> EntityMemory:
        """Where the detector stands in its stream; give it back to :meth:`restore`."""
        return self._memory.copy()

    def restore(self, snapshot: EntityMemory) -> None:
        """Return to a snapshot of this detector."""
        self._memory = snapshot.copy()
        self._latest = None

    def update(self, event: Event) -> EventReading:
        """Read the next event.

        An event older than the entity's last is taken as simultaneous with it.

        Raises:
            EventDetectorError: If the detector is not fitted.
        """
        reference = self.reference
        state = self._memory.of(event.entity)
        context, last_same_ns = state.recent, state.last_of.get(event.symbol)
        energies = reference.model.step(event, state)
        self._latest = Moment(event, context, last_same_ns, tuple(energies))
        own, course = energies[:_SPLIT], energies[_SPLIT:]
        score, entity_score = reference.event_branch.score(own), reference.entity_branch.score(course)
        surprise = reference.event_branch.final.nats(score)
        entity_surprise = reference.entity_branch.final.nats(entity_score)
        return EventReading(
            timestamp_ns=event.timestamp_ns,
            entity=event.entity,
            score=score,
            p_value=math.exp(-surprise),
            entity_score=entity_score,
            entity_p_value=math.exp(-entity_surprise),
            alarm=max(surprise, entity_surprise) >= reference.calibration.threshold,
            energies=tuple(energies),
        )

    def score(self, events: Iterable[Event]) -> EventReadings:
        """Read the next events, one by one; the same as :meth:`update` on each.

        Raises:
            EventDetectorError: If the detector is not fitted.
        """
        return EventReadings.of([self.update(event) for event in events])

    def explain(self) -> EventExplanation:
        """Explain the latest event.

        Raises:
            EventDetectorError: If no event was read since the fit.
        """
        if self._latest is None:
            raise EventDetectorError("no event was read yet", hint="call update() or score() first")
        return explain_event(self.reference, self._latest)

    def _forward_chained(self, clean: Sequence[Event]) -> NDArray[np.float64]:
        """Energies (n, components) of the last 60 % by models that saw only what came before."""
        edges = [int(len(clean) * fold) for fold in (*FOLDS, 1.0)]
        rows: list[list[float | None]] = []
        for start, stop in pairwise(edges):
            model = EventModel.fit(clean[:start], maximum_entities=self.maximum_entities)
            memory = EntityMemory(self.maximum_entities)
            rows += [model.step(event, memory.of(event.entity)) for event in clean[start:stop]]
        return np.array(rows, dtype=np.float64)


def _surprises(
    energies: NDArray[np.float64], event_branch: Branch, entity_branch: Branch
) -> NDArray[np.float64]:
    """The larger of the calibrated surprises of event and entity, shape (n,)."""
    found = []
    for row in energies.tolist():
        known = [None if value != value else value for value in row]
        own = event_branch.final.nats(event_branch.score(known[:_SPLIT]))
        course = entity_branch.final.nats(entity_branch.score(known[_SPLIT:]))
        found.append(max(own, course))
    return np.array(found)
