"""What people have said about a stream, in order, so that a process that starts again comes to the same state.

Each entry is bound to a reference and to the last sample that had been scored when it was given. Reading a stream
anew scores up to that sample, takes the entry and goes on: readings, tickets and regimes are then those of before.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from industriverse.eil.feedback import Verdict
from industriverse.storage import open_durable

__all__ = [
    "CarriedVerdictEntry",
    "ConditionsEntry",
    "JournalEntry",
    "ShiftEntry",
    "StreamJournal",
    "VerdictEntry",
    "WorkEntry",
]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, reference TEXT NOT NULL,
    after_ns INTEGER NOT NULL, content TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entry_of_reference ON entry (stream, reference, sequence);
"""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VerdictEntry(_Entry):
    """A verdict on a ticket: one component, for a time."""

    kind: Literal["verdict"] = "verdict"
    ticket: str
    verdict: Verdict
    component: str
    hold_s: float
    by: str


class CarriedVerdictEntry(_Entry):
    """A verdict on a ticket of an earlier reference, which still holds under this one."""

    kind: Literal["carried_verdict"] = "carried_verdict"
    ticket: str
    verdict: Verdict
    component: str
    surprise: float
    hold_s: float
    by: str


class ShiftEntry(_Entry):
    """A regime in quarantine admitted or refused."""

    kind: Literal["shift"] = "shift"
    shift: str
    admitted: bool
    by: str


class WorkEntry(_Entry):
    """Planned work, announced before or after it moved the stream."""

    kind: Literal["work"] = "work"
    order: str
    start_ns: int
    stop_ns: int
    channels: tuple[str, ...]
    by: str


class ConditionsEntry(_Entry):
    """What admits a regime without a person: limits of every channel, kept for a time."""

    kind: Literal["conditions"] = "conditions"
    limits: dict[str, tuple[float, float]]
    probation_s: float
    by: str


JournalEntry = VerdictEntry | CarriedVerdictEntry | ShiftEntry | WorkEntry | ConditionsEntry
_READER: TypeAdapter[JournalEntry] = TypeAdapter(Annotated[JournalEntry, Field(discriminator="kind")])


class StreamJournal:
    """The entries of all streams.

    Args:
        path: SQLite file, created if missing; write-ahead log, synchronous FULL.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_durable(path, _SCHEMA)

    def append(self, stream: str, reference: str, after_ns: int, entry: JournalEntry) -> None:
        """Keep an entry.

        Args:
            stream: Name of the stream.
            reference: Digest of the reference that it is about.
            after_ns: Time of the last sample scored before it was given, nanoseconds since 1970-01-01 UTC.
            entry: What was said.
        """
        self._connection.execute(
            "INSERT INTO entry (stream, reference, after_ns, content) VALUES (?, ?, ?, ?)",
            (stream, reference, after_ns, entry.model_dump_json()),
        )

    def entries(self, stream: str, reference: str) -> list[tuple[int, JournalEntry]]:
        """Entries on a reference in the order in which they were given, each with its ``after_ns``."""
        rows = self._connection.execute(
            "SELECT after_ns, content FROM entry WHERE stream = ? AND reference = ? ORDER BY sequence",
            (stream, reference),
        )
        return [(after_ns, _READER.validate_json(content)) for after_ns, content in rows]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
