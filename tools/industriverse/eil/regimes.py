"""Regimes: a small bank of references, and a quarantine before anything new may join it.

After Matsubara & Sakurai, "MicroAdapt" (KDD 2025), with the safety that detection needs. Each admitted regime
scores every sample; shares follow logistic growth ``p += alpha p (f A - p)``, f = exp(-score) and A whether
it explains the sample best. When no regime explains the stream for long enough, or when the mean of a channel
over about a day leaves its clean range (:mod:`industriverse.eil.slow_chart`), a regime-shift ticket says
since when, a candidate is fitted, and it stays in quarantine: a person, a matching work order, or a probation
with every absolute limit kept admits it. Without stated limits there is no probation, so an attacker who
holds the plant somewhere new is never adopted in silence.

Whatever changes the bank changes it after every ``DECISION_ROWS``-th row of the stream, so that the same rows
give the same readings, tickets and shifts however they are cut into blocks.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.calibration import REFRACTORY_S
from industriverse.eil.detector import Detector, DetectorSnapshot
from industriverse.eil.errors import RegimeError
from industriverse.eil.focus import ChangeClock
from industriverse.eil.quarantine import AdmissionConditions, Candidate, RegimeShift, ShiftState, WorkOrder
from industriverse.eil.watch import WatchSummary, ticket_rows, tickets_at
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame, ThermoReadings, Ticket

__all__ = ["BankReadings", "RegimeBank", "RegimeShift", "ShiftState", "WorkOrder"]

Array = NDArray[np.float64]

MAXIMUM_REGIMES: Final = 8
GROWTH: Final = 0.1  # alpha of the logistic growth
SMALLEST_SHARE: Final = 1e-2  # so that a regime at rest grows back within some 30 samples
UNEXPLAINED_P: Final = 1e-3
DECISION_ROWS: Final = 32
CLOCK_ROWS: Final = 4096  # how far back a change is looked for


@dataclass(frozen=True, slots=True, eq=False)
class BankReadings:
    """What a block of rows gave.

    Attributes:
        readings: Readings of the active regime, its number in ``regime``; a row that another admitted regime
            explains is not in alarm.
        tickets: Anomaly tickets, on rows in alarm.
        shifts: Regime shifts raised or decided in these rows.
    """

    readings: ThermoReadings
    tickets: tuple[Ticket, ...]
    shifts: tuple[RegimeShift, ...]


class RegimeBank:
    """Up to eight admitted references of one stream; the founding one is never evicted.

    Args:
        detector: A fitted detector: the founding regime.
        stream: Name of the stream.
        conditions: What admits a candidate without a person.
        unexplained_rows: Rows that no regime explains, net of explained ones, before a shift is raised; where the
            channels follow the hour, at least a day, since one odd day is an anomaly and not a regime.
        candidate_rows: Rows to collect before a candidate is fitted.
        refractory_s: Least time between two tickets, seconds.

    Raises:
        RegimeError: If a limit is of a channel that the stream does not have.
    """

    def __init__(
        self,
        detector: Detector,
        stream: str,
        *,
        conditions: AdmissionConditions | None = None,
        unexplained_rows: int = 64,
        candidate_rows: int = 500,
        refractory_s: float = REFRACTORY_S,
    ) -> None:
        self.stream = stream
        self.candidate: Candidate | None = None
        self._detectors = [detector]
        self._shares = np.array([1.0])
        self.conditions = conditions or AdmissionConditions()
        reference = detector.reference
        cycle_s = float(reference.model.scalars[layout.CYCLE_NS]) / NANOSECONDS_PER_SECOND
        self._unexplained_rows = max(unexplained_rows, round(cycle_s / reference.interval_s))
        self._candidate_rows = candidate_rows
        self._refractory_s = refractory_s
        self._orders: list[WorkOrder] = []
        self._unexplained = 0
        self._surprise: deque[tuple[int, float]] = deque(maxlen=CLOCK_ROWS)
        self._surprises: dict[str, tuple[int, dict[str, float]]] = {}
        self._last_ticket_ns: int | None = None
        self._rows = self._alarm_rows = self._tickets = self._absorbed_rows = 0

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The admitted regimes, the founding one first."""
        return tuple(self._detectors)

    @property
    def active(self) -> int:
        """Number of the regime with the largest share."""
        return int(np.argmax(self._shares))

    @property
    def shares(self) -> Array:
        """Share of each admitted regime, shape (m,)."""
        return self._shares.copy()

    @property
    def conditions(self) -> AdmissionConditions:
        """What admits a candidate without a person."""
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: AdmissionConditions) -> None:
        conditions.check_channels(self._detectors[0].reference.names)
        self._conditions = conditions

    def surprises_of(self, ticket_id: str) -> tuple[Detector, dict[str, float]]:
        """The regime that raised a ticket, and -log p of each of its components then, nats, largest first.

        Raises:
            RegimeError: If this bank raised no such ticket, or its regime has made room since.
        """
        regime, surprises = self._surprises.get(ticket_id, (-1, {}))
        if not 0 <= regime < len(self._detectors):
            raise RegimeError(f"no ticket {ticket_id[:40]!r} of this stream", hint="name one of its tickets")
        return self._detectors[regime], dict(surprises)

    def expect_work(self, order: WorkOrder) -> None:
        """Announce planned work.

        Raises:
            RegimeError: If a channel of the work is not one of the stream.
        """
        unknown = sorted(order.channels - set(self._detectors[0].reference.names))
        if unknown:
            raise RegimeError(f"work on unknown channels {unknown}", hint="name channels of the stream")
        self._orders.append(order)

    def feed(self, frame: Frame) -> BankReadings:
        """Read the next rows of the stream under every admitted regime."""
        parts: list[BankReadings] = []
        start = 0
        while start < len(frame) or not parts:
            stop = min(len(frame), start + DECISION_ROWS - self._rows % DECISION_ROWS)
            parts.append(self._read(frame.rows(start, stop)))
            start = stop
        return BankReadings(
            ThermoReadings.concatenate([part.readings for part in parts]),
            tuple(ticket for part in parts for ticket in part.tickets),
            tuple(shift for part in parts for shift in part.shifts),
        )

    def _read(self, frame: Frame) -> BankReadings:
        """Read rows of one stretch between two decisions, and decide if they end it."""
        before = [detector.snapshot() for detector in self._detectors]
        fed = [detector.score(frame) for detector in self._detectors]
        scores = np.column_stack([readings.score for readings in fed])
        limits = np.array([d.reference.model.scalars[layout.THRESHOLD] for d in self._detectors])
        # The alarm adapts to slow change, the score does not: what only the adaptation excuses is not explained.
        explains = np.column_stack([readings.p_value >= UNEXPLAINED_P for readings in fed])
        explains &= scores < limits
        readings = self._chosen(fed, self._assign(scores), explains)
        tickets = self._raise_tickets(frame, readings, before)
        self._count(readings, limits)
        self._follow(frame, scores.min(axis=1), np.asarray(explains.any(axis=1)))
        if self.candidate is not None and len(frame):
            self.candidate.feed(frame, self._conditions)
        shifts: list[RegimeShift] = []
        if len(frame) and self._rows % DECISION_ROWS == 0:
            shifts = self._decide_now(frame)
        return BankReadings(readings, tuple(tickets), tuple(shifts))

    def _assign(self, scores: Array) -> NDArray[np.int64]:
        """Number of the active regime at each row; the shares move on."""
        if len(self._shares) == 1:
            return np.zeros(len(scores), dtype=np.int64)
        active = np.empty(len(scores), dtype=np.int64)
        for row, of_regimes in enumerate(scores):
            best = of_regimes == of_regimes.min()
            self._shares += GROWTH * self._shares * (np.exp(-of_regimes) * best - self._shares)
            # A regime that alone explains the sample grows whatever its rival still holds.
            self._shares = np.clip(self._shares + GROWTH * self._shares * best, SMALLEST_SHARE, 1.0)
            active[row] = self.active
        return active

    @staticmethod
    def _chosen(
        fed: Sequence[ThermoReadings], active: NDArray[np.int64], explains: NDArray[np.bool_]
    ) -> ThermoReadings:
        """The readings of the active regime, row by row; no alarm where another admitted one explains the row."""
        if len(fed) == 1:
            return fed[0]
        rows = np.arange(len(active))
        columns = {
            name: np.stack([getattr(part, name) for part in fed])[active, rows]
            for name in ThermoReadings.__dataclass_fields__
            if name not in ("timestamps_ns", "regime")
        }
        columns["alarm"] &= ~explains.any(axis=1)
        return ThermoReadings(timestamps_ns=fed[0].timestamps_ns, regime=active, **columns)

    def _raise_tickets(
        self, frame: Frame, readings: ThermoReadings, before: list[DetectorSnapshot]
    ) -> list[Ticket]:
        due = ticket_rows(
            readings.timestamps_ns,
            readings.alarm,
            refractory_s=self._refractory_s,
            last_ns=self._last_ticket_ns,
        )
        tickets: list[Ticket] = []
        for regime in sorted({int(readings.regime[row]) for row in due}):
            rows = [row for row in due if readings.regime[row] == regime]
            raised = tickets_at(self._detectors[regime], self.stream, frame, readings, rows, before[regime])
            self._surprises |= {ticket.id: (regime, surprises) for ticket, surprises in raised}
            tickets += [ticket for ticket, _ in raised]
        if due:
            self._last_ticket_ns = int(readings.timestamps_ns[due[-1]])
        return sorted(tickets, key=lambda ticket: ticket.onset_ns)

    def _count(self, readings: ThermoReadings, limits: Array) -> None:
        self._rows += len(readings)
        self._alarm_rows += int(readings.alarm.sum())
        self._tickets = len(self._surprises)
        self._absorbed_rows += int(((readings.score >= limits[readings.regime]) & ~readings.alarm).sum())

    def _follow(self, frame: Frame, scores: Array, explained: NDArray[np.bool_]) -> None:
        """Count what no regime explains and keep what tells since when."""
        if self._unexplained or not explained.all():
            for known in explained.tolist():
                self._unexplained = max(0, self._unexplained - 1) if known else self._unexplained + 1
        # A clean score has mean 1 and, as a mean of -log p, variance 1 at most.
        self._surprise.extend(zip(frame.timestamps_ns.tolist(), (scores - 1.0).tolist(), strict=True))

    def _decide_now(self, frame: Frame) -> list[RegimeShift]:
        """What follows from the rows up to the last of ``frame``."""
        candidate, now_ns = self.candidate, int(frame.timestamps_ns[-1])
        self._rest_charts(but=self.active)
        departures = self._detectors[self.active].slow_departures()
        moved = int(np.argmax(np.abs(departures)))
        drifted = bool(abs(departures[moved]) > 1.0)
        if candidate is None:
            if self._unexplained >= self._unexplained_rows:
                return [self._raise_shift(frame, None)]
            return [self._raise_shift(frame, moved)] if drifted else []
        if candidate.detector is None:
            if self._unexplained == 0 and not drifted:
                # The stream came back by itself: it was an anomaly, not a regime.
                return [self._decide(candidate, ShiftState.PASSED, "the stream came back", now_ns)]
            if not candidate.fit():
                return []
            return [candidate.shift, *self._by_work(candidate, now_ns)]
        patience_s = self._conditions.probation_s
        if candidate.explains and candidate.on_probation_for_s(now_ns) >= patience_s:
            return [self._admit(candidate, "probation within every absolute limit", now_ns)]
        return self._by_work(candidate, now_ns)

    def _rest_charts(self, *, but: int | None = None) -> None:
        """Restart the slow charts, except that of one regime: only where a regime is active has it a mean."""
        for regime, detector in enumerate(self._detectors):
            if regime != but:
                detector.restart_slow_chart()

    def _raise_shift(self, frame: Frame, moved: int | None) -> RegimeShift:
        """The shift raised at the last row of ``frame``; ``moved`` is the channel whose slow chart raised it."""
        clock, now_ns = ChangeClock(), int(frame.timestamps_ns[-1])
        for _, increment in self._surprise:
            clock.add(increment)
        detector = self._detectors[self.active]
        reference = detector.reference
        column = reference.names.index(detector.evidence()[0].channel) if moved is None else moved
        leading, constants = reference.names[column], reference.model.channel[:, column]
        departure = frame.column(leading)[-1] - reference.model.center_at(now_ns)[column]
        departure /= constants[layout.SCALE]
        if moved is not None and not abs(departure) > layout.SLOW_CLIP:
            # So near, one sample tells less than the mean that raised the shift.
            departure = detector.slow_departures()[column] * constants[layout.SLOW_LIMIT]
        shift = RegimeShift(
            id="r-" + hashlib.sha256(f"{self.stream}\n{now_ns}".encode()).hexdigest()[:16],
            stream=self.stream,
            change_ns=self._surprise[min(clock.change, len(self._surprise) - 1)][0],
            detected_ns=now_ns,
            from_regime=self.active,
            log_likelihood_ratio=clock.statistic,
            leading=leading,
            departure_sd=float(departure),
            state=ShiftState.COLLECTING,
            decided_by="",
            state_ns=now_ns,
        )
        self.candidate = Candidate(
            shift, rows_needed=self._candidate_rows, budget_per_day=self._detectors[0].budget_per_day
        )
        return shift

    def _by_work(self, candidate: Candidate, now_ns: int) -> list[RegimeShift]:
        for order in self._orders:
            if order.explains(candidate.shift):
                return [self._admit(candidate, f"work order {order.id}", now_ns)]
        return []

    def admit(self, shift_id: str, *, by: str) -> RegimeShift:
        """Let the candidate in quarantine join the bank; the least-fit regime but the first makes room.

        Raises:
            RegimeError: If no such candidate is in quarantine or nobody is named.
        """
        candidate = self._require_candidate(shift_id, by)
        if candidate.detector is None:
            raise RegimeError(
                f"{shift_id} is still collecting rows: {candidate.collected} of {self._candidate_rows}",
                hint="decide when the candidate is fitted, or announce the work that explains it",
            )
        return self._admit(candidate, by, self._surprise[-1][0])

    def refuse(self, shift_id: str, *, by: str) -> RegimeShift:
        """Drop the candidate: the stream keeps being judged by the admitted regimes, and may raise a shift again.

        Raises:
            RegimeError: If no such candidate is in quarantine or nobody is named.
        """
        candidate = self._require_candidate(shift_id, by)
        return self._decide(candidate, ShiftState.REFUSED, by, self._surprise[-1][0])

    def adopt_known(self, detector: Detector) -> None:
        """Let a regime join that was learned from telemetry that a person vouches for, before it is met.

        Raises:
            RegimeError: If its channels are not those of the stream.
        """
        if detector.reference.names != self._detectors[0].reference.names:
            raise RegimeError("the regime has other channels", hint="fit it on the channels of the stream")
        self._join(detector, SMALLEST_SHARE)

    def _admit(self, candidate: Candidate, by: str, now_ns: int) -> RegimeShift:
        if candidate.detector is not None:
            self._join(candidate.detector, 0.5)
        return self._decide(candidate, ShiftState.ADMITTED, by, now_ns)

    def _join(self, detector: Detector, share: float) -> None:
        if len(self._detectors) == MAXIMUM_REGIMES:
            weakest = 1 + int(np.argmin(self._shares[1:]))
            del self._detectors[weakest]
            self._shares = np.delete(self._shares, weakest)
            renumbered = {i: i - (i > weakest) for i in range(MAXIMUM_REGIMES) if i != weakest}
            self._surprises = {
                ticket: (renumbered.get(regime, -1), surprises)
                for ticket, (regime, surprises) in self._surprises.items()
            }
        self._detectors.append(detector)
        self._shares = np.append(self._shares, share)

    def _require_candidate(self, shift_id: str, by: str) -> Candidate:
        if self.candidate is None or self.candidate.shift.id != shift_id:
            raise RegimeError(f"no candidate {shift_id!r} in quarantine", hint="name the shift that waits")
        if not by:
            raise RegimeError("a decision on a regime needs a name", hint="say who admits or refuses it")
        return self.candidate

    def _decide(self, candidate: Candidate, state: ShiftState, by: str, now_ns: int) -> RegimeShift:
        self.candidate = None
        self._unexplained = 0
        self._rest_charts()
        latest = self._surprise[-1]
        self._surprise.clear()
        self._surprise.append((latest[0], 0.0))
        return candidate.shift.moved(state, now_ns, by)

    def summary(self) -> WatchSummary:
        """Counts so far, and the promised against the realised ticket rate."""
        reference = self._detectors[0].reference
        return WatchSummary.of(
            reference, self._rows, self._alarm_rows, self._tickets, absorbed_rows=self._absorbed_rows
        )
