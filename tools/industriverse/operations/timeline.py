"""A stream at the granularity of regimes: readings in, stretches of one regime out, in bounded memory.

A stream is *disturbed* from an alarm until it has been without one for :data:`QUIET_S`; what comes then is
*recovered*, counted from the first sample after the last alarm. Whatever its length, a stretch is a handful of
sums, so that a timeline takes no more memory after a year than after an hour.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from industriverse.operations.errors import OperationError
from industriverse.signals import NANOSECONDS_PER_SECOND, ThermoReadings

__all__ = [
    "COLUMNS",
    "DISTURBED",
    "DWELL_S",
    "QUIET_S",
    "RECOVERED",
    "REFERENCE",
    "Stretch",
    "Sums",
    "Timeline",
]

REFERENCE, DISTURBED, RECOVERED = "reference", "disturbed", "recovered"
QUIET_S = 7_200.0
"""A stream in alarm raises a ticket an hour, so two hours of silence end a disturbance, as they end an incident."""

DWELL_S = 900.0
"""A regime that the detector leaves again within a quarter of an hour is part of the one before it."""

COLUMNS = (
    "energy",
    "innovation_energy",
    "temperature",
    "entropy",
    "work",
    "heat",
    "structure",
    "entropy_production",
)
"""The readings whose means place a stretch in the space of states, in this order."""

_GROWTH = 4
"""A stretch is written again when it has this many times the samples that it had when it was written."""

_KEPT_STARTS = 256


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums and numbers of the finite readings of some samples, by column.

    Attributes:
        rows: Samples.
        totals: Sum of each column, in its unit (kT or nats).
        counts: How many readings of each column were finite.
    """

    rows: int = 0
    totals: tuple[float, ...] = (0.0,) * len(COLUMNS)
    counts: tuple[int, ...] = (0,) * len(COLUMNS)

    def plus(self, other: "Sums") -> "Sums":
        """These samples and others."""
        return Sums(
            self.rows + other.rows,
            tuple(one + two for one, two in zip(self.totals, other.totals, strict=True)),
            tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)),
        )

    def mean(self, column: str) -> float:
        """Mean of a column; 0 where no reading was finite."""
        index = COLUMNS.index(column)
        return self.totals[index] / self.counts[index] if self.counts[index] else 0.0

    @property
    def vector(self) -> tuple[float, ...]:
        """The means, drawn together by the inverse hyperbolic sine: kT of a fault span many powers of ten."""
        return tuple(float(np.arcsinh(self.mean(column))) for column in COLUMNS) if self.rows else ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive samples in one regime.

    Attributes:
        start_ns: Time of its first sample.
        regime: Name of the regime.
        number: Number of the detector's regime.
        score: Evidence at its first sample, nats.
        p_value: Conformal p-value of that.
        sums: Of its samples so far.
        written_rows: Samples that it had when it was last reported.
    """

    start_ns: int
    regime: str
    number: int = 0
    score: float = 0.0
    p_value: float = 1.0
    sums: Sums = Sums()
    written_rows: int = -1


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where a stream stands.

    Attributes:
        digest: Of the reference that its readings are relative to.
        learned_ns: Time of the first clean sample: start of the stretch that the reference was learned from.
        until_ns: Time of the last sample that was read.
        present: The stretch that goes on.
        last_alarm_ns: Time of the last alarm, None before the first.
        quiet: The samples since then while it is not known whether the disturbance is over.
        starts: Start and regime of the latest stretches, oldest first, the present one among them.
        trial: The samples of another regime of the detector while it is not known whether that will last.
        told: Id and state of the latest regime shifts that the Atlas was told of.
    """

    digest: str
    learned_ns: int
    until_ns: int
    present: Stretch
    last_alarm_ns: int | None = None
    quiet: Stretch | None = None
    starts: tuple[tuple[int, str], ...] = ()
    trial: Stretch | None = None
    told: tuple[tuple[str, str], ...] = ()

    @classmethod
    def begin(cls, digest: str, clean_start_ns: int, clean_stop_ns: int) -> "Timeline":
        """A stream that has just been learned."""
        return cls(
            digest,
            clean_start_ns,
            clean_stop_ns,
            Stretch(clean_start_ns, REFERENCE),
            starts=((clean_start_ns, REFERENCE),),
        )

    def feed(self, readings: ThermoReadings) -> "tuple[Timeline, tuple[Stretch, ...]]":
        """Read on; samples that were read before change nothing.

        Returns:
            The timeline then, and the stretches to be written: ended, begun, or grown by much.
        """
        fresh = readings.rows(int(np.searchsorted(readings.timestamps_ns, self.until_ns, side="right")))
        if not len(fresh):
            return self, ()
        now, ended = self, []
        for run in _runs(fresh, self.last_alarm_ns):
            now, closed = now._read(run)
            ended += closed
        now = replace(now, until_ns=int(fresh.timestamps_ns[-1]))
        return now._report(ended)

    def conclude(self) -> "tuple[Timeline, tuple[Stretch, ...]]":
        """Take a disturbance without a present alarm as over, because somebody acted on it and looked."""
        if self.present.regime != DISTURBED or self.quiet is None:
            return self, ()
        ended = self.present
        now = self._enter(replace(self.quiet, regime=RECOVERED))
        return replace(now, quiet=None)._report([ended])

    def regime_of(self, start_ns: int) -> str:
        """Regime of one of the latest stretches, by its start.

        Raises:
            OperationError: If it is no longer known.
        """
        for start, regime in reversed(self.starts):
            if start == start_ns:
                return regime
        raise OperationError(f"no stretch began at {start_ns} ns", hint="look it up in the Atlas")

    def stretch_at(self, time_ns: int) -> tuple[int, str] | None:
        """Start and regime of the stretch in which a moment lies, None if it is no longer known."""
        begun = [one for one in self.starts if one[0] <= time_ns]
        return begun[-1] if begun else None

    def having_told(self, shifts: Iterable[tuple[str, str]]) -> "Timeline":
        """The same after the Atlas was told of regime shifts, by id and state."""
        return replace(self, told=(*self.told, *shifts)[-_KEPT_STARTS:])

    def disturbed_at(self, time_ns: int) -> int | None:
        """Start of the latest disturbance that had begun by a time, None if it is no longer known."""
        begun = [start for start, regime in self.starts if regime == DISTURBED and start <= time_ns]
        return begun[-1] if begun else None

    def calm_around(self, first_ns: int, last_ns: int) -> int | None:
        """Start of the undisturbed stretch in which a window lies, None if there is none or it is not known."""
        stops = [start for start, _ in self.starts[1:]] + [self.until_ns + 1]
        for (start, regime), stop in zip(self.starts, stops, strict=True):
            if start <= first_ns and last_ns < stop:
                return None if regime == DISTURBED else start
        return None

    def to_json(self) -> str:
        """The timeline as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Timeline":
        """The timeline that :meth:`to_json` wrote.

        Raises:
            OperationError: If the text is none.
        """
        try:
            content = json.loads(text)
            return cls(
                content["digest"],
                content["learned_ns"],
                content["until_ns"],
                _stretch(content["present"]),
                content["last_alarm_ns"],
                None if content["quiet"] is None else _stretch(content["quiet"]),
                tuple((start, regime) for start, regime in content["starts"]),
                # Timelines of earlier versions have neither.
                None if content.get("trial") is None else _stretch(content["trial"]),
                tuple((identifier, state) for identifier, state in content.get("told", ())),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise OperationError(
                f"the timeline of a stream is damaged: {error}", hint="learn again"
            ) from error

    def _read(self, run: "_Run") -> "tuple[Timeline, list[Stretch]]":
        disturbed = self.present.regime == DISTURBED
        if run.alarm:
            alarmed = replace(self._settled(), last_alarm_ns=run.last_ns, quiet=None)
            if not disturbed:
                return alarmed._enter(run.stretch(DISTURBED)), [alarmed.present]
            before = self.quiet.sums if self.quiet else Sums()
            return alarmed._grow(before.plus(run.sums)), []
        if disturbed and run.waiting:
            quiet = self.quiet or run.stretch(RECOVERED, sums=Sums())
            return replace(self, quiet=replace(quiet, sums=quiet.sums.plus(run.sums))), []
        if disturbed:
            begun = self.quiet or run.stretch(RECOVERED, sums=Sums())
            name = name_of(run.number, RECOVERED)
            entered = self._enter(replace(begun, regime=name, number=run.number))
            return replace(entered, quiet=None)._grow(run.sums), [self.present]
        if run.number != self.present.number:
            return self._try(run)
        return self._settled()._grow(run.sums), []

    def _try(self, run: "_Run") -> "tuple[Timeline, list[Stretch]]":
        """Enter another regime of the detector once it has lasted."""
        before = self if self.trial and self.trial.number == run.number else self._settled()
        trial = before.trial or run.stretch(name_of(run.number), sums=Sums())
        trial = replace(trial, sums=trial.sums.plus(run.sums))
        if run.last_ns - trial.start_ns < DWELL_S * NANOSECONDS_PER_SECOND:
            return replace(before, trial=trial), []
        return replace(before, trial=None)._enter(trial), [before.present]

    def _settled(self) -> "Timeline":
        """What did not last belongs to the stretch that it interrupted."""
        return self if self.trial is None else replace(self, trial=None)._grow(self.trial.sums)

    def _grow(self, sums: Sums) -> "Timeline":
        return replace(self, present=replace(self.present, sums=self.present.sums.plus(sums)))

    def _enter(self, stretch: Stretch) -> "Timeline":
        starts = (*self.starts, (stretch.start_ns, stretch.regime))[-_KEPT_STARTS:]
        return replace(self, present=stretch, starts=starts)

    def _report(self, ended: list[Stretch]) -> "tuple[Timeline, tuple[Stretch, ...]]":
        present = self.present
        if present.sums.rows < max(1, _GROWTH * present.written_rows) and not ended:
            return self, ()
        reported = replace(present, written_rows=present.sums.rows)
        return replace(self, present=reported), (*ended, reported)


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive readings of one kind."""

    readings: ThermoReadings
    alarm: bool
    waiting: bool
    number: int
    sums: Sums

    @property
    def last_ns(self) -> int:
        return int(self.readings.timestamps_ns[-1])

    def stretch(self, regime: str, *, sums: Sums | None = None) -> Stretch:
        first = self.readings[0]
        score = first.score if np.isfinite(first.score) else 0.0
        p_value = float(np.clip(first.p_value, 0.0, 1.0)) if np.isfinite(first.p_value) else 1.0
        own = self.sums if sums is None else sums
        return Stretch(first.timestamp_ns, regime, self.number, score, p_value, own)


def name_of(number: int, regime: str = REFERENCE) -> str:
    """What a regime of the detector is called; the one that was learned, or came back, has a name of its own."""
    return regime if number == 0 else f"regime-{number}"


def _runs(readings: ThermoReadings, last_alarm_ns: int | None) -> Iterator[_Run]:
    times, alarm = readings.timestamps_ns, readings.alarm
    never = np.iinfo(np.int64).min
    before = never if last_alarm_ns is None else last_alarm_ns
    last = np.maximum(np.maximum.accumulate(np.where(alarm, times, never)), before)
    quiet_ns = round(QUIET_S * NANOSECONDS_PER_SECOND)
    waiting = (last != never) & (times - np.where(last == never, times, last) < quiet_ns)
    kinds = np.stack([alarm, waiting, readings.regime], axis=1)
    borders = np.flatnonzero((kinds[1:] != kinds[:-1]).any(axis=1)) + 1
    edges = [0, *borders.tolist(), len(readings)]
    for start, stop in pairwise(edges):
        part = readings.rows(start, stop)
        yield _Run(part, bool(alarm[start]), bool(waiting[start]), int(readings.regime[start]), _sums(part))


def _sums(readings: ThermoReadings) -> Sums:
    matrix: NDArray[np.float64] = np.stack([getattr(readings, name) for name in COLUMNS])
    finite = np.isfinite(matrix)
    totals = np.where(finite, matrix, 0.0).sum(axis=1)
    return Sums(len(readings), tuple(totals.tolist()), tuple(finite.sum(axis=1).tolist()))


def _stretch(content: dict[str, object]) -> Stretch:
    values = dict(content)
    sums = values.pop("sums")
    if not isinstance(sums, dict):
        raise TypeError("a stretch has no sums")
    own = Sums(sums["rows"], tuple(sums["totals"]), tuple(sums["counts"]))
    return Stretch(**values, sums=own)  # type: ignore[arg-type]
