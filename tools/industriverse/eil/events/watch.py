"""Watching an event stream: events in, readings and tickets out, promised and realised rates kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from industriverse.eil.events.budget import SECONDS_PER_DAY, TicketRule
from industriverse.eil.events.detector import EventDetector
from industriverse.eil.events.explanation import EventExplanation
from industriverse.eil.events.readings import EventReading, EventReadings
from industriverse.eil.events.relief import EventRelief
from industriverse.eil.watch import ticket_id
from industriverse.signals import NANOSECONDS_PER_SECOND, ChannelEvidence, Ticket
from industriverse.signals.events import Event

__all__ = ["EventTicket", "EventWatchSummary", "EventWatcher"]


@dataclass(frozen=True, slots=True)
class EventTicket:
    """An alarm onset of one entity.

    Attributes:
        id: Stable identifier, derived from stream, entity and onset.
        stream: Name of the stream.
        entity: The entity.
        onset_ns: Time of the event that raised it, nanoseconds since 1970-01-01 UTC.
        reading: What the detector said of that event.
        explanation: Why.
    """

    id: str
    stream: str
    entity: str
    onset_ns: int
    reading: EventReading
    explanation: EventExplanation

    def as_ticket(self) -> Ticket:
        """The ticket in the form that all streams share.

        Evidence is that of the score that led, event or entity; actual and expected are the energy of each
        component and its clean median, nats. Work, heat, structure and temperature of a channel are not
        defined for events and are 0, 0, 0 and 1.
        """
        explained, reading = self.explanation, self.reading
        by_entity = explained.entity_surprise > explained.event_surprise
        parts = explained.entity_evidence if by_entity else explained.event_evidence
        evidence = tuple(
            ChannelEvidence(
                channel=part.component, entity=self.entity, unit="nat", share=part.share,
                work=0.0, heat=0.0, structure=0.0,
                actual=part.energy_nats or 0.0, expected=part.usual_nats or 0.0, temperature=1.0,
            )
            for part in parts
            if part.energy_nats is not None
        )  # fmt: skip
        return Ticket(
            id=self.id,
            stream=self.stream,
            onset_ns=self.onset_ns,
            score=reading.entity_score if by_entity else reading.score,
            p_value=reading.entity_p_value if by_entity else reading.p_value,
            evidence=evidence,
        )


@dataclass(frozen=True, slots=True)
class EventWatchSummary:
    """What a watch has seen so far.

    Attributes:
        events: Events read.
        alarms: Events in alarm.
        tickets: Tickets raised.
        watched_days: Time from the first to the last event, days.
        promised_per_day: False tickets per day that the threshold promises.
        realised_per_day: Tickets per day raised, true and false together; NaN before time has passed.
        statement: The promise in a sentence.
    """

    events: int
    alarms: int
    tickets: int
    watched_days: float
    promised_per_day: float
    realised_per_day: float
    statement: str


class EventWatcher:
    """Feeds events of one stream to a detector and raises tickets with their explanation.

    Args:
        detector: A fitted detector; its budget was calibrated with the refractory time used here.
        stream: Name of the stream.

    Attributes:
        relief: Verdicts that silence a component of an entity for a time.
    """

    def __init__(self, detector: EventDetector, stream: str) -> None:
        self.detector = detector
        self.stream = stream
        self.relief = EventRelief()
        self._rule = TicketRule(
            detector.calibration.refractory_s, maximum_entities=detector.reference.maximum_entities
        )
        self._events = self._alarms = self._tickets = 0
        self._first_ns: int | None = None
        self._last_ns = 0

    def feed(self, events: Iterable[Event]) -> tuple[EventReadings, list[EventTicket]]:
        """Read the next events.

        Returns:
            One reading an event, and the tickets that they raise, in order.
        """
        readings: list[EventReading] = []
        tickets: list[EventTicket] = []
        for event in events:
            reading = self.detector.update(event)
            readings.append(reading)
            if self.relief.still_alarms(reading, self.detector.reference) and self._rule.due(
                event.entity, event.timestamp_ns
            ):
                tickets.append(self._ticket(event, reading))
            self._first_ns = (
                event.timestamp_ns if self._first_ns is None else min(self._first_ns, event.timestamp_ns)
            )
            self._last_ns = max(self._last_ns, event.timestamp_ns)
        self._events += len(readings)
        self._alarms += sum(reading.alarm for reading in readings)
        self._tickets += len(tickets)
        return EventReadings.of(readings), tickets

    def _ticket(self, event: Event, reading: EventReading) -> EventTicket:
        return EventTicket(
            id=ticket_id(f"{self.stream}\n{event.entity}", event.timestamp_ns),
            stream=self.stream,
            entity=event.entity,
            onset_ns=event.timestamp_ns,
            reading=reading,
            explanation=self.detector.explain(),
        )

    def summary(self) -> EventWatchSummary:
        """Counts and rates so far."""
        calibration = self.detector.calibration
        span_ns = 0 if self._first_ns is None else self._last_ns - self._first_ns
        days = span_ns / (SECONDS_PER_DAY * NANOSECONDS_PER_SECOND)
        return EventWatchSummary(
            events=self._events,
            alarms=self._alarms,
            tickets=self._tickets,
            watched_days=days,
            promised_per_day=calibration.promised_per_day,
            realised_per_day=self._tickets / days if days else float("nan"),
            statement=calibration.statement(),
        )
