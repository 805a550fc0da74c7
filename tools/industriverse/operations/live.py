"""A stream while it is watched: its regimes, its readings, its tickets, its shifts and what people said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from industriverse.eil.errors import EilError
from industriverse.eil.feedback import Feedback
from industriverse.eil.quarantine import AdmissionConditions, Candidate, RegimeShift, WorkOrder
from industriverse.eil.reference import Reference
from industriverse.eil.regimes import RegimeBank
from industriverse.eil.watch import WatchSummary
from industriverse.operations.costs import count_steps
from industriverse.operations.journal import (
    CarriedVerdictEntry,
    ConditionsEntry,
    JournalEntry,
    ShiftEntry,
    VerdictEntry,
    WorkEntry,
)
from industriverse.signals import ChannelEvidence, Frame, ThermoReadings, Ticket

__all__ = ["LiveStream", "Scored"]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a block of samples raised."""

    tickets: tuple[Ticket, ...]
    shifts: tuple[RegimeShift, ...]


class LiveStream:
    """A detector that follows one stream, and the readings that it gave since the reference.

    Args:
        stream: Name of the stream.
        reference: What equilibrium means for it.
        free_energy_limit_kt: Free-energy excess that clean samples exceed once in a thousand, kT.
        daily_work_limit_kt: Largest mean of the work part over a clean day, kT.

    Attributes:
        tickets_are_kept: Whether the tickets found when the stream was read anew are known to be stored; a
            process that died may have stored samples and not the ticket that they raised.
        not_taken: Entries that could not be taken when the stream was read anew, with the reason.
    """

    def __init__(
        self, stream: str, reference: Reference, *, free_energy_limit_kt: float, daily_work_limit_kt: float
    ) -> None:
        from industriverse.eil.detector import Detector

        self.reference = reference
        self.free_energy_limit_kt = free_energy_limit_kt
        self.daily_work_limit_kt = daily_work_limit_kt
        self._bank = RegimeBank(Detector.from_reference(reference), stream)
        self._blocks: list[ThermoReadings] = []
        self._tickets: list[Ticket] = []
        self._shifts: dict[str, RegimeShift] = {}
        self.tickets_are_kept = False
        self.not_taken: tuple[str, ...] = ()

    def feed(self, frame: Frame) -> Scored:
        """Score the next samples."""
        if not len(frame):
            return Scored((), ())
        count_steps(len(frame))
        fed = self._bank.feed(frame)
        self._blocks.append(fed.readings)
        self._tickets += fed.tickets
        self._shifts |= {shift.id: shift for shift in fed.shifts}
        return Scored(fed.tickets, fed.shifts)

    def replay(self, frame: Frame, entries: Sequence[tuple[int, JournalEntry]]) -> None:
        """Score stored samples anew, taking each entry after the sample after which it was given."""
        start = 0
        for after_ns, entry in entries:
            stop = int(np.searchsorted(frame.timestamps_ns, after_ns, side="right"))
            self.feed(frame.rows(start, max(start, stop)))
            start = max(start, stop)
            try:
                self.take(entry)
            except EilError as error:
                # Written by another version: the stream must still be watched, and the loss be told.
                self.not_taken += (f"{entry.kind} of {entry.by}: {error}",)
        self.feed(frame.rows(start))

    def take(self, entry: JournalEntry) -> None:
        """Let a person's word change how the stream is judged from here on.

        Raises:
            FeedbackError: If a verdict names an unknown component or an expiry that is too far.
            RegimeError: If a ticket, shift or channel is unknown, or a candidate is not ready.
        """
        if isinstance(entry, VerdictEntry):
            detector, surprises = self._bank.surprises_of(entry.ticket)
            detector.take_feedback(
                entry.ticket,
                entry.verdict,
                component=entry.component,
                surprise=surprises.get(entry.component, 0.0),
                given_ns=self.last_ns,
                hold_s=entry.hold_s,
            )
        elif isinstance(entry, CarriedVerdictEntry):
            self._bank.detectors[0].take_feedback(
                entry.ticket,
                entry.verdict,
                component=entry.component,
                surprise=entry.surprise,
                given_ns=self.last_ns,
                hold_s=entry.hold_s,
            )
        elif isinstance(entry, ShiftEntry):
            decide = self._bank.admit if entry.admitted else self._bank.refuse
            shift = decide(entry.shift, by=entry.by)
            self._shifts[shift.id] = shift
        elif isinstance(entry, WorkEntry):
            self._bank.expect_work(
                WorkOrder(entry.order, entry.start_ns, entry.stop_ns, frozenset(entry.channels))
            )
        elif isinstance(entry, ConditionsEntry):
            self._bank.conditions = AdmissionConditions(dict(entry.limits), entry.probation_s)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """All tickets since the reference, oldest first."""
        return tuple(self._tickets)

    @property
    def shifts(self) -> tuple[RegimeShift, ...]:
        """All regime shifts since the reference in their present state, oldest first."""
        return tuple(self._shifts.values())

    @property
    def candidate(self) -> Candidate | None:
        """The regime in quarantine, None if there is none."""
        return self._bank.candidate

    @property
    def conditions(self) -> AdmissionConditions:
        """What admits a regime without a person."""
        return self._bank.conditions

    @property
    def regimes(self) -> int:
        """Number of admitted regimes, the founding one included."""
        return len(self._bank.detectors)

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """Verdicts that hold at the latest sample, oldest first."""
        kept = [entry for detector in self._bank.detectors for entry in detector.feedback]
        in_force = [entry for entry in kept if entry.expires_ns > self.last_ns]
        return tuple(sorted(in_force, key=lambda entry: entry.given_ns))

    def surprises_of(self, ticket_id: str) -> dict[str, float]:
        """-log p of each component at a ticket, nats, largest first.

        Raises:
            RegimeError: If the stream raised no such ticket.
        """
        return self._bank.surprises_of(ticket_id)[1]

    @property
    def readings(self) -> ThermoReadings | None:
        """All readings since the reference, None if there is none yet."""
        if len(self._blocks) > 1:
            self._blocks = [ThermoReadings.concatenate(self._blocks)]
        return self._blocks[0] if self._blocks else None

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        """Evidence of each channel for the latest sample, largest share first."""
        return self._bank.detectors[self._bank.active].evidence()

    @property
    def last_ns(self) -> int:
        """Time of the last sample scored, or of the last clean one."""
        return int(self._blocks[-1].timestamps_ns[-1]) if self._blocks else self.reference.clean_stop_ns

    def expected_work_kt(self, predicted: Frame, *, from_row: int) -> float:
        """Mean work part of the free-energy excess that predicted samples would show, kT.

        Args:
            predicted: Samples that would follow the last one scored; the stream's own state is not changed.
            from_row: First row that counts.
        """
        count_steps(len(predicted))
        detector = self._bank.detectors[self._bank.active]
        before = detector.snapshot()
        try:
            return float(detector.score(predicted).work[from_row:].mean())
        finally:
            detector.restore(before)

    def summary(self) -> WatchSummary:
        """Promised and realised ticket rates."""
        return self._bank.summary()
