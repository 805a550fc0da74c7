"""What is remembered of each entity between its events: a fixed amount, whatever happens.

Bound: an entity holds at most ``DEPTH`` recent symbols, the last times of ``MAXIMUM_LAST`` symbols and seven
numbers. Symbols and entity names are at most 512 characters where the adapters of
:mod:`industriverse.signals.events` made them; with names of 64 bytes an entity takes below 16 KiB. At most
``maximum_entities`` are kept; the one idle longest is forgotten first and is then met as if it were idle.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace

__all__ = ["DEPTH", "MAXIMUM_LAST", "EntityMemory", "EntityState"]

DEPTH = 3
MAXIMUM_LAST = 64


@dataclass(slots=True)
class EntityState:
    """Memory of one entity.

    Attributes:
        recent: Its last symbols, oldest first, at most ``DEPTH``.
        first_ns: Time of its first event.
        last_ns: Time of its last event, None before the first.
        last_of: Time of its last event of each symbol, the most recent ``MAXIMUM_LAST`` symbols.
        pace: Exponentially forgotten count of its events.
        events: Count of its events.
        calm: Unsurprising events since its last surprising one.
        sustained: Exponentially weighted mean of its sequence energy, nats.
        reversal: Exponentially weighted mean of minus the transition work, nats.
    """

    recent: tuple[str, ...] = ()
    first_ns: int = 0
    last_ns: int | None = None
    last_of: OrderedDict[str, int] = field(default_factory=OrderedDict)
    pace: float = 0.0
    events: int = 0
    calm: int = 0
    sustained: float | None = None
    reversal: float | None = None

    def remember(self, symbol: str, timestamp_ns: int) -> None:
        """Take note that the symbol happened."""
        self.recent = (*self.recent, symbol)[-DEPTH:]
        # Logs are not always in order; time, as seen by an entity, never runs back.
        self.last_ns = timestamp_ns if self.last_ns is None else max(self.last_ns, timestamp_ns)
        self.last_of[symbol] = max(self.last_of.get(symbol, timestamp_ns), timestamp_ns)
        self.last_of.move_to_end(symbol)
        if len(self.last_of) > MAXIMUM_LAST:
            self.last_of.popitem(last=False)

    def copy(self) -> "EntityState":
        """An independent copy."""
        return replace(self, last_of=self.last_of.copy())


class EntityMemory:
    """The states of the entities met most recently.

    Args:
        maximum_entities: Entities kept at most.
    """

    def __init__(self, maximum_entities: int) -> None:
        self.maximum_entities = maximum_entities
        self._states: OrderedDict[str, EntityState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def of(self, entity: str) -> EntityState:
        """The state of an entity, fresh if it is not remembered."""
        state = self._states.get(entity)
        if state is None:
            state = self._states[entity] = EntityState()
            if len(self._states) > self.maximum_entities:
                self._states.popitem(last=False)
        else:
            self._states.move_to_end(entity)
        return state

    def copy(self) -> "EntityMemory":
        """An independent copy."""
        twin = EntityMemory(self.maximum_entities)
        twin._states = OrderedDict((entity, state.copy()) for entity, state in self._states.items())
        return twin
