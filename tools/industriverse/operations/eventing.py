"""Event streams that are watched: raw events on disk, habits once learned, a live detector in memory.

Like streams of samples, they are read anew by a process that starts again; scoring is deterministic, so it comes to
the same readings and the same tickets.
"""

import hashlib
import json
import sqlite3
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from industriverse.eil.errors import EilError, RegimeError
from industriverse.eil.events.detector import EventDetector
from industriverse.eil.events.reference import EventReference
from industriverse.eil.events.relief import EventVerdict
from industriverse.eil.events.watch import EventTicket, EventWatcher, EventWatchSummary
from industriverse.operations.costs import count_steps
from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.journal import JournalEntry, StreamJournal, VerdictEntry
from industriverse.signals import NANOSECONDS_PER_SECOND
from industriverse.signals.events import Event, TemplateMiner
from industriverse.storage import open_durable

__all__ = ["EventStore", "EventStreams", "EventsLearned", "LiveEvents"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, identity TEXT NOT NULL,
    timestamp_ns INTEGER NOT NULL, entity TEXT NOT NULL, symbol TEXT NOT NULL, fields TEXT NOT NULL,
    UNIQUE (stream, identity)
) STRICT;
"""
TICKETS_KEPT = 500


@dataclass(frozen=True, slots=True)
class EventsLearned:
    """What was learned from clean events.

    Attributes:
        reference: The habits.
        relearned: False if this very reference was there already.
        dropped: Verdicts that held and no longer do: they were about tickets of the old habits.
    """

    reference: EventReference
    relearned: bool
    dropped: tuple[str, ...] = ()


class EventStore:
    """Raw events by stream in the order of arrival. Sending the same batch again changes nothing.

    Args:
        path: SQLite file, created if missing; write-ahead log, synchronous FULL.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_durable(path, _SCHEMA)

    def names(self) -> tuple[str, ...]:
        """Streams, sorted by name."""
        return tuple(
            name for (name,) in self._connection.execute("SELECT DISTINCT stream FROM event ORDER BY stream")
        )

    def holds(self, stream: str) -> bool:
        """Whether there is a stream of this name."""
        found = self._connection.execute("SELECT 1 FROM event WHERE stream = ? LIMIT 1", (stream,)).fetchone()
        return found is not None

    def append(self, stream: str, events: Sequence[Event]) -> list[Event]:
        """Store events and return those that were new, in order.

        Events that are equal in everything count as often as one batch holds them.
        """
        seen: Counter[str] = Counter()
        new = []
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for event in events:
                fields = json.dumps(dict(event.fields), sort_keys=True)
                content = f"{event.timestamp_ns}\n{event.entity}\n{event.symbol}\n{fields}"
                identity = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()
                seen[content] += 1
                added = self._connection.execute(
                    "INSERT OR IGNORE INTO event (stream, identity, timestamp_ns, entity, symbol, fields) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (stream, identity, event.timestamp_ns, event.entity, event.symbol, fields),
                )
                if added.rowcount:
                    new.append(event)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return new

    def events(self, stream: str, *, after: int = 0, last: int | None = None) -> list[Event]:
        """Events of a stream in the order of arrival.

        Args:
            stream: Name of the stream.
            after: How many of the first to leave out.
            last: Keep at most this many of those that follow.

        Raises:
            NotFoundError: If there is no such stream.
        """
        rows = self._connection.execute(
            "SELECT timestamp_ns, entity, symbol, fields FROM event WHERE stream = ? ORDER BY sequence "
            "LIMIT ? OFFSET ?",
            (stream, -1 if last is None else last, after),
        ).fetchall()
        if not rows and stream not in self.names():
            known = ", ".join(self.names()) or "none yet"
            raise NotFoundError(
                f"no stream of events {stream[:80]!r}", hint=f"streams of events are: {known}"
            )
        return [Event(ns, entity, symbol, json.loads(fields)) for ns, entity, symbol, fields in rows]

    def count(self, stream: str) -> int:
        """Number of stored events of a stream."""
        row = self._connection.execute("SELECT count(*) FROM event WHERE stream = ?", (stream,)).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class LiveEvents:
    """A detector that follows one stream of events.

    Args:
        stream: Name of the stream.
        reference: Its habits.

    Attributes:
        last_ns: Time of the latest event scored, 0 before the first.
        tickets_are_kept: Whether the tickets found when the stream was read anew are known to be stored.
        not_taken: Entries that could not be taken when the stream was read anew, with the reason.
    """

    def __init__(self, stream: str, reference: EventReference) -> None:
        self.reference = reference
        self._watcher = EventWatcher(EventDetector.from_reference(reference), stream)
        self._tickets: deque[EventTicket] = deque(maxlen=TICKETS_KEPT)
        self._events = 0
        self.last_ns = 0
        self.tickets_are_kept = False
        self.not_taken: tuple[str, ...] = ()

    def feed(self, events: Sequence[Event]) -> list[EventTicket]:
        """Score the next events."""
        count_steps(len(events))
        _, tickets = self._watcher.feed(events)
        self._tickets.extend(tickets)
        self._events += len(events)
        self.last_ns = max([self.last_ns, *(event.timestamp_ns for event in events)])
        return tickets

    def replay(self, events: Sequence[Event], entries: Sequence[tuple[int, JournalEntry]]) -> None:
        """Score stored events anew, taking each entry after the number of events after which it was given."""
        start = 0
        for after, entry in entries:
            self.feed(events[start:after])
            start = max(start, after)
            try:
                self.take(entry)
            except EilError as error:
                self.not_taken += (f"{entry.kind} of {entry.by}: {error}",)
        self.feed(events[start:])

    def take(self, entry: JournalEntry) -> None:
        """Let a verdict on a ticket silence one component of its entity for a time.

        Raises:
            RegimeError: If the stream raised no such ticket lately.
            FeedbackError: If the component is unknown or the expiry too far.
        """
        if isinstance(entry, VerdictEntry):
            self._watcher.relief.add(
                EventVerdict(
                    entry.ticket, entry.verdict, self.entity_of(entry.ticket), entry.component,
                    self.last_ns, self.last_ns + round(entry.hold_s * NANOSECONDS_PER_SECOND),
                )
            )  # fmt: skip

    def ticket(self, ticket_id: str) -> EventTicket:
        """One of the latest tickets.

        Raises:
            RegimeError: If the stream raised no such ticket lately.
        """
        for known in reversed(self._tickets):
            if known.id == ticket_id:
                return known
        raise RegimeError(f"no ticket {ticket_id[:40]!r} of this stream", hint="name one of its tickets")

    def entity_of(self, ticket_id: str) -> str:
        """Who raised a ticket."""
        return self.ticket(ticket_id).entity

    def surprises_of(self, ticket_id: str) -> dict[str, float]:
        """Part of each component in a ticket's score, nats, that of the leading score first, largest first."""
        explained = self.ticket(ticket_id).explanation
        parts = [explained.event_evidence, explained.entity_evidence]
        if explained.entity_surprise > explained.event_surprise:
            parts.reverse()
        return {part.component: part.share for evidence in parts for part in evidence if part.share > 0.0}

    @property
    def events(self) -> int:
        """Number of events scored since the reference."""
        return self._events

    @property
    def feedback(self) -> tuple[EventVerdict, ...]:
        """Verdicts that hold at the latest event, oldest first."""
        return self._watcher.relief.in_force(self.last_ns)

    @property
    def tickets(self) -> tuple[EventTicket, ...]:
        """The latest tickets since the reference, oldest first."""
        return tuple(self._tickets)

    def summary(self) -> EventWatchSummary:
        """Promised and realised ticket rates."""
        return self._watcher.summary()


class EventStreams:
    """The event streams of one installation.

    Args:
        folder: Where events and references are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.store = EventStore(folder / "events.sqlite")
        self._journal = StreamJournal(folder / "journal.sqlite")
        self._folder = folder / "references"
        self._live: dict[str, LiveEvents] = {}
        self._miners: dict[str, TemplateMiner] = {}

    def miner(self, stream: str) -> TemplateMiner:
        """What names the log lines of a stream: it has read every line of it, in the order of arrival."""
        if stream not in self._miners:
            miner = TemplateMiner()
            if stream in self.store.names():
                for event in self.store.events(stream):
                    message = event.fields.get("message")
                    if isinstance(message, str):
                        miner.learn(message)
            self._miners[stream] = miner
        return self._miners[stream]

    def ingest(self, stream: str, events: Sequence[Event]) -> tuple[int, list[EventTicket]]:
        """Keep events and score the new ones; returns how many were new, and the tickets that they raise."""
        live = self.live(stream)
        new = self.store.append(stream, events)
        return len(new), [] if live is None or not new else live.feed(new)

    def learn(self, stream: str, clean_events: int | None, budget_per_day: float) -> EventsLearned:
        """Learn the habits of a stream from its first events.

        Args:
            stream: Name of the stream.
            clean_events: How many of its first events are clean; None for all stored ones.
            budget_per_day: False tickets accepted per day.

        Raises:
            NotFoundError: If there is no such stream.
            OperationError: If there are fewer events than asked for.
            EventFitError: If the events are too few or span no time.
        """
        clean = self.store.events(stream, last=clean_events)
        if clean_events is not None and len(clean) < clean_events:
            raise OperationError(
                f"stream {stream!r} holds {len(clean)} events, not {clean_events}",
                hint="send more events or ask for fewer",
            )
        known = self._reference(stream)
        if (
            known is not None
            and known.clean_events == len(clean)
            and known.calibration.budget_per_day == budget_per_day
        ):
            return EventsLearned(known, relearned=False)
        count_steps(2 * len(clean))
        reference = EventDetector(budget_per_day).fit(clean).reference
        self._folder.mkdir(parents=True, exist_ok=True)
        live = None if known is None else self.live(stream)
        held = () if live is None else live.feedback
        reference.save(self._path(stream))
        self._live.pop(stream, None)
        dropped = tuple(f"{e.verdict} on {e.ticket} ({e.component} of {e.entity!r})" for e in held)
        return EventsLearned(reference, relearned=True, dropped=dropped)

    def live(self, stream: str) -> LiveEvents | None:
        """The live detector of a stream, None if nothing was learned yet."""
        if stream not in self._live:
            reference = self._reference(stream)
            if reference is None:
                return None
            live = LiveEvents(stream, reference)
            live.replay(
                self.store.events(stream, after=reference.clean_events),
                self._journal.entries(stream, reference.digest),
            )
            self._live[stream] = live
        return self._live[stream]

    def tell(self, stream: str, entry: JournalEntry) -> None:
        """Take a person's word on a ticket of a stream, and keep it.

        Raises:
            NotFoundError: If there is no such stream or nothing was learned from it.
            EilError: If the entry cannot be taken; then nothing is kept.
        """
        live = self.watched(stream)
        live.take(entry)
        try:
            # Events may come out of the order of time; their number says after which one a word was given.
            self._journal.append(stream, live.reference.digest, live.events, entry)
        except sqlite3.Error:
            del self._live[stream]
            raise

    def watched(self, stream: str) -> LiveEvents:
        """The live detector of a stream whose habits are known.

        Raises:
            NotFoundError: If there is no such stream or nothing was learned from it.
        """
        live = self.live(stream)
        if live is None:
            self.store.events(stream, last=1)
            raise NotFoundError(
                f"the habits of stream {stream!r} are not known yet",
                hint="call signal_learn_events on clean events",
            )
        return live

    def close(self) -> None:
        """Close the files."""
        self._journal.close()
        self.store.close()

    def _reference(self, stream: str) -> EventReference | None:
        path = self._path(stream)
        return EventReference.load(path) if path.exists() else None

    def _path(self, stream: str) -> Path:
        # Names come from callers; a digest means nothing to the file system and is never too long for it.
        return self._folder / f"{hashlib.sha256(stream.encode()).hexdigest()[:32]}.json"
