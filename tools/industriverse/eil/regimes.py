"""Regimes: a small bank of references, and a quarantine before anything new may join it.

After Matsubara & Sakurai, "MicroAdapt" (KDD 2025), with the safety that detection needs. Each admitted regime
scores every sample; shares follow logistic growth ``p += alpha p (f A - p)``, f = exp(-score) and A whether
it explains the sample best. When no regime explains the stream for long enough, a regime-shift ticket says
since when, a candidate is fitted, and it stays in quarantine: a person, a matching work order, or a probation
with every absolute limit kept admits it. Without stated limits there is no probation, so an attacker who
holds the plant somewhere new is never adopted in silence.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.detector import Detector
from industriverse.eil.errors import FitError, RegimeError
from industriverse.eil.focus import ChangeClock
from industriverse.eil.watch import Watcher
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame, ThermoReadings, Ticket

__all__ = ["BankReadings", "Candidate", "RegimeBank", "RegimeShift", "ShiftState", "WorkOrder"]

Array = NDArray[np.float64]

MAXIMUM_REGIMES: Final = 8
GROWTH: Final = 0.1  # alpha of the logistic growth
SMALLEST_SHARE: Final = 1e-2  # so that a regime at rest grows back within some 30 samples
UNEXPLAINED_P: Final = 1e-3
CANDIDATE_ALARM_SHARE: Final = 0.05  # a candidate that is itself in alarm more often explains nothing


class ShiftState(StrEnum):
    """Where a regime shift stands."""

    COLLECTING = "collecting"
    QUARANTINED = "quarantined"
    ADMITTED = "admitted"
    REFUSED = "refused"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class RegimeShift:
    """The stream is somewhere that no admitted regime explains.

    Attributes:
        id: Stable identifier, derived from stream and time of detection.
        stream: Name of the stream.
        change_ns: Most likely time of the change, nanoseconds since 1970-01-01 UTC.
        detected_ns: When it was raised.
        from_regime: Regime that was active before.
        log_likelihood_ratio: Evidence for the change, nats.
        state: Where it stands.
        decided_by: Who or what admitted or refused it, empty until then.
    """

    id: str
    stream: str
    change_ns: int
    detected_ns: int
    from_regime: int
    log_likelihood_ratio: float
    state: ShiftState
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Planned work that explains a change of regime in its time.

    Attributes:
        id: Number of the order.
        start_ns: Begin, nanoseconds since 1970-01-01 UTC.
        stop_ns: End.
        channels: Channels that it may move; the leading channel of the change must be one of them.
    """

    id: str
    start_ns: int
    stop_ns: int
    channels: frozenset[str]


@dataclass(slots=True)
class Candidate:
    """A regime in quarantine.

    Attributes:
        shift: The shift that made it.
        leading: Channel with the largest share of the score when the shift was raised.
        rows: Rows collected for the fit.
        detector: The fitted detector, None while collecting.
        fitted_ns: Time of the fit.
        watched: Rows scored since.
        alarms: Of those in alarm under the candidate itself.
    """

    shift: RegimeShift
    leading: str
    rows: list[Frame]
    detector: Detector | None = None
    fitted_ns: int = 0
    watched: int = 0
    alarms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BankReadings:
    """What a block of rows gave.

    Attributes:
        readings: Readings of the active regime, its number in ``regime``.
        tickets: Anomaly tickets of the active regime, on rows that no admitted regime explains.
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
        limits: Absolute limits (low, high) of channels. Probation needs one for every channel.
        probation_s: Time in quarantine with every limit kept that admits a candidate, seconds.
        unexplained_rows: Rows that no regime explains, net of explained ones, before a shift is raised.
        candidate_rows: Rows to collect before a candidate is fitted.
    """

    def __init__(
        self,
        detector: Detector,
        stream: str,
        *,
        limits: dict[str, tuple[float, float]] | None = None,
        probation_s: float = 7 * 86_400.0,
        unexplained_rows: int = 64,
        candidate_rows: int = 500,
    ) -> None:
        unknown = set(limits or {}) - set(detector.reference.names)
        if unknown:
            raise RegimeError(
                f"limits for unknown channels {sorted(unknown)}", hint="name channels of the stream"
            )
        self.stream = stream
        self.candidate: Candidate | None = None
        self._watchers = [Watcher(detector, stream)]
        self._shares = np.array([1.0])
        self._limits = dict(limits or {})
        self._probation_ns = round(probation_s * NANOSECONDS_PER_SECOND)
        self._unexplained_rows, self._candidate_rows = unexplained_rows, candidate_rows
        self._orders: list[WorkOrder] = []
        self._unexplained = 0
        self._restart_clock()

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The admitted regimes, the founding one first."""
        return tuple(watcher.detector for watcher in self._watchers)

    @property
    def active(self) -> int:
        """Number of the regime with the largest share."""
        return int(np.argmax(self._shares))

    @property
    def shares(self) -> Array:
        """Share of each admitted regime, shape (m,)."""
        return self._shares.copy()

    def expect_work(self, order: WorkOrder) -> None:
        """Announce planned work."""
        self._orders.append(order)

    def feed(self, frame: Frame) -> BankReadings:
        """Read the next rows of the stream under every admitted regime."""
        fed = [watcher.feed(frame) for watcher in self._watchers]
        p_values = np.column_stack([readings.p_value for readings, _ in fed])
        scores = np.column_stack([readings.score for readings, _ in fed])
        limits = np.array([d.reference.model.scalars[layout.THRESHOLD] for d in self.detectors])
        # The alarm adapts to slow change, the score does not: what only the adaptation excuses is not explained.
        within = (p_values >= UNEXPLAINED_P) & (scores < limits)
        explained = np.asarray(np.max(within, axis=1))
        active, shifts = np.empty(len(frame), dtype=np.int64), []
        for row in range(len(frame)):
            active[row] = self._assign(scores[row])
            shift = self._judge(bool(explained[row]), float(scores[row].min()), frame, row)
            if shift is not None:
                shifts.append(shift)
        decided = self._quarantine(frame)
        calm = {int(ns) for ns in frame.timestamps_ns[p_values.max(axis=1) >= UNEXPLAINED_P]}
        # A sample that another admitted regime explains is no anomaly of the active one.
        tickets = [t for t in fed[self.active][1] if len(fed) == 1 or t.onset_ns not in calm]
        readings = _chosen([readings for readings, _ in fed], active)
        return BankReadings(readings, tuple(tickets), (*shifts, *decided))

    def admit(self, shift_id: str, *, by: str) -> RegimeShift:
        """Let the candidate in quarantine join the bank; the least-fit regime but the first makes room.

        Raises:
            RegimeError: If no such candidate is in quarantine or nobody is named.
        """
        candidate = self._require_candidate(shift_id, by)
        if candidate.detector is None:
            raise RegimeError(
                f"{shift_id} is still collecting rows",
                hint=f"wait for {self._candidate_rows} rows of the new regime",
            )
        self._join(candidate.detector, 0.5)
        return self._decide(candidate, ShiftState.ADMITTED, by)

    def adopt_known(self, detector: Detector) -> None:
        """Let a regime join that was learned from telemetry that a person vouches for, before it is met.

        Raises:
            RegimeError: If its channels are not those of the stream.
        """
        if detector.reference.names != self.detectors[0].reference.names:
            raise RegimeError("the regime has other channels", hint="fit it on the channels of the stream")
        self._join(detector, SMALLEST_SHARE)

    def _join(self, detector: Detector, share: float) -> None:
        if len(self._watchers) == MAXIMUM_REGIMES:
            weakest = 1 + int(np.argmin(self._shares[1:]))
            del self._watchers[weakest]
            self._shares = np.delete(self._shares, weakest)
        self._watchers.append(Watcher(detector, self.stream))
        self._shares = np.append(self._shares, share)

    def refuse(self, shift_id: str, *, by: str) -> RegimeShift:
        """Drop the candidate: the stream keeps being judged by the admitted regimes.

        Raises:
            RegimeError: If no such candidate is in quarantine or nobody is named.
        """
        return self._decide(self._require_candidate(shift_id, by), ShiftState.REFUSED, by)

    def _require_candidate(self, shift_id: str, by: str) -> Candidate:
        if self.candidate is None or self.candidate.shift.id != shift_id:
            raise RegimeError(f"no candidate {shift_id!r} in quarantine", hint="name the shift that waits")
        if not by:
            raise RegimeError("a decision on a regime needs a name", hint="say who admits or refuses it")
        return self.candidate

    def _decide(self, candidate: Candidate, state: ShiftState, by: str) -> RegimeShift:
        self.candidate = None
        self._unexplained = 0
        self._restart_clock()
        return replace(candidate.shift, state=state, decided_by=by)

    def _restart_clock(self) -> None:
        self._clock, self._clock_times = ChangeClock(), [0]

    def _assign(self, scores: Array) -> int:
        best = scores == scores.min()
        fitness = np.exp(-scores) * best
        self._shares += GROWTH * self._shares * (fitness - self._shares)
        # A regime that alone explains the sample grows whatever its rival still holds.
        self._shares = np.clip(self._shares + GROWTH * self._shares * best, SMALLEST_SHARE, 1.0)
        return self.active

    def _judge(self, explained: bool, score: float, frame: Frame, row: int) -> RegimeShift | None:
        """Count what no regime explains and follow since when; raise a shift once when it is enough."""
        self._clock.add(score - 1.0)  # a clean score has mean 1 and, as a mean of -log p, variance 1 at most
        self._clock_times.append(int(frame.timestamps_ns[row]))
        self._unexplained = max(0, self._unexplained - 1) if explained else self._unexplained + 1
        if self._unexplained == 0 and self.candidate is None and len(self._clock_times) > 4096:
            self._restart_clock()
        if self.candidate is not None or self._unexplained < self._unexplained_rows:
            return None
        now_ns = int(frame.timestamps_ns[row])
        shift = RegimeShift(
            id="r-" + hashlib.sha256(f"{self.stream}\n{now_ns}".encode()).hexdigest()[:16],
            stream=self.stream,
            change_ns=self._clock_times[min(self._clock.change + 1, len(self._clock_times) - 1)],
            detected_ns=now_ns,
            from_regime=self.active,
            log_likelihood_ratio=self._clock.statistic,
            state=ShiftState.COLLECTING,
        )
        leading = self._watchers[self.active].detector.evidence()[0].channel
        self.candidate = Candidate(shift, leading, [])
        return shift

    def _quarantine(self, frame: Frame) -> list[RegimeShift]:
        candidate = self.candidate
        if candidate is None:
            return []
        after = frame.rows(
            int(np.searchsorted(frame.timestamps_ns, candidate.shift.detected_ns, side="right"))
        )
        if candidate.detector is None:
            return self._collect(candidate, after)
        if len(after):
            readings = candidate.detector.score(after)
            candidate.watched += len(after)
            candidate.alarms += int(readings.alarm.sum())
            if not self._within_limits(after):
                candidate.fitted_ns = int(after.timestamps_ns[-1])  # probation begins anew
            return self._after_probation(candidate, int(after.timestamps_ns[-1]))
        return []

    def _collect(self, candidate: Candidate, after: Frame) -> list[RegimeShift]:
        if self._unexplained == 0:
            # The stream came back by itself: it was an anomaly, not a regime.
            return [self._decide(candidate, ShiftState.PASSED, "the stream came back")]
        if len(after):
            candidate.rows.append(after)
        if sum(len(part) for part in candidate.rows) < self._candidate_rows:
            return []
        rows = Frame.concatenate(candidate.rows)
        try:
            candidate.detector = Detector(self.detectors[0].budget_per_day).fit(rows)
        except FitError:
            return []  # not yet enough that varies; more rows follow
        candidate.fitted_ns = int(rows.timestamps_ns[-1])
        candidate.shift = replace(candidate.shift, state=ShiftState.QUARANTINED)
        for order in self._orders:
            if (
                order.start_ns <= candidate.shift.change_ns <= order.stop_ns
                and candidate.leading in order.channels
            ):
                return [candidate.shift, self.admit(candidate.shift.id, by=f"work order {order.id}")]
        return [candidate.shift]

    def _within_limits(self, frame: Frame) -> bool:
        low = np.array([self._limits.get(name, (np.inf, 0.0))[0] for name in frame.names])
        high = np.array([self._limits.get(name, (0.0, -np.inf))[1] for name in frame.names])
        return bool(((frame.values >= low) & (frame.values <= high)).all())

    def _after_probation(self, candidate: Candidate, now_ns: int) -> list[RegimeShift]:
        explains = candidate.alarms <= CANDIDATE_ALARM_SHARE * max(candidate.watched, 1)
        if explains and now_ns - candidate.fitted_ns >= self._probation_ns:
            return [self.admit(candidate.shift.id, by="probation within every absolute limit")]
        return []


def _chosen(readings: list[ThermoReadings], active: NDArray[np.int64]) -> ThermoReadings:
    """The readings of the active regime, row by row."""
    rows = np.arange(len(active))
    columns = {
        name: np.stack([getattr(part, name) for part in readings])[active, rows]
        for name in ThermoReadings.__dataclass_fields__
        if name not in ("timestamps_ns", "regime")
    }
    return ThermoReadings(timestamps_ns=readings[0].timestamps_ns, regime=active, **columns)
