"""A verdict on a ticket of events silences one component of one entity, in the alarm alone, and it expires."""

from dataclasses import replace

import pytest

from industriverse.eil.errors import FeedbackError
from industriverse.eil.events import EventDetector
from industriverse.eil.events.model import COMPONENTS
from industriverse.eil.events.relief import EventRelief, EventVerdict
from industriverse.eil.feedback import Verdict
from industriverse.signals.events import Event

HOUR_NS = 3600 * 10**9


def verdict(component: str, *, said: Verdict = Verdict.FALSE, entity: str = "plc-1") -> EventVerdict:
    return EventVerdict("t-1", said, entity, component, 0, HOUR_NS)


def test_silenced_components_do_not_count_for_their_entity_until_the_verdict_expires(
    detector: EventDetector,
) -> None:
    reading = detector.update(Event(HOUR_NS // 2, "plc-1", "format disk", {"src": "10.9.9.9"}))
    assert reading.alarm
    reference, relief = detector.reference, EventRelief()
    relief.add(verdict("sequence"))
    assert relief.still_alarms(reading, reference)
    for component in COMPONENTS:
        relief.add(verdict(component))
    assert not relief.still_alarms(reading, reference)
    assert relief.still_alarms(replace(reading, entity="plc-2"), reference)
    assert relief.still_alarms(replace(reading, timestamp_ns=HOUR_NS), reference)
    for component in COMPONENTS:
        relief.add(verdict(component, said=Verdict.TRUE))
    assert relief.still_alarms(reading, reference)


def test_a_calm_event_stays_calm_whatever_is_silenced(detector: EventDetector, clean: list[Event]) -> None:
    relief = EventRelief()
    readings = [detector.update(event) for event in clean[:50]]
    relief.add(verdict("sequence", entity=clean[0].entity))
    assert not any(relief.still_alarms(r, detector.reference) for r in readings if not r.alarm)


def test_a_verdict_names_a_component_and_ends() -> None:
    with pytest.raises(FeedbackError, match="no component"):
        verdict("mood")
    with pytest.raises(FeedbackError, match="ends before it begins"):
        EventVerdict("t-1", Verdict.FALSE, "plc-1", "gap", HOUR_NS, HOUR_NS)
