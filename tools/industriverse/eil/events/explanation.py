"""Why an event scored as it did: which symbol in which context, what was expected, which gap, which field."""

from dataclasses import dataclass

from industriverse.eil.events.backoff import BackoffCounts, Context
from industriverse.eil.events.marks import MarkEnergy
from industriverse.eil.events.model import (
    ENTITY_COMPONENTS,
    EVENT_COMPONENTS,
    EventModel,
    gap_contexts,
    seconds_of_bin,
    sequence_contexts,
)
from industriverse.eil.events.reference import EventReference
from industriverse.eil.events.tails import Branch
from industriverse.signals import NANOSECONDS_PER_SECOND
from industriverse.signals.events import Event

__all__ = ["ComponentEvidence", "EventExplanation", "FieldEvidence", "Moment", "explain_event"]

FIELDS_SHOWN = 3
ALTERNATIVES_SHOWN = 3
COURSES = {
    "pace": "its events come at an unusual rate",
    "sustained": "its sequence of events is unusual",
    "reversal": "its events run against their usual order",
}


@dataclass(frozen=True, slots=True)
class ComponentEvidence:
    """Part of one component in a score.

    Attributes:
        component: Name of the component.
        share: Its part, nats; the shares of the event components add up to the event's score and those of
            the entity components to the entity's score.
        energy_nats: Its energy, None where it says nothing.
        usual_nats: Clean median of that energy, None for a component without weight.
    """

    component: str
    share: float
    energy_nats: float | None
    usual_nats: float | None


@dataclass(frozen=True, slots=True)
class FieldEvidence:
    """One surprising field.

    Attributes:
        mark: Field, what it depends on, and its energy.
        actual: Value of the event, None if absent.
        expected: Likeliest value in that situation, in words.
    """

    mark: MarkEnergy
    actual: str | int | float | None
    expected: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What the entity remembered just before an event.

    Attributes:
        event: The event.
        context: The entity's symbols before it, oldest first.
        last_same_ns: When it last did the same, None if not remembered.
        energies: Energies of the event in component order.
    """

    event: Event
    context: tuple[str, ...]
    last_same_ns: int | None
    energies: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class EventExplanation:
    """The evidence behind one reading.

    Attributes:
        event: The event.
        event_evidence: Components of the event's score, largest share first.
        entity_evidence: Components of the entity's score, largest share first.
        context: Symbols of the entity before the event, oldest first.
        symbol_probability: Clean probability of the symbol in that context.
        expected_symbols: What was likelier there, with probabilities.
        gap_s: Time since the entity last did the same, seconds; None if not remembered.
        usual_gap_s: Likeliest such time, seconds (middle of a half-octave); None if never met.
        known_entity: Whether the entity was met clean.
        fields: The most surprising fields.
        event_surprise: ``-ln`` of the event's p-value, nats.
        entity_surprise: ``-ln`` of the entity's p-value, nats.
    """

    event: Event
    event_evidence: tuple[ComponentEvidence, ...]
    entity_evidence: tuple[ComponentEvidence, ...]
    context: tuple[str, ...]
    symbol_probability: float
    expected_symbols: tuple[tuple[str, float], ...]
    gap_s: float | None
    usual_gap_s: float | None
    known_entity: bool
    fields: tuple[FieldEvidence, ...]
    event_surprise: float
    entity_surprise: float

    def sentence(self) -> str:
        """The leading reason in one sentence; text of the event is quoted."""
        if self.entity_surprise > self.event_surprise:
            course = self.entity_evidence[0]
            return (
                f"{self.event.entity!r} has run unlike itself, latest with {self.event.symbol!r}: "
                f"{COURSES[course.component]} (energy {course.energy_nats or 0.0:.3g} nats, "
                f"usual {course.usual_nats or 0.0:.3g})"
            )
        leading = self.event_evidence[0].component
        did = f"{self.event.entity!r} did {self.event.symbol!r}"
        if leading == "gap" and self.gap_s is not None and self.usual_gap_s is not None:
            return f"{did} {self.gap_s:.3g} s after the last time, usual is about {self.usual_gap_s:.3g} s"
        if leading in ("marks", "joint") and self.fields:
            field = self.fields[0]
            actual = "no value" if field.actual is None else repr(field.actual)
            return (
                f"{did} with {field.mark.field} {actual}, expected {field.expected} given {field.mark.given}"
            )
        if not self.known_entity:
            return f"{did}, and was never met in the clean events"
        after = f" after {' > '.join(map(repr, self.context))}" if self.context else ""
        expected = " or ".join(f"{symbol!r} ({chance:.0%})" for symbol, chance in self.expected_symbols)
        return f"{did}{after} (p = {self.symbol_probability:.2g}), expected {expected}"


def explain_event(reference: EventReference, moment: Moment) -> EventExplanation:
    """Explain one event against a reference."""
    model, event = reference.model, moment.event
    contexts = sequence_contexts(moment.context)
    split = len(EVENT_COMPONENTS)
    gap_s = None
    if moment.last_same_ns is not None:
        gap_s = max(event.timestamp_ns - moment.last_same_ns, 0) / NANOSECONDS_PER_SECOND
    usual = model.gaps.likeliest(gap_contexts(event), 1)
    return EventExplanation(
        event=event,
        event_evidence=_evidence(reference, EVENT_COMPONENTS, moment.energies[:split]),
        entity_evidence=_evidence(reference, ENTITY_COMPONENTS, moment.energies[split:]),
        context=moment.context,
        symbol_probability=model.sequences.probability(contexts, event.symbol),
        expected_symbols=_alternatives(model.sequences, contexts, event.symbol),
        gap_s=gap_s,
        usual_gap_s=seconds_of_bin(int(str(usual[0][0]))) if usual else None,
        known_entity=model.habits.knows((event.entity,)),
        fields=_fields(model, event),
        event_surprise=_surprise(reference.event_branch, moment.energies[:split]),
        entity_surprise=_surprise(reference.entity_branch, moment.energies[split:]),
    )


def _surprise(branch: Branch, energies: tuple[float | None, ...]) -> float:
    return branch.final.nats(branch.score(energies))


def _evidence(
    reference: EventReference, names: tuple[str, ...], energies: tuple[float | None, ...]
) -> tuple[ComponentEvidence, ...]:
    branch = reference.event_branch if names == EVENT_COMPONENTS else reference.entity_branch
    found = [
        ComponentEvidence(name, share, energy, None if tail is None else tail.median)
        for name, share, energy, tail in zip(
            names, branch.shares(energies), energies, branch.tails, strict=True
        )
    ]
    return tuple(sorted(found, key=lambda evidence: -evidence.share))


def _alternatives(
    table: BackoffCounts, contexts: list[Context], symbol: str
) -> tuple[tuple[str, float], ...]:
    likely = table.likeliest(contexts, ALTERNATIVES_SHOWN + 1)
    return tuple((str(other), chance) for other, chance in likely if other != symbol)[:ALTERNATIVES_SHOWN]


def _fields(model: EventModel, event: Event) -> tuple[FieldEvidence, ...]:
    return tuple(
        FieldEvidence(mark, event.fields.get(mark.field), model.marks.expected(event, mark.field))
        for mark in model.marks.explain(event)[:FIELDS_SHOWN]
    )
