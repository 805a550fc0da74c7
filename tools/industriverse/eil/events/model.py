r"""The clean model of an event stream: the energies of each event, in nats.

=========== =====================================================================================
sequence    ``-ln p(symbol | up to three symbols of the entity before it)``, variable order
gap         ``-ln p(time since this entity last did this)``, half-octave bins, two-sided
rarity      ``-ln p(symbol | entity)``, plus ``-ln`` of the novelty mass for an entity never met
marks       ``-ln p(fields | symbol)``, a tree of conditional surprises
joint       rarity + marks: this entity doing this with these values
pace        ``-ln p(forgetful event count of the entity)``: bursts and lulls
sustained   mean sequence energy of the entity's last 16 events or so
reversal    mean of minus ``ln(p_ij / p_ji)`` over its last 32 events: motion against the clean currents
=========== =====================================================================================

The first five judge the event, the last three the recent course of its entity. An event inside a flood of
others is not blamed for the flood: the two are fused and reported apart. The sequence, gap and mark energies
are the terms of one log-likelihood, that of a marked point process.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from industriverse.eil.events.backoff import BackoffCounts, Context
from industriverse.eil.events.marks import MarkTree
from industriverse.eil.events.production import entropy_production, transition_work
from industriverse.eil.events.state import DEPTH, EntityMemory, EntityState
from industriverse.signals import NANOSECONDS_PER_SECOND
from industriverse.signals.events import Event

__all__ = [
    "COMPONENTS",
    "ENTITY_COMPONENTS",
    "EVENT_COMPONENTS",
    "EventModel",
    "bin_of_seconds",
    "gap_bin",
    "gap_contexts",
    "seconds_of_bin",
    "sequence_contexts",
]

EVENT_COMPONENTS: Final = ("sequence", "gap", "rarity", "marks", "joint")
ENTITY_COMPONENTS: Final = ("pace", "sustained", "reversal")
COMPONENTS: Final = EVENT_COMPONENTS + ENTITY_COMPONENTS
SUSTAINED_RATE: Final = 1.0 / 16.0
CALM_EVENTS: Final = 6
CALM_NATS: Final = 1.0  # a symbol of probability 1/e or more is calm, however regular the stream
DRAIN: Final = 0.25
REVERSAL_RATE: Final = 1.0 / 32.0
MAXIMUM_TRANSITIONS: Final = 50_000
PACE_GAPS: Final = 16.0  # memory of the pace in typical gaps, and events before it is judged


class EventModel:
    """Counts of clean events and the energies that follow from them.

    Args:
        sequences: Symbols after symbols.
        gaps: Gap bins by symbol and entity.
        habits: Symbols by entity.
        paces: Pace bins by entity.
        marks: Fields by symbol.
        transitions: Counts of symbol pairs of one entity.
        pace_time_s: Memory of the pace, seconds.
        rest: Sustained and reversal energy of an entity of which nothing is known yet, nats.
    """

    def __init__(
        self,
        *,
        sequences: BackoffCounts,
        gaps: BackoffCounts,
        habits: BackoffCounts,
        paces: BackoffCounts,
        marks: MarkTree,
        transitions: Mapping[tuple[Hashable, Hashable], int],
        pace_time_s: float,
        rest: tuple[float, float],
    ) -> None:
        self.sequences = sequences
        self.gaps = gaps
        self.habits = habits
        self.paces = paces
        self.marks = marks
        self.transitions = dict(transitions)
        self.pace_time_s = pace_time_s
        self.rest = rest

    @classmethod
    def fit(cls, events: Sequence[Event], *, maximum_entities: int) -> "EventModel":
        """Learn from clean events in time order."""
        model = cls(
            sequences=BackoffCounts(),
            gaps=BackoffCounts(),
            habits=BackoffCounts(),
            paces=BackoffCounts(),
            marks=MarkTree.fit(events),
            transitions={},
            pace_time_s=_pace_time_s(events),
            rest=(0.0, 0.0),
        )
        foreseen = []
        memory = EntityMemory(maximum_entities)
        transitions: Counter[tuple[Hashable, Hashable]] = Counter()
        for row, event in enumerate(events):
            state = memory.of(event.entity)
            if state.recent:
                pair = (state.recent[-1], event.symbol)
                if pair in transitions or len(transitions) < MAXIMUM_TRANSITIONS:
                    transitions[pair] += 1
            contexts = sequence_contexts(state.recent)
            if 2 * row >= len(events) and len(state.recent) == DEPTH:
                foreseen.append(-math.log(model.sequences.probability(contexts, event.symbol)))
            model.sequences.learn(contexts, event.symbol)
            gap, pace = gap_bin(event, state.last_of.get(event.symbol)), model._advance_pace(event, state)
            if gap is not None:
                model.gaps.learn(gap_contexts(event), gap)
            model.habits.learn(_entity_contexts(event), event.symbol)
            if pace is not None:
                model.paces.learn(_entity_contexts(event), pace)
            state.remember(event.symbol, event.timestamp_ns)
        model.transitions = dict(transitions)
        model.rest = (float(np.mean(foreseen)) if foreseen else 0.0, -entropy_production(transitions))
        return model

    def step(self, event: Event, state: EntityState) -> list[float | None]:
        """Energies of an event in the order of :data:`COMPONENTS`, and take note of it.

        A component is None where it says nothing: a sequence before the entity has done enough to be a
        context, a gap before the second event of its kind, a pace before the entity has had 16 events, a
        reversal before its second.
        """
        sequence = None
        if len(state.recent) == DEPTH:
            sequence = -math.log(self.sequences.probability(sequence_contexts(state.recent), event.symbol))
            self._sustain(state, sequence)
        gap = self._energy(self.gaps, gap_contexts(event), gap_bin(event, state.last_of.get(event.symbol)))
        pace = self._energy(self.paces, _entity_contexts(event), self._advance_pace(event, state))
        reversal = None
        if state.recent:
            against = -transition_work(self.transitions, state.recent[-1], event.symbol)
            reversal = state.reversal = _blend(state.reversal, self.rest[1], against, REVERSAL_RATE)
        rarity, marks = self.rarity(event), self.marks.energy(event)
        state.remember(event.symbol, event.timestamp_ns)
        return [sequence, gap, rarity, marks, rarity + marks, pace, state.sustained, reversal]

    def _sustain(self, state: EntityState, sequence: float) -> None:
        """Long memory raises false alarms after an event is over: once calm, the level drains."""
        rest = self.rest[0]
        state.calm = state.calm + 1 if sequence <= max(rest, CALM_NATS) else 0
        state.sustained = _blend(state.sustained, rest, sequence, SUSTAINED_RATE)
        if state.calm >= CALM_EVENTS and state.sustained > rest:
            state.sustained += DRAIN * (rest - state.sustained)

    @staticmethod
    def _energy(table: BackoffCounts, contexts: list[Context], symbol: int | None) -> float | None:
        return None if symbol is None else -math.log(table.probability(contexts, symbol))

    def rarity(self, event: Event) -> float:
        """Energy of this entity doing this, nats."""
        contexts = _entity_contexts(event)
        energy = -math.log(self.habits.probability(contexts, event.symbol))
        return energy if self.habits.knows(contexts[1]) else energy + self.entity_novelty

    @property
    def entity_novelty(self) -> float:
        """``-ln`` of the probability that an event comes from an entity never met, nats."""
        entities = max(len(self.habits) - 1, 1)
        return -math.log(entities / (self.habits.total(()) + entities))

    def _advance_pace(self, event: Event, state: EntityState) -> int | None:
        """Half-octave bin of the forgetful count, as it would be had the entity always gone on like this."""
        if state.last_ns is None:
            state.first_ns = event.timestamp_ns
        else:
            idle_s = max(event.timestamp_ns - state.last_ns, 0) / NANOSECONDS_PER_SECOND
            state.pace *= math.exp(-idle_s / self.pace_time_s)
        state.pace += 1.0
        state.events += 1
        if state.events < PACE_GAPS:
            return None
        seen_s = max(event.timestamp_ns - state.first_ns, 1) / NANOSECONDS_PER_SECOND
        seen_s *= state.events / (state.events - 1)
        return math.floor(2.0 * math.log2(state.pace / -math.expm1(-seen_s / self.pace_time_s)))

    def state(self) -> dict[str, Any]:
        """Everything learnt, as JSON-ready values."""
        return {
            "sequences": self.sequences.state(),
            "gaps": self.gaps.state(),
            "habits": self.habits.state(),
            "paces": self.paces.state(),
            "marks": self.marks.state(),
            "transitions": [[before, after, count] for (before, after), count in self.transitions.items()],
            "pace_time_s": self.pace_time_s,
            "rest": list(self.rest),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "EventModel":
        """Rebuild from :meth:`state`."""
        return cls(
            sequences=BackoffCounts.from_state(state["sequences"]),
            gaps=BackoffCounts.from_state(state["gaps"]),
            habits=BackoffCounts.from_state(state["habits"]),
            paces=BackoffCounts.from_state(state["paces"]),
            marks=MarkTree.from_state(state["marks"]),
            transitions={(before, after): int(count) for before, after, count in state["transitions"]},
            pace_time_s=float(state["pace_time_s"]),
            rest=(float(state["rest"][0]), float(state["rest"][1])),
        )


def sequence_contexts(recent: tuple[str, ...]) -> list[Context]:
    """The contexts of the next symbol, from none to the last ``DEPTH`` symbols."""
    return [recent[len(recent) - length :] for length in range(min(DEPTH, len(recent)) + 1)]


def bin_of_seconds(seconds: float) -> int:
    """Half-octave bin of a duration; everything below a microsecond is one bin."""
    return math.floor(2.0 * math.log2(max(seconds, 1e-6)))


def seconds_of_bin(half_octave: int) -> float:
    """Middle of a half-octave bin, seconds."""
    return float(2.0 ** ((half_octave + 0.5) / 2.0))


def gap_bin(event: Event, last_ns: int | None) -> int | None:
    """Bin of the time since the entity last did this; None the first time, the lowest bin if out of order."""
    if last_ns is None:
        return None
    return bin_of_seconds((event.timestamp_ns - last_ns) / NANOSECONDS_PER_SECOND)


def gap_contexts(event: Event) -> list[Context]:
    """The contexts of a gap: any, of this symbol, of this symbol and entity."""
    return [(), (event.symbol,), (event.symbol, event.entity)]


def _entity_contexts(event: Event) -> list[Context]:
    return [(), (event.entity,)]


def _blend(level: float | None, rest: float, value: float, rate: float) -> float:
    before = rest if level is None else level
    return before + rate * (value - before)


def _pace_time_s(events: Iterable[Event]) -> float:
    """Sixteen typical gaps between the events of one entity; a second where all are simultaneous."""
    last: dict[str, int] = {}
    gaps_ns = []
    for event in events:
        if event.entity in last:
            gaps_ns.append(event.timestamp_ns - last[event.entity])
        last[event.entity] = event.timestamp_ns
    positive = [gap for gap in gaps_ns if gap > 0]
    typical_s = float(np.median(positive)) / NANOSECONDS_PER_SECOND if positive else 1.0
    return PACE_GAPS * typical_s
