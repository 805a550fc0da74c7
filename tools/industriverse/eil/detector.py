"""The detector: learn equilibrium from clean telemetry, then read each sample against it."""

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.eil import layout
from industriverse.eil.calibration import calibrate
from industriverse.eil.cycle import find_cycle
from industriverse.eil.errors import DetectorError, FitError
from industriverse.eil.evidence import channel_evidence, negative_log_p
from industriverse.eil.feedback import Feedback, FeedbackBook, Verdict
from industriverse.eil.fitting import MINIMUM_CLEAN_ROWS, fit_core, usable_scales
from industriverse.eil.reference import Reference
from industriverse.eil.state import KernelState
from industriverse.signals import (
    NANOSECONDS_PER_SECOND,
    ChannelEvidence,
    Frame,
    ThermoReading,
    ThermoReadings,
)

__all__ = ["Detector", "DetectorSnapshot"]

BEFORE_ALL_NS = -(2**63)


@dataclass(frozen=True, slots=True, eq=False)
class DetectorSnapshot:
    """Where a detector stands in its stream; give it back to ``restore``.

    Attributes:
        state: State of the kernel.
        components: Raw components of the latest sample, or None before the first.
        sample: The latest raw sample.
        timestamp_ns: Its time.
    """

    state: KernelState
    components: NDArray[np.float64] | None
    sample: NDArray[np.float64] | None
    timestamp_ns: int | None


class Detector:
    """Detects departures from a fitted reference, in blocks or sample by sample.

    Args:
        budget_per_day: False tickets per day that the user allows.
        scales: Filter scales in samples, fastest first; those above a twentieth of the
            clean rows are left out.

    Example:
        >>> detector = Detector(budget_per_day=1.0).fit(frame.rows(0, 1000))  # doctest: +SKIP
        >>> readings = detector.score(frame.rows(1000))  # doctest: +SKIP
    """

    def __init__(self, budget_per_day: float = 1.0, *, scales: tuple[int, ...] = layout.SCALES) -> None:
        if not np.isfinite(budget_per_day) or budget_per_day <= 0.0:
            raise DetectorError(
                f"budget_per_day is {budget_per_day}", hint="give the false tickets a day that are tolerable"
            )
        if not scales or any(scale < 2 for scale in scales) or list(scales) != sorted(set(scales)):
            raise DetectorError(f"scales are {scales}", hint="give increasing scales of at least 2 samples")
        self.budget_per_day = float(budget_per_day)
        self.scales = tuple(scales)
        self._reference: Reference | None = None
        self._state: KernelState | None = None
        self._components: NDArray[np.float64] | None = None
        self._sample: NDArray[np.float64] | None = None
        self._timestamp_ns: int | None = None
        self._book: FeedbackBook | None = None
        self._relief_until_ns: int | None = None

    @classmethod
    def from_reference(cls, reference: Reference) -> "Detector":
        """A detector that stands right after the clean rows of ``reference``."""
        detector = cls(reference.calibration.budget_per_day, scales=reference.scales)
        detector._adopt(reference)
        return detector

    @property
    def reference(self) -> Reference:
        """The fitted reference.

        Raises:
            DetectorError: If nothing was fitted yet.
        """
        if self._reference is None:
            raise DetectorError("the detector has no reference", hint="fit it on clean telemetry first")
        return self._reference

    def fit(self, frame: Frame) -> "Detector":
        """Learn equilibrium and threshold from clean rows; the detector then stands right after them.

        Raises:
            FitError: If there are fewer than 100 rows, no value at all or no channel that varies.
        """
        if len(frame) < MINIMUM_CLEAN_ROWS:
            raise FitError(
                f"{len(frame)} clean rows are too few",
                hint=f"give at least {MINIMUM_CLEAN_ROWS} rows without attack or fault",
            )
        if not frame.channels:
            raise FitError("the frame has no channels", hint="give at least one numeric channel")
        scales = usable_scales(self.scales, len(frame))
        cycle = find_cycle(frame.values, frame.timestamps_ns, frame.interval_s)
        core = fit_core(frame.values, scales, timestamps_ns=frame.timestamps_ns, cycle=cycle)
        if (core.model.channel[layout.KIND] != layout.MOVING).all():
            raise FitError(
                "every channel is constant over the clean rows",
                hint="give clean rows in which at least one channel varies",
            )
        model, calibration = calibrate(
            core,
            frame.values,
            scales,
            timestamps_ns=frame.timestamps_ns,
            cycle=cycle,
            interval_s=frame.interval_s,
            budget_per_day=self.budget_per_day,
        )
        self._adopt(
            Reference(
                channels=frame.channels,
                scales=scales,
                interval_s=frame.interval_s,
                clean_rows=len(frame),
                clean_start_ns=int(frame.timestamps_ns[0]),
                clean_stop_ns=int(frame.timestamps_ns[-1]),
                calibration=calibration,
                model=model,
                initial=core.state,
            )
        )
        return self

    def _adopt(self, reference: Reference) -> None:
        self._reference = reference
        self._book = FeedbackBook(layout.component_names(reference.scales))
        self.reset()

    def reset(self) -> None:
        """Go back to the state right after the clean rows."""
        self._state = self.reference.initial.copy()
        self._components = self._sample = self._timestamp_ns = None
        self._relief_until_ns = self._require_book().next_change_ns(BEFORE_ALL_NS)

    def rewind(self) -> None:
        """Go to the neutral state before the clean rows, to read those rows themselves, in sample."""
        self._state = self.reference.model.neutral_state()
        self._components = self._sample = self._timestamp_ns = None
        self._relief_until_ns = self._require_book().next_change_ns(BEFORE_ALL_NS)

    def score(self, frame: Frame) -> ThermoReadings:
        """Readings of the next rows of the stream, one a row, continuing where the last call ended.

        Raises:
            DetectorError: If nothing was fitted, channels differ or time does not go on.
        """
        state = self._require_state()
        values = self._aligned(frame)
        if len(frame):
            self._check_time(int(frame.timestamps_ns[0]))
        components, readings = self._run(frame.timestamps_ns, values, state)
        if len(frame):
            self._components, self._sample = components[-1], values[-1].copy()
            self._timestamp_ns = int(frame.timestamps_ns[-1])
        return _as_readings(frame.timestamps_ns, readings)

    def update(self, timestamp_ns: int, row: ArrayLike) -> ThermoReading:
        """Reading of the next sample; the same bits as ``score`` gives for it.

        Args:
            timestamp_ns: Time of the sample, nanoseconds since 1970-01-01 UTC.
            row: One value a channel in the order of the reference, NaN where missing.

        Raises:
            DetectorError: If nothing was fitted, the row is malformed or time does not go on.
        """
        reference, state = self.reference, self._require_state()
        values = np.array(row, dtype=np.float64).reshape(1, -1)
        if values.shape[1] != len(reference.channels):
            raise DetectorError(
                f"a row of {values.shape[1]} values for {len(reference.channels)} channels",
                hint=f"give one value for each of {', '.join(reference.names)}",
            )
        if not isfinite(values.sum()) and np.isinf(values).any():
            channel = reference.names[int(np.flatnonzero(np.isinf(values[0]))[0])]
            raise DetectorError(f"channel {channel!r} is infinite", hint="mark missing values with NaN")
        self._check_time(timestamp_ns)
        if self._relief_until_ns is not None and timestamp_ns >= self._relief_until_ns:
            self._set_relief(timestamp_ns, state)
        components, readings = reference.model.run(values, state, timestamp_ns)
        self._components, self._sample, self._timestamp_ns = components[0], values[0], timestamp_ns
        return _as_reading(timestamp_ns, readings[0].tolist())

    def evidence(self) -> tuple[ChannelEvidence, ...]:
        """Evidence of each channel for the latest sample, largest share first; shares add up to its score.

        Raises:
            DetectorError: If no sample was read yet.
        """
        if self._components is None or self._sample is None:
            raise DetectorError("no sample was read yet", hint="score or update first")
        reference = self.reference
        return channel_evidence(
            reference.channels, reference.model, self._require_state(), self._components, self._sample
        )

    @property
    def expected(self) -> NDArray[np.float64]:
        """What the reference forecast for the latest sample before it came, in channel units, shape (d,).

        Raises:
            DetectorError: If nothing was fitted yet.
        """
        return np.array(self._require_state().channel[layout.EXPECTED])

    def slow_departures(self) -> NDArray[np.float64]:
        """How far each channel's mean of about a day lies from its clean mean, over its limit, shape (d,).

        Above 1 in size, clean rows do not explain it (:mod:`industriverse.eil.slow_chart`).

        Raises:
            DetectorError: If nothing was fitted yet.
        """
        departures = self._require_state().channel[layout.SLOW]
        return np.asarray(departures / self.reference.model.channel[layout.SLOW_LIMIT])

    def restart_slow_chart(self) -> None:
        """Let the slow chart forget what it has seen: somebody has decided on it, or it was not its regime.

        Raises:
            DetectorError: If nothing was fitted yet.
        """
        self._require_state().channel[layout.SLOW] = 0.0

    def surprises(self) -> dict[str, float]:
        """-log p of each component at the latest sample, nats, largest first: what feedback may name.

        Raises:
            DetectorError: If no sample was read yet.
        """
        if self._components is None:
            raise DetectorError("no sample was read yet", hint="score or update first")
        model, names = self.reference.model, layout.component_names(self.reference.scales)
        found = {
            name: negative_log_p(float(self._components[c]), model.tails[c])
            for c, name in enumerate(names)
            if model.weights[c] > 0.0
        }
        return dict(sorted(found.items(), key=lambda entry: -entry[1]))

    def take_feedback(
        self, ticket: str, verdict: Verdict, *, component: str, surprise: float, given_ns: int, hold_s: float
    ) -> Feedback:
        """Take a verdict on a ticket; it touches the named component alone and expires after ``hold_s``.

        Args:
            ticket: Id of the ticket.
            verdict: False and planned work relieve the component in the alarm; true withdraws such relief.
            component: Component named, see :meth:`surprises`.
            surprise: Its -log p at the ticket, nats.
            given_ns: When the verdict is given, nanoseconds since 1970-01-01 UTC.
            hold_s: How long it holds, seconds.

        Raises:
            FeedbackError: If the component is unknown or the expiry is not ahead.
            DetectorError: If nothing was fitted yet.
        """
        book, state = self._require_book(), self._require_state()
        expires_ns = given_ns + round(hold_s * NANOSECONDS_PER_SECOND)
        feedback = Feedback(ticket, verdict, component, surprise, given_ns, expires_ns)
        book.forget_expired(given_ns)
        book.add(feedback)
        if verdict is Verdict.TRUE:
            # What was learned to be slow change was an event: the component is fully heard again.
            state.drift[book.components.index(component)] = 1.0
        self._set_relief(self._timestamp_ns if self._timestamp_ns is not None else given_ns, state)
        return feedback

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """The verdicts kept, oldest first."""
        return self._require_book().entries

    def _set_relief(self, now_ns: int, state: KernelState) -> None:
        book = self._require_book()
        state.relief[:] = book.relief_at(now_ns)
        self._relief_until_ns = book.next_change_ns(now_ns)

    def _run(
        self, timestamps_ns: NDArray[np.int64], values: NDArray[np.float64], state: KernelState
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Run the kernel, cut where a verdict begins or ends to hold."""
        parts, start = [], 0
        while start < len(values) and self._relief_until_ns is not None:
            if timestamps_ns[start] >= self._relief_until_ns:
                self._set_relief(int(timestamps_ns[start]), state)
                continue
            stop = int(np.searchsorted(timestamps_ns, self._relief_until_ns, side="left"))
            parts.append(self.reference.model.run(values[start:stop], state, timestamps_ns[start:stop]))
            start = stop
        if start < len(values) or not parts:
            parts.append(self.reference.model.run(values[start:], state, timestamps_ns[start:]))
        if len(parts) == 1:
            return parts[0]
        return np.vstack([part[0] for part in parts]), np.vstack([part[1] for part in parts])

    def _require_book(self) -> FeedbackBook:
        if self._book is None:
            raise DetectorError("the detector has no reference", hint="fit it on clean telemetry first")
        return self._book

    def snapshot(self) -> DetectorSnapshot:
        """An independent copy of where the detector stands."""
        return DetectorSnapshot(
            self._require_state().copy(), self._components, self._sample, self._timestamp_ns
        )

    def restore(self, snapshot: DetectorSnapshot) -> None:
        """Go back to a snapshot of a detector with the same reference.

        Raises:
            DetectorError: If the snapshot belongs to a reference of another shape.
        """
        shapes = [array.shape for array in snapshot.state.arrays()]
        if shapes != [array.shape for array in self.reference.initial.arrays()]:
            raise DetectorError("the snapshot is of another reference", hint="restore it where it was taken")
        self._state = snapshot.state.copy()
        self._components, self._sample = snapshot.components, snapshot.sample
        self._timestamp_ns = snapshot.timestamp_ns
        stood_ns = BEFORE_ALL_NS if snapshot.timestamp_ns is None else snapshot.timestamp_ns
        self._relief_until_ns = self._require_book().next_change_ns(stood_ns)

    def _require_state(self) -> KernelState:
        if self._state is None:
            raise DetectorError("the detector has no reference", hint="fit it on clean telemetry first")
        return self._state

    def _check_time(self, timestamp_ns: int) -> None:
        if self._timestamp_ns is not None and timestamp_ns <= self._timestamp_ns:
            raise DetectorError(
                f"sample at {timestamp_ns} ns does not follow the one at {self._timestamp_ns} ns",
                hint="feed samples in time order, or reset the detector",
            )

    def _aligned(self, frame: Frame) -> NDArray[np.float64]:
        """Values in the channel order of the reference."""
        names = self.reference.names
        if frame.names == names:
            return frame.values
        if set(frame.names) != set(names):
            unknown = [f"{name!r} is unknown" for name in frame.names if name not in names]
            absent = [f"{name!r} is absent" for name in names if name not in frame.names]
            raise DetectorError(
                f"channels differ from the reference: {', '.join((unknown + absent)[:5])}",
                hint=f"give exactly the {len(names)} channels of the reference",
            )
        return np.ascontiguousarray(frame.values[:, [frame.names.index(name) for name in names]])


def _as_reading(timestamp_ns: int, row: list[float]) -> ThermoReading:
    score, p_value, alarm, energy, innovation, temperature, entropy, free, work, heat, structure, produced = (
        row
    )
    return ThermoReading(
        timestamp_ns=timestamp_ns,
        score=score,
        p_value=p_value,
        alarm=alarm > 0.5,
        energy=energy,
        innovation_energy=innovation,
        temperature=temperature,
        entropy=entropy,
        free_energy=free,
        work=work,
        heat=heat,
        structure=structure,
        entropy_production=produced,
        regime=0,
    )


def _as_readings(timestamps_ns: NDArray[np.int64], readings: NDArray[np.float64]) -> ThermoReadings:
    columns = {name: np.ascontiguousarray(readings[:, i]) for i, name in enumerate(layout.READING_COLUMNS)}
    alarm = columns.pop("alarm") > 0.5
    return ThermoReadings(
        timestamps_ns=timestamps_ns,
        alarm=alarm,
        regime=np.zeros(len(timestamps_ns), dtype=np.int64),
        **columns,
    )
