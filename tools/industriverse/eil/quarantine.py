"""Quarantine: where a new regime of a stream waits until somebody or something vouches for it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np

from industriverse.eil.detector import Detector
from industriverse.eil.errors import FitError, RegimeError
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame

__all__ = ["AdmissionConditions", "Candidate", "RegimeShift", "ShiftState", "WorkOrder"]

PROBATION_S: Final = 7 * 86_400.0
CANDIDATE_ALARM_SHARE: Final = 0.05  # a candidate that is itself in alarm more often explains nothing
MEMORY_FITS: Final = 4  # rows kept for a fit that does not succeed, in multiples of the rows it needs


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
        leading: Channel with the largest share of the score when it was raised.
        departure_sd: Distance of that channel from its clean centre then, clean standard deviations.
        state: Where it stands.
        decided_by: Who or what admitted or refused it, empty until then.
        state_ns: Time of the sample at which it came to that state.
    """

    id: str
    stream: str
    change_ns: int
    detected_ns: int
    from_regime: int
    log_likelihood_ratio: float
    leading: str
    departure_sd: float
    state: ShiftState
    decided_by: str
    state_ns: int

    @property
    def pending(self) -> bool:
        """Whether it still waits for a decision."""
        return self.state in (ShiftState.COLLECTING, ShiftState.QUARANTINED)

    def moved(self, state: ShiftState, now_ns: int, by: str = "") -> "RegimeShift":
        """The same shift in its next state."""
        return replace(self, state=state, decided_by=by, state_ns=now_ns)


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

    def __post_init__(self) -> None:
        if not self.start_ns < self.stop_ns:
            raise RegimeError(f"work order {self.id!r} ends before it begins", hint="give a later end")
        if not self.channels:
            raise RegimeError(f"work order {self.id!r} names no channel", hint="name what the work may move")

    def explains(self, shift: RegimeShift) -> bool:
        """Whether the change began in the time of the work, on a channel of the work."""
        return self.start_ns <= shift.change_ns <= self.stop_ns and shift.leading in self.channels


@dataclass(frozen=True, slots=True)
class AdmissionConditions:
    """The published conditions under which a candidate joins without a person.

    Attributes:
        limits: Absolute limits (low, high) of channels, in channel units. Without one for every channel there is
            no probation: an attacker who holds the plant somewhere new is never adopted by waiting.
        probation_s: Time with every limit kept and the candidate seldom in alarm that admits it, seconds.
    """

    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    probation_s: float = PROBATION_S

    def __post_init__(self) -> None:
        for name, (low, high) in self.limits.items():
            if not low < high:
                raise RegimeError(f"limits of {name!r} are {low} and {high}", hint="give the low one first")
        if not np.isfinite(self.probation_s) or self.probation_s <= 0.0:
            raise RegimeError(f"probation_s is {self.probation_s}", hint="give a positive time in seconds")

    def check_channels(self, names: tuple[str, ...]) -> None:
        """Refuse limits of channels that the stream does not have.

        Raises:
            RegimeError: If there are such limits.
        """
        unknown = sorted(set(self.limits) - set(names))
        if unknown:
            raise RegimeError(f"limits for unknown channels {unknown}", hint="name channels of the stream")

    def last_breach_ns(self, frame: Frame) -> int | None:
        """Time of the last row that breaks a limit, or lacks a value or a limit; None if all keep theirs."""
        low = np.array([self.limits.get(name, (np.inf, -np.inf))[0] for name in frame.names])
        high = np.array([self.limits.get(name, (np.inf, -np.inf))[1] for name in frame.names])
        rows = np.flatnonzero(~((frame.values >= low) & (frame.values <= high)).all(axis=1))
        return int(frame.timestamps_ns[rows[-1]]) if rows.size else None


class Candidate:
    """A regime in quarantine: rows are collected, then fitted, then the fit is watched.

    Args:
        shift: The shift that made it.
        rows_needed: Rows to collect before the fit.
        budget_per_day: Ticket budget of the stream.

    Attributes:
        shift: The shift, in its present state.
        detector: The fitted detector, None while collecting.
        watched: Rows scored since the fit.
        alarms: Of those in alarm under the candidate itself.
    """

    def __init__(self, shift: RegimeShift, *, rows_needed: int, budget_per_day: float) -> None:
        self.shift = shift
        self.detector: Detector | None = None
        self.watched = self.alarms = 0
        self._parts: list[Frame] = []
        self._needed = self._next_fit = rows_needed
        self._budget_per_day = budget_per_day
        self._probation_from_ns = 0

    @property
    def explains(self) -> bool:
        """Whether it is seldom in alarm itself."""
        return self.alarms <= CANDIDATE_ALARM_SHARE * max(self.watched, 1)

    @property
    def collected(self) -> int:
        """Rows collected for the fit."""
        return sum(len(part) for part in self._parts)

    def feed(self, frame: Frame, conditions: AdmissionConditions) -> None:
        """Read rows after the shift was raised."""
        if self.detector is None:
            self._parts.append(frame)
            return
        readings = self.detector.score(frame)
        self.watched += len(frame)
        self.alarms += int(readings.alarm.sum())
        breach_ns = conditions.last_breach_ns(frame)
        if breach_ns is not None:
            self._probation_from_ns = breach_ns

    def fit(self) -> bool:
        """Fit the collected rows when there are enough; whether that made a detector just now."""
        if self.detector is not None or self.collected < self._next_fit:
            return False
        rows = Frame.concatenate(self._parts)
        kept = rows.rows(max(0, len(rows) - MEMORY_FITS * self._needed))
        try:
            self.detector = Detector(self._budget_per_day).fit(kept)
        except FitError:
            # Not yet enough that varies: more rows follow, and the oldest make room.
            self._parts, self._next_fit = [kept], len(kept) + self._needed
            if len(kept) == MEMORY_FITS * self._needed:
                self._parts = [kept.rows(self._needed)]
                self._next_fit = len(kept)
            return False
        self._parts = []
        self._probation_from_ns = int(rows.timestamps_ns[-1])
        self.shift = self.shift.moved(ShiftState.QUARANTINED, self._probation_from_ns)
        return True

    def on_probation_for_s(self, now_ns: int) -> float:
        """Seconds since the fit or since the last broken limit."""
        return (now_ns - self._probation_from_ns) / NANOSECONDS_PER_SECOND
