"""A bus topic as a log in SQLite: publish appends, each consumer keeps its own place, nothing is lost in between."""

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from industriverse.shield.errors import CollectorError
from industriverse.storage import open_durable

__all__ = ["BusMessage", "BusTopic"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    topic TEXT NOT NULL, position INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (topic, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS header (
    topic TEXT NOT NULL, position INTEGER NOT NULL, fields TEXT NOT NULL, PRIMARY KEY (topic, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (
    topic TEXT NOT NULL, consumer TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (topic, consumer)
) STRICT, WITHOUT ROWID;
"""
MAXIMUM_PAYLOAD = 1 << 20


@dataclass(frozen=True, slots=True)
class BusMessage:
    """A message with what its publisher said of it.

    Attributes:
        position: Its place in the topic, from 1.
        payload: The message.
        headers: Such as ``traceparent``; lower-case names.
    """

    position: int
    payload: bytes
    headers: Mapping[str, str]


class BusTopic:
    """One topic. Several processes may publish and several consumers may read, each at its own pace.

    Args:
        path: SQLite file, created if missing.
        topic: Name of the topic.

    Raises:
        CollectorError: If the file cannot be opened.
    """

    def __init__(self, path: Path, topic: str) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        try:
            self._connection = open_durable(path, _SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise CollectorError(
                f"cannot open the bus {path} ({error})", hint="give a writable file"
            ) from error

    def publish(self, *payloads: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Append messages in one transaction; the position of the last.

        Args:
            payloads: The messages.
            headers: Said of each of them, such as the trace under which they were made.

        Raises:
            CollectorError: If one is too large.
        """
        large = [len(payload) for payload in payloads if len(payload) > MAXIMUM_PAYLOAD]
        if large:
            raise CollectorError(f"a message of {large[0]} bytes is too large", hint="send at most 1 MiB")
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            last = self._connection.execute(
                "SELECT coalesce(max(position), 0) FROM message WHERE topic = ?", (self._topic,)
            ).fetchone()[0]
            rows = [(self._topic, last + k, payload) for k, payload in enumerate(payloads, start=1)]
            self._connection.executemany("INSERT INTO message VALUES (?, ?, ?)", rows)
            if headers:
                fields = json.dumps(dict(headers))
                said = [(self._topic, position, fields) for _, position, _ in rows]
                self._connection.executemany("INSERT INTO header VALUES (?, ?, ?)", said)
            self._connection.execute("COMMIT")
        return int(last) + len(payloads)

    def read(self, consumer: str, *, most: int) -> list[tuple[int, bytes]]:
        """The next messages of a consumer with their positions."""
        with self._lock:
            return self._connection.execute(
                "SELECT position, payload FROM message WHERE topic = ? AND position > coalesce("
                "(SELECT position FROM place WHERE topic = ? AND consumer = ?), 0) ORDER BY position LIMIT ?",
                (self._topic, self._topic, consumer, most),
            ).fetchall()

    def messages(self, consumer: str, *, most: int) -> list[BusMessage]:
        """The next messages of a consumer with their headers."""
        found = self.read(consumer, most=most)
        if not found:
            return []
        with self._lock:
            rows = self._connection.execute(
                "SELECT position, fields FROM header WHERE topic = ? AND position BETWEEN ? AND ?",
                (self._topic, found[0][0], found[-1][0]),
            ).fetchall()
        headers = {position: json.loads(fields) for position, fields in rows}
        return [BusMessage(position, payload, headers.get(position, {})) for position, payload in found]

    def commit(self, consumer: str, position: int) -> None:
        """Say that a consumer has dealt with everything up to a position."""
        with self._lock:
            self._connection.execute(
                "INSERT INTO place VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position",
                (self._topic, consumer, position),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
