"""Durable telemetry: the raw samples of every stream, in one SQLite file."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.times import time_text
from industriverse.signals import Channel, ChannelKind, Frame
from industriverse.storage import open_durable

__all__ = ["TelemetryStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (name TEXT PRIMARY KEY, channels TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sample (
    stream TEXT NOT NULL REFERENCES stream(name), timestamp_ns INTEGER NOT NULL, sample BLOB NOT NULL,
    PRIMARY KEY (stream, timestamp_ns)
) STRICT, WITHOUT ROWID;
"""


def _channels_json(channels: Sequence[Channel]) -> str:
    return json.dumps([asdict(channel) for channel in channels])


def _channels_of(text: str) -> tuple[Channel, ...]:
    return tuple(Channel(**{**entry, "kind": ChannelKind(entry["kind"])}) for entry in json.loads(text))


class TelemetryStore:
    """Samples by stream and time. Appending a sample that is there already changes nothing.

    Args:
        path: SQLite file, created if missing; write-ahead log, synchronous FULL.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_durable(path, _SCHEMA)

    def names(self) -> tuple[str, ...]:
        """Streams, sorted by name."""
        rows = self._connection.execute("SELECT name FROM stream ORDER BY name").fetchall()
        return tuple(name for (name,) in rows)

    def channels(self, stream: str) -> tuple[Channel, ...]:
        """Channels of a stream.

        Raises:
            NotFoundError: If there is no such stream.
        """
        row = self._connection.execute("SELECT channels FROM stream WHERE name = ?", (stream,)).fetchone()
        if row is None:
            known = ", ".join(self.names()) or "none yet"
            raise NotFoundError(f"no stream {stream[:80]!r}", hint=f"streams are: {known}")
        return _channels_of(row[0])

    def append(self, stream: str, frame: Frame) -> int:
        """Store samples and return how many of them were new.

        Samples that are there already are left as they are. A new one must be later than all of them: a
        detector reads a stream in order, and after a restart it must come to what it said before.

        Raises:
            OperationError: If the stream exists with other channels, or a new sample is earlier than its last.
        """
        known = self._connection.execute("SELECT channels FROM stream WHERE name = ?", (stream,)).fetchone()
        if known is not None and _channels_of(known[0]) != frame.channels:
            raise OperationError(
                f"stream {stream!r} has other channels than the samples sent to it",
                hint="send the same channels in the same order, or use a new stream name",
            )
        rows = zip(frame.timestamps_ns.tolist(), frame.values, strict=True)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._refuse_late_samples(stream, frame)
            self._connection.execute(
                "INSERT OR IGNORE INTO stream VALUES (?, ?)", (stream, _channels_json(frame.channels))
            )
            before = self._connection.total_changes
            self._connection.executemany(
                "INSERT OR IGNORE INTO sample VALUES (?, ?, ?)",
                ((stream, timestamp, values.astype("<f8").tobytes()) for timestamp, values in rows),
            )
            added = self._connection.total_changes - before
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return added

    def _refuse_late_samples(self, stream: str, frame: Frame) -> None:
        last = self._connection.execute(
            "SELECT max(timestamp_ns) FROM sample WHERE stream = ?", (stream,)
        ).fetchone()[0]
        if last is None:
            return
        for timestamp in frame.timestamps_ns[frame.timestamps_ns < last].tolist():
            stored = self._connection.execute(
                "SELECT 1 FROM sample WHERE stream = ? AND timestamp_ns = ?", (stream, timestamp)
            ).fetchone()
            if stored is None:
                raise OperationError(
                    f"a sample of {time_text(timestamp)} came after the one of {time_text(last)} "
                    f"that stream {stream!r} ends with",
                    hint="send samples in the order of time",
                )

    def frame(self, stream: str, *, after_ns: int | None = None, last: int | None = None) -> Frame:
        """Samples of a stream in time order.

        Args:
            stream: Name of the stream.
            after_ns: Keep samples later than this time.
            last: Keep at most this many of the latest samples.

        Raises:
            NotFoundError: If there is no such stream.
        """
        channels = self.channels(stream)
        rows = self._connection.execute(
            "SELECT timestamp_ns, sample FROM sample WHERE stream = ? AND timestamp_ns > ? "
            "ORDER BY timestamp_ns DESC LIMIT ?",
            (stream, np.iinfo(np.int64).min if after_ns is None else after_ns, -1 if last is None else last),
        ).fetchall()[::-1]
        values = np.frombuffer(b"".join(sample for _, sample in rows), dtype="<f8")
        timestamps = np.fromiter((timestamp for timestamp, _ in rows), dtype=np.int64, count=len(rows))
        return Frame(timestamps, values.reshape(len(rows), len(channels)), channels)

    def count(self, stream: str) -> int:
        """Number of stored samples of a stream."""
        row = self._connection.execute("SELECT count(*) FROM sample WHERE stream = ?", (stream,)).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
