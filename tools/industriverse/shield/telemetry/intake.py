"""The one door for telemetry: a bounded queue with counters that balance, and clocks that need not agree.

For every intake and at any time ``received = scored + dropped + waiting``. A full queue makes pulling collectors
wait and pushing ones be told so; what a datagram loses is counted. A sender whose clock is off is corrected by
its own constant offset, never by the size of a single delay.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from industriverse.shield.errors import CollectorError
from industriverse.shield.telemetry.records import DeadLetters, Record

__all__ = ["LATE", "MALFORMED", "QUEUE_FULL", "Intake", "IntakeCounts"]

MALFORMED = "malformed"
QUEUE_FULL = "queue full"
LATE = "older than the stream"
SKEW_TOLERANCE_S = 2.0
SKEW_WINDOW = 16  # records; the least delay among them is the offset of a clock
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class IntakeCounts:
    """Where the records of an intake are.

    Attributes:
        received: Raw records that arrived.
        scored: Those that reached the stream.
        dropped: Those that will not, by reason.
        waiting: Those in the queue.
        corrected: Records whose time was corrected for a skewed clock.
        reconnects: Times that a collector found its source again.
    """

    received: int
    scored: int
    dropped: dict[str, int]
    waiting: int
    corrected: int
    reconnects: int

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.received == self.scored + sum(self.dropped.values()) + self.waiting


class Intake:
    """Queue between collectors and one stream. Safe to use from several threads.

    Args:
        dead_letters: Where malformed records go.
        clock: Returns nanoseconds since 1970-01-01 UTC.
        capacity: Records that may wait.

    Raises:
        CollectorError: If there is no room for a record.
    """

    def __init__(
        self, dead_letters: DeadLetters, clock: Callable[[], int], *, capacity: int = 10_000
    ) -> None:
        if capacity < 1:
            raise CollectorError(f"capacity is {capacity}", hint="let at least one record wait")
        self._dead_letters = dead_letters
        self._clock = clock
        self._queue: queue.Queue[Record] = queue.Queue(maxsize=capacity)
        self._lock = threading.Lock()
        self._received = self._scored = self._waiting = self._corrected = self._reconnects = 0
        self._dropped: Counter[str] = Counter()
        self._delays: dict[str, list[int]] = {}
        self._offsets: dict[str, int] = {}

    @property
    def room(self) -> int:
        """Records that can be queued now without waiting; a reader takes no more than that."""
        return self._queue.maxsize - self._queue.qsize()

    def offer(self, record: Record, *, wait_s: float | None = None) -> bool:
        """Queue a record.

        Args:
            record: A checked record.
            wait_s: Seconds to wait for room; None waits as long as it takes (back-pressure on a reader).

        Returns:
            Whether there was room. Where there was none the record counts as dropped.
        """
        timed = self._timed(record)
        with self._lock:
            self._received += record.records
            self._waiting += record.records
        try:
            if wait_s is None:
                self._queue.put(timed)
            else:
                self._queue.put(timed, timeout=max(wait_s, 1e-4))
        except queue.Full:
            with self._lock:
                self._waiting -= record.records
                self._dropped[QUEUE_FULL] += record.records
            return False
        return True

    def refuse(self, source: str, reason: str, raw: bytes | str, *, records: int = 1) -> None:
        """Count a malformed record and keep it."""
        self._dead_letters.keep(source, reason, raw)
        with self._lock:
            self._received += records
            self._dropped[MALFORMED] += records

    def take(self, *, most: int, wait_s: float) -> list[Record]:
        """Up to ``most`` records, oldest first; waits up to ``wait_s`` for the first."""
        taken: list[Record] = []
        try:
            taken.append(self._queue.get(timeout=max(wait_s, 1e-4)))
            while len(taken) < most:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            return taken
        return taken

    def settle(self, record: Record, *, dropped: str = "") -> None:
        """Say what became of a record that was taken: scored, or dropped for a reason."""
        with self._lock:
            self._waiting -= record.records
            if dropped:
                self._dropped[dropped] += record.records
            else:
                self._scored += record.records

    def drop(self, source: str, reason: str, records: int = 1) -> None:
        """Count records that never became one, such as blank lines and headers."""
        del source  # named by every caller, so that a count per source can be added in one place
        with self._lock:
            self._received += records
            self._dropped[reason] += records

    def reconnected(self) -> None:
        """Count a source that was found again."""
        with self._lock:
            self._reconnects += 1

    def counts(self) -> IntakeCounts:
        """The counters at one moment."""
        with self._lock:
            return IntakeCounts(
                self._received,
                self._scored,
                dict(self._dropped),
                self._waiting,
                self._corrected,
                self._reconnects,
            )

    def clock_offset_s(self, source: str) -> float:
        """How far a source's clock is ahead of this one, seconds; 0 within the tolerance."""
        with self._lock:
            return -self._offsets.get(source, 0) / NANOSECONDS

    def _timed(self, record: Record) -> Record:
        now = self._clock()
        if record.timestamp_ns is None:
            return replace(record, timestamp_ns=now)
        with self._lock:
            delays = self._delays.setdefault(record.source, [])
            delays.append(now - record.timestamp_ns)
            del delays[:-SKEW_WINDOW]
            # Delays vary and are positive; a clock is off by what even the promptest record shows.
            least = int(np.min(delays))
            tolerance = SKEW_TOLERANCE_S * NANOSECONDS
            known = self._offsets.get(record.source)
            if known is None or abs(least - known) > tolerance:
                self._offsets[record.source] = least if abs(least) > tolerance else 0
            offset = self._offsets[record.source]
            if offset == 0:
                return record
            self._corrected += 1
        return replace(record, timestamp_ns=record.timestamp_ns + offset)


class UnskewedIntake(Intake):
    """An intake for recordings: their times are history and no clock that could be off."""

    def _timed(self, record: Record) -> Record:
        return record if record.timestamp_ns is not None else replace(record, timestamp_ns=self._clock())
