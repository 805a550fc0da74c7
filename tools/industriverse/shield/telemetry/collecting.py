"""Run a collector into a stream: poll with reconnection, align records to channels, hand blocks of rows on."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from industriverse.shield.errors import CollectorError
from industriverse.shield.telemetry.intake import LATE, Intake
from industriverse.shield.telemetry.records import Record
from industriverse.shield.telemetry.sources import Source
from industriverse.signals import Channel, Frame

__all__ = ["Assembler", "collect"]

LONGEST_WAIT_S = 30.0
FIRST_WAIT_S = 0.5
BLOCK_RECORDS = 1024
OTHER_CHANNELS = "no known channel"


@dataclass(frozen=True, slots=True)
class _Row:
    record: Record
    values: list[float]


class Assembler:
    """Rows of fixed channels from records: a value that a record lacks stays as it was for a while, then is missing.

    Args:
        channels: Names in column order; None takes those of the first record.
        hold_records: How many records a value may be carried on.
        last_ns: Time that the stream ends with; records up to it are late.
    """

    def __init__(
        self, channels: tuple[str, ...] | None = None, *, hold_records: int = 3, last_ns: int | None = None
    ) -> None:
        self.channels = channels
        self._hold = hold_records
        self._last_ns = last_ns
        self._values: dict[str, tuple[float, int]] = {}
        self._count = 0
        self.unknown: set[str] = set()

    def row(self, record: Record) -> tuple[int, list[float]] | str:
        """Time and values of the next row, or the reason why the record gives none."""
        if self.channels is None:
            self.channels = tuple(sorted(record.values))
        timestamp_ns = record.timestamp_ns
        assert timestamp_ns is not None  # the intake gives every record a time
        if self._last_ns is not None and timestamp_ns <= self._last_ns:
            return LATE
        known = set(self.channels)
        fitting = {name: value for name, value in record.values.items() if name in known}
        self.unknown.update(name for name in record.values if name not in known)
        if not fitting:
            return OTHER_CHANNELS
        self._count += 1
        for name, value in fitting.items():
            if not math.isnan(value):
                self._values[name] = (value, self._count)
            else:
                self._values.pop(name, None)
        self._last_ns = timestamp_ns
        values = []
        for name in self.channels:
            value, seen = self._values.get(name, (math.nan, -self._hold - 1))
            values.append(value if self._count - seen <= self._hold else math.nan)
        return timestamp_ns, values


def collect(
    source: Source,
    intake: Intake,
    assembler: Assembler,
    sink: Callable[[Frame], None],
    *,
    stop: Callable[[], bool],
    interval_s: float = 1.0,
    follow: bool = True,
    on_trouble: Callable[[CollectorError], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Read a source until told to stop, or to its end where it is not followed.

    A source that cannot be reached is tried again after waits that double up to half a minute. Records that were
    taken are always settled: handed to the sink, or dropped with a reason.

    Args:
        source: Where records come from.
        intake: Queue and counters.
        assembler: Makes rows of records.
        sink: Takes blocks of rows in time order; what it raises ends the run.
        stop: Asked between polls.
        interval_s: Pause after a poll that found nothing, and between scrapes.
        follow: Whether to wait for more at the end.
        on_trouble: Told of each failure to reach the source.
        sleep: Waits.

    Raises:
        CollectorError: If the source cannot be reached and is not to be followed.
    """
    wait = FIRST_WAIT_S
    while not stop():
        try:
            found = source.poll(intake)
            wait = FIRST_WAIT_S
        except CollectorError as error:
            if not follow:
                raise
            if on_trouble is not None:
                on_trouble(error)
            sleep(wait)
            wait = min(2.0 * wait, LONGEST_WAIT_S)
            continue
        drain(intake, assembler, sink)
        if not found:
            if not follow:
                break
            sleep(interval_s)
    source.finish(intake)
    drain(intake, assembler, sink)


def drain(intake: Intake, assembler: Assembler, sink: Callable[[Frame], None]) -> None:
    """Hand everything that waits to the sink."""
    while records := intake.take(most=BLOCK_RECORDS, wait_s=0.0):
        rows: list[_Row] = []
        times: list[int] = []
        for record in records:
            outcome = assembler.row(record)
            if isinstance(outcome, str):
                intake.settle(record, dropped=outcome)
                continue
            times.append(outcome[0])
            rows.append(_Row(record, outcome[1]))
        if rows:
            assert assembler.channels is not None
            channels = tuple(Channel(name) for name in assembler.channels)
            sink(Frame(np.array(times, dtype=np.int64), np.array([row.values for row in rows]), channels))
        for row in rows:
            intake.settle(row.record)
