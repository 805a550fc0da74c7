"""The audit log: every call, who made it and what came of it, each entry chained to the one before."""

import hashlib
import json
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path

from prometheus_client import Counter, Gauge

from industriverse.operations.errors import AuditBrokenError
from industriverse.storage import open_durable

__all__ = ["GENESIS", "AuditEntry", "AuditLog", "AuditPage", "AuditRecord", "entry_hash", "verify_audit"]

GENESIS = bytes(32)
"""What the first entry is chained to."""

GATHER_S = 0.05
"""How long entries of calls that changed nothing wait for company, so that many share one write to disk."""

_WAITING_LIMIT = 10_000

_ENTRIES = Counter("industriverse_audit_entries", "Entries written to the audit log")
_WAITING = Gauge("industriverse_audit_waiting_entries", "Audit entries that are not on disk yet")
_COMMITS = Counter("industriverse_audit_commits", "Writes of the audit log to disk")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, principal TEXT NOT NULL, tenant TEXT NOT NULL,
    operation TEXT NOT NULL, arguments_sha256 TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    micro_ceu INTEGER NOT NULL, trace_id TEXT NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS entry_stays BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entry_is_kept BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE INDEX IF NOT EXISTS entry_by_principal ON entry (principal, sequence);
CREATE INDEX IF NOT EXISTS entry_by_operation ON entry (operation, sequence);
CREATE INDEX IF NOT EXISTS entry_by_trace ON entry (trace_id, sequence);
"""
_COLUMNS = (
    "sequence, time_ns, principal, tenant, operation, arguments_sha256, outcome, reason, micro_ceu, trace_id"
)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call, or the beginning of one that changes something.

    Attributes:
        time_ns: Nanoseconds since 1970-01-01 UTC.
        principal: Who called.
        tenant: Whose stores.
        operation: Name of the verb.
        arguments_sha256: SHA-256 of the arguments as JSON, hexadecimal; the arguments are not kept.
        outcome: ``began``, ``done``, ``refused``, ``asked``, ``cancelled`` or ``crashed``.
        reason: Kind of the error of a call that was refused, else empty.
        micro_ceu: What the call cost.
        trace_id: W3C trace id of the request.
    """

    time_ns: int
    principal: str
    tenant: str
    operation: str
    arguments_sha256: str
    outcome: str
    reason: str
    micro_ceu: int
    trace_id: str


_FIELDS = tuple(field.name for field in fields(AuditEntry))


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry with its place in the chain; ``hash`` is hexadecimal."""

    sequence: int
    entry: AuditEntry
    hash: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first, and the sequence to go on from, 0 if there are no more."""

    records: tuple[AuditRecord, ...]
    next_before: int


_compact = json.JSONEncoder(separators=(",", ":")).encode
_values_of = attrgetter(*_FIELDS)


def _values(entry: AuditEntry) -> tuple[int | str, ...]:
    values: tuple[int | str, ...] = _values_of(entry)
    return values


def entry_hash(previous: bytes, sequence: int, entry: AuditEntry) -> bytes:
    """SHA-256 over the hash before it and the JSON list of sequence and fields, in the order of AuditEntry."""
    document = _compact([sequence, *_values(entry)])
    return hashlib.sha256(previous + document.encode("utf-8", "surrogatepass")).digest()


class AuditLog:
    """Appends from any thread; one thread of its own chains the entries and writes them to disk together.

    Args:
        path: SQLite file, created if missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._condition = threading.Condition()
        self._waiting: deque[tuple[AuditEntry, Future[None] | None]] = deque()
        self._urgent = False
        self._writing = False
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name="industriverse-audit", daemon=True)
        # Opened here, so that a file that cannot be used is known before the first call.
        self._connection = open_durable(path, _SCHEMA)
        self._writer.start()

    def post(self, entry: AuditEntry) -> None:
        """Write an entry soon, within about GATHER_S."""
        self._put(entry, None)

    def write(self, entry: AuditEntry) -> "Future[None]":
        """Write an entry now; the future is done when it is on disk."""
        written: Future[None] = Future()
        self._put(entry, written)
        return written

    def flush(self) -> None:
        """Wait until every entry so far is on disk."""
        with self._condition:
            self._urgent = bool(self._waiting)
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._waiting and not self._writing)

    def _put(self, entry: AuditEntry, written: "Future[None] | None") -> None:
        with self._condition:
            if self._closed:
                raise AuditBrokenError("the audit log is closed", hint="the platform is shutting down")
            # Losing entries is worse than being slow: callers wait while the disk is behind.
            self._condition.wait_for(lambda: len(self._waiting) < _WAITING_LIMIT)
            self._waiting.append((entry, written))
            self._urgent = self._urgent or written is not None
            if written is not None or len(self._waiting) == 1:
                self._condition.notify_all()

    def _write_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closed)
                self._condition.wait_for(lambda: self._urgent or self._closed, timeout=GATHER_S)
                batch = tuple(self._waiting)
                self._waiting.clear()
                self._urgent = False
                self._writing = True
                self._condition.notify_all()
                if not batch and self._closed:
                    return
            self._commit(batch)
            with self._condition:
                self._writing = False
                self._condition.notify_all()

    def _commit(self, batch: tuple[tuple[AuditEntry, "Future[None] | None"], ...]) -> None:
        _WAITING.set(len(batch))
        try:
            self._append([entry for entry, _ in batch])
        except Exception as error:
            for _, written in batch:
                if written is not None:
                    written.set_exception(error)
            return
        finally:
            _WAITING.set(0)
        _COMMITS.inc()
        _ENTRIES.inc(len(batch))
        for _, written in batch:
            if written is not None:
                written.set_result(None)

    def _append(self, entries: list[AuditEntry]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            sequence, previous = self._head()
            rows = []
            for entry in entries:
                sequence += 1
                previous = entry_hash(previous, sequence, entry)
                rows.append((sequence, *_values(entry), previous))
            self._connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _head(self) -> tuple[int, bytes]:
        row = self._connection.execute(
            "SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return (0, GENESIS) if row is None else (row[0], row[1])

    def search(
        self,
        *,
        principal: str | None = None,
        operation: str | None = None,
        outcome: str | None = None,
        trace_id: str | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> AuditPage:
        """Entries that fit every filter that is given, newest first.

        Args:
            principal: Who called.
            operation: Name of the verb.
            outcome: What came of it.
            trace_id: The request that they belong to.
            start_ns: Not before this time.
            stop_ns: Before this time.
            before: Only entries with a smaller sequence.
            limit: At most so many.
        """
        self.flush()
        filters = (
            ("principal = ?", principal),
            ("operation = ?", operation),
            ("outcome = ?", outcome),
            ("trace_id = ?", trace_id),
            ("time_ns >= ?", start_ns),
            ("time_ns < ?", stop_ns),
            ("sequence < ?", before),
        )
        used = [(clause, value) for clause, value in filters if value is not None]
        where = " AND ".join(clause for clause, _ in used) or "TRUE"
        query = f"SELECT {_COLUMNS}, hash FROM entry WHERE {where} ORDER BY sequence DESC LIMIT ?"  # noqa: S608
        # A connection of its own: readers never wait for the writer's transaction.
        reader = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        try:
            rows = reader.execute(query, (*(value for _, value in used), limit + 1)).fetchall()
        finally:
            reader.close()
        records = tuple(_record(row) for row in rows[:limit])
        return AuditPage(records, records[-1].sequence if len(rows) > limit else 0)

    def close(self) -> None:
        """Write what waits and close the file."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._writer.join()
        self._connection.close()


def _record(row: tuple[int, int, str, str, str, str, str, str, int, str, bytes]) -> AuditRecord:
    sequence, *fields, digest = row
    return AuditRecord(sequence, AuditEntry(*fields), digest.hex())  # type: ignore[arg-type]


def _rows(path: Path) -> Iterator[AuditRecord]:
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for row in reader.execute(f"SELECT {_COLUMNS}, hash FROM entry ORDER BY sequence"):  # noqa: S608
            yield _record(row)
    finally:
        reader.close()


def verify_audit(path: Path) -> tuple[int, str]:
    """Recompute the chain of an audit file; returns the number of entries and the last hash, hexadecimal.

    A chain cannot tell that its newest entries were cut off: compare number and hash with what was noted before.

    Raises:
        AuditBrokenError: Naming the first entry that does not fit, or if there is no log.
    """
    if not path.exists():
        raise AuditBrokenError(f"no audit log at {path}", hint="name the home of an installation with --home")
    previous, count = GENESIS, 0
    for record in _rows(path):
        count += 1
        previous = entry_hash(previous, record.sequence, record.entry)
        if record.sequence != count or previous.hex() != record.hash:
            raise AuditBrokenError(
                f"audit entry {record.sequence} does not follow from the {count - 1} entries before it",
                hint="the file was altered; compare it with a backup",
            )
    return count, previous.hex()
