"""Watching a stream: blocks in, readings and tickets out, promised and realised ticket rates kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.calibration import REFRACTORY_S, SECONDS_PER_DAY
from industriverse.eil.detector import Detector, DetectorSnapshot
from industriverse.eil.reference import Reference
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame, ThermoReadings, Ticket

__all__ = ["WatchSummary", "Watcher", "ticket_id", "ticket_rows", "tickets_at"]


def ticket_id(stream: str, onset_ns: int) -> str:
    """Stable identifier of the ticket of a stream at an onset."""
    return "t-" + hashlib.sha256(f"{stream}\n{onset_ns}".encode()).hexdigest()[:16]


def ticket_rows(
    timestamps_ns: NDArray[np.int64],
    alarm: NDArray[np.bool_],
    *,
    refractory_s: float = REFRACTORY_S,
    last_ns: int | None = None,
) -> list[int]:
    """Rows at which a ticket is due: in alarm, and at least ``refractory_s`` after the ticket before.

    So an alarm onset raises a ticket unless one was raised less than the refractory time ago, and a stream
    that stays in alarm raises a new one each refractory time.

    Args:
        timestamps_ns: Times, shape (n,).
        alarm: Whether each row is in alarm, shape (n,).
        refractory_s: Refractory time, seconds.
        last_ns: Time of the last ticket before these rows, None if there was none.
    """
    due: list[int] = []
    refractory_ns = round(refractory_s * NANOSECONDS_PER_SECOND)
    for row in np.flatnonzero(alarm):
        now = int(timestamps_ns[row])
        if last_ns is None or now - last_ns >= refractory_ns:
            due.append(int(row))
            last_ns = now
    return due


def tickets_at(
    detector: Detector,
    stream: str,
    frame: Frame,
    readings: ThermoReadings,
    rows: Sequence[int],
    before: DetectorSnapshot,
) -> list[tuple[Ticket, dict[str, float]]]:
    """Tickets at rows of a block that was just scored, each with -log p of the components at its row, nats.

    The block is replayed up to each ticket, because evidence is a property of the state at that row; the
    detector is left where it was.

    Args:
        detector: The detector that scored the block.
        stream: Name of the stream.
        frame: The block.
        readings: What the detector said of it.
        rows: Rows at which a ticket is due, ascending.
        before: Where the detector stood before the block.
    """
    if not rows:
        return []
    after = detector.snapshot()
    detector.restore(before)
    raised, start = [], 0
    for row in rows:
        detector.score(frame.rows(start, row + 1))
        start = row + 1
        onset_ns = int(readings.timestamps_ns[row])
        ticket = Ticket(
            id=ticket_id(stream, onset_ns),
            stream=stream,
            onset_ns=onset_ns,
            score=float(readings.score[row]),
            p_value=float(readings.p_value[row]),
            evidence=detector.evidence(),
        )
        raised.append((ticket, detector.surprises()))
    detector.restore(after)
    return raised


@dataclass(frozen=True, slots=True)
class WatchSummary:
    """What a watch has seen so far.

    Attributes:
        rows: Rows read.
        alarm_rows: Rows in alarm.
        tickets: Tickets raised.
        watched_days: Time watched, days.
        promised_per_day: False tickets per day that the threshold promises.
        realised_per_day: Tickets per day raised, true and false together; NaN before the first row.
        statement: The promise in a sentence.
        absorbed_rows: Rows that the fitted threshold would put in alarm and the adapted one does not: a slow
            change of the plant, or somebody who hides in one. Many of them call for a look or a new fit.
    """

    rows: int
    alarm_rows: int
    tickets: int
    watched_days: float
    promised_per_day: float
    realised_per_day: float
    statement: str
    absorbed_rows: int = 0

    @classmethod
    def of(
        cls, reference: Reference, rows: int, alarm_rows: int, tickets: int, *, absorbed_rows: int
    ) -> "WatchSummary":
        """The summary of counts, with what the reference's calibration promises."""
        days = rows * reference.interval_s / SECONDS_PER_DAY
        return cls(
            rows=rows,
            alarm_rows=alarm_rows,
            tickets=tickets,
            watched_days=days,
            promised_per_day=reference.calibration.promised_per_day,
            realised_per_day=tickets / days if days > 0.0 else float("nan"),
            statement=reference.calibration.statement(),
            absorbed_rows=absorbed_rows,
        )


class Watcher:
    """Feeds blocks of one stream to a detector and raises tickets with evidence.

    Args:
        detector: A fitted detector.
        stream: Name of the stream.
        refractory_s: Least time between two tickets, seconds.
    """

    def __init__(self, detector: Detector, stream: str, *, refractory_s: float = REFRACTORY_S) -> None:
        self.detector = detector
        self.stream = stream
        self.refractory_s = refractory_s
        self._last_ticket_ns: int | None = None
        self._rows = self._alarm_rows = self._tickets = self._absorbed_rows = 0

    def feed(self, frame: Frame) -> tuple[ThermoReadings, list[Ticket]]:
        """Read the next rows of the stream.

        Returns:
            One reading a row, and the tickets that these rows raise, oldest first.
        """
        before = self.detector.snapshot()
        readings = self.detector.score(frame)
        due = ticket_rows(
            readings.timestamps_ns,
            readings.alarm,
            refractory_s=self.refractory_s,
            last_ns=self._last_ticket_ns,
        )
        raised = tickets_at(self.detector, self.stream, frame, readings, due, before)
        tickets = [ticket for ticket, _ in raised]
        self._rows += len(frame)
        self._alarm_rows += int(readings.alarm.sum())
        self._tickets += len(tickets)
        fitted = self.detector.reference.calibration.threshold
        self._absorbed_rows += int(((readings.score >= fitted) & ~readings.alarm).sum())
        if due:
            self._last_ticket_ns = int(readings.timestamps_ns[due[-1]])
        return readings, tickets

    def summary(self) -> WatchSummary:
        """Counts so far, and the promised against the realised ticket rate."""
        reference = self.detector.reference
        return WatchSummary.of(
            reference, self._rows, self._alarm_rows, self._tickets, absorbed_rows=self._absorbed_rows
        )
