"""What people say of event tickets: one component of one entity falls silent in the alarm, and comes back.

As for samples (:mod:`industriverse.eil.feedback`) a verdict touches the alarm alone: scores and p-values keep their
values, every other component of the entity and every other entity still raise tickets, and a verdict expires.
"""

from dataclasses import dataclass

from industriverse.eil.errors import FeedbackError
from industriverse.eil.events.model import COMPONENTS, EVENT_COMPONENTS
from industriverse.eil.events.readings import EventReading
from industriverse.eil.events.reference import EventReference
from industriverse.eil.feedback import LONGEST_S, Verdict
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["EventRelief", "EventVerdict"]

_SPLIT = len(EVENT_COMPONENTS)


@dataclass(frozen=True, slots=True)
class EventVerdict:
    """One verdict, and for how long it holds.

    Attributes:
        ticket: Id of the ticket.
        verdict: What the person says.
        entity: Whose habits it concerns.
        component: The one component that it touches.
        given_ns: Time of the latest event when it was given, nanoseconds since 1970-01-01 UTC.
        expires_ns: From when it no longer holds.
    """

    ticket: str
    verdict: Verdict
    entity: str
    component: str
    given_ns: int
    expires_ns: int

    def __post_init__(self) -> None:
        if self.component not in COMPONENTS:
            raise FeedbackError(
                f"no component {self.component!r} of events", hint=f"name one of {', '.join(COMPONENTS)}"
            )
        if not self.given_ns < self.expires_ns <= self.given_ns + round(LONGEST_S * NANOSECONDS_PER_SECOND):
            raise FeedbackError(
                f"the verdict on {self.ticket} ends before it begins or lasts too long",
                hint=f"give an expiry later than now and at most {LONGEST_S / 86_400:g} days ahead",
            )


class EventRelief:
    """The verdicts on one stream of events."""

    def __init__(self) -> None:
        self._entries: list[EventVerdict] = []

    @property
    def entries(self) -> tuple[EventVerdict, ...]:
        """All verdicts, oldest first."""
        return tuple(self._entries)

    def add(self, verdict: EventVerdict) -> None:
        """Take a verdict; a true one withdraws every earlier relief of its component and entity."""
        if verdict.verdict is Verdict.TRUE:
            self._entries = [
                entry
                for entry in self._entries
                if (entry.entity, entry.component) != (verdict.entity, verdict.component)
            ]
        self._entries.append(verdict)

    def in_force(self, now_ns: int) -> tuple[EventVerdict, ...]:
        """Verdicts that hold at a time, oldest first."""
        return tuple(e for e in self._entries if e.given_ns <= now_ns < e.expires_ns)

    def still_alarms(self, reading: EventReading, reference: EventReference) -> bool:
        """Whether an event is in alarm without the components that were silenced for its entity."""
        silent = {
            entry.component
            for entry in self.in_force(reading.timestamp_ns)
            if entry.entity == reading.entity and entry.verdict is not Verdict.TRUE
        }
        if not silent or not reading.alarm:
            return reading.alarm
        heard = [
            None if name in silent else energy
            for name, energy in zip(COMPONENTS, reading.energies, strict=True)
        ]
        surprises = (
            branch.final.nats(branch.score(energies))
            for branch, energies in (
                (reference.event_branch, heard[:_SPLIT]),
                (reference.entity_branch, heard[_SPLIT:]),
            )
        )
        return max(surprises) >= reference.calibration.threshold
