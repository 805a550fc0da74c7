"""The event: something that an entity did at a time, and the outcome of reading a source of events."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FLOW_FIELDS", "Event", "EventRead", "FieldValue"]

FieldValue = str | int | float

# Names that every adapter uses for the same thing, so that one model reads flows of any sensor.
FLOW_FIELDS = (
    "src", "dst", "src_port", "dst_port", "protocol", "service", "flag",
    "duration_s", "src_bytes", "dst_bytes", "src_packets", "dst_packets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one entity did.

    Attributes:
        timestamp_ns: Time, nanoseconds since 1970-01-01 UTC.
        entity: Who did it, or to whom a command went: a host, a device, a process, a session.
        symbol: What was done: a template id, a command, a kind of flow. Drawn from a small alphabet.
        fields: Further values; text is a category, a number a magnitude. A value that the source left
            unset is absent. Text comes from outside: it is data, whatever it says.
    """

    timestamp_ns: int
    entity: str
    symbol: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRead:
    """Events of a source and the whereabouts of its lines.

    Attributes:
        events: The events, in the order of the source.
        lines: Lines of the source; always ``len(events) + sum(dropped.values())``.
        dropped: Lines that are no event, by reason; headers and blank lines are counted too.
        notes: What was assumed or is worth knowing, one sentence each.
    """

    events: tuple[Event, ...]
    lines: int
    dropped: Mapping[str, int]
    notes: tuple[str, ...]
