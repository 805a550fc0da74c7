"""Tasks on disk: what was asked for, by whom, and what came of it."""

import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from industriverse.storage import open_durable

__all__ = ["ENDED", "TaskRecord", "TaskStatus", "TaskStore"]

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]
ENDED = frozenset({"completed", "failed", "cancelled"})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL, status TEXT NOT NULL,
    message TEXT NOT NULL, created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, ttl_ms INTEGER NOT NULL,
    result TEXT, error TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS task_by_owner ON task (owner, status);
"""
_COLUMNS = "id, owner, tool, arguments, status, message, created_ns, updated_ns, ttl_ms, result, error"


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as it is on disk.

    Attributes:
        id: Hard to guess.
        owner: Identity of the principal that asked for it; nobody else ever sees it.
        tool: What is called.
        arguments: With what.
        status: As the protocol names it.
        message: How far it is, or why it ended.
        created_ns: Nanoseconds since 1970-01-01 UTC.
        updated_ns: The same.
        ttl_ms: How long it is kept after it was created.
        result: The tool's result, once completed.
        error: The protocol error that ended it.
    """

    id: str
    owner: str
    tool: str
    arguments: dict[str, Any]
    status: TaskStatus
    message: str
    created_ns: int
    updated_ns: int
    ttl_ms: int
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in ENDED

    def expired(self, now_ns: int) -> bool:
        """Whether it is to be forgotten."""
        return now_ns > self.created_ns + self.ttl_ms * 1_000_000


def _loaded(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _dumped(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


class TaskStore:
    """Tasks in one SQLite file.

    Args:
        path: Created if missing; write-ahead log, synchronous FULL.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = open_durable(path, _SCHEMA)

    def save(self, record: TaskRecord) -> None:
        """Write a task, new or changed; a task that has ended stays as it is."""
        values = (
            record.id,
            record.owner,
            record.tool,
            json.dumps(record.arguments),
            record.status,
            record.message,
            record.created_ns,
            record.updated_ns,
            record.ttl_ms,
            _dumped(record.result),
            _dumped(record.error),
        )
        with self._lock:
            self._connection.execute(
                "INSERT INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "status = excluded.status, message = excluded.message, updated_ns = excluded.updated_ns, "
                "result = excluded.result, error = excluded.error "
                "WHERE task.status NOT IN ('completed', 'failed', 'cancelled')",
                values,
            )

    def find(self, task_id: str, owner: str, now_ns: int) -> TaskRecord | None:
        """A task of an owner, None if there is none or it is another's."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM task WHERE id = ? AND owner = ?",  # noqa: S608
                (task_id, owner),
            ).fetchone()
        if row is None:
            return None
        record = TaskRecord(*row)
        record = replace(
            record,
            arguments=_loaded(row[3]) or {},
            result=_loaded(row[9]),
            error=_loaded(row[10]),
        )
        return None if record.expired(now_ns) else record

    def unfinished(self, owner: str | None = None) -> int:
        """How many tasks have not ended, of one owner or of all."""
        query = "SELECT count(*) FROM task WHERE status IN ('working', 'input_required')"
        with self._lock:
            if owner is None:
                row = self._connection.execute(query).fetchone()
            else:
                row = self._connection.execute(f"{query} AND owner = ?", (owner,)).fetchone()
        return int(row[0])

    def forget(self, now_ns: int) -> None:
        """Delete what has outlived its time."""
        with self._lock:
            self._connection.execute("DELETE FROM task WHERE created_ns + ttl_ms * 1000000 < ?", (now_ns,))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
