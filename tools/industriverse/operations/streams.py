"""Streams that are watched: raw samples on disk, a reference once learned, a live detector in memory.

A process that starts again reads the samples after the reference anew; scoring is deterministic, so it comes
to the same readings and the same tickets.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from industriverse.eil.proof.reference import EquilibriumReference
from industriverse.eil.quarantine import RegimeShift
from industriverse.eil.reference import Reference
from industriverse.operations.carrying import Carried, carry_over
from industriverse.operations.costs import count_steps
from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.journal import JournalEntry, StreamJournal
from industriverse.operations.live import LiveStream
from industriverse.operations.telemetry import TelemetryStore
from industriverse.signals import Frame, Ticket
from industriverse.storage import write_whole

__all__ = ["Ingested", "Learned", "LiveStream", "Streams", "reference_of"]

SECONDS_PER_DAY = 86_400.0

PROOF_WINDOW_S = SECONDS_PER_DAY
"""A proof looks at a whole day where the clean data allow it, so that a daily cycle is no disturbance."""

SHORTEST_PROOF_WINDOW = 64
"""Samples; below this the spectrum of a window says little."""

EXCEEDANCE = 1e-3
"""Share of clean samples whose free-energy excess counts as out of the ordinary."""

WINDOWS_NEEDED = 8
"""Windows that the clean rows must hold for a proof reference."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of sending samples to a stream."""

    new_samples: int
    tickets: tuple[Ticket, ...]
    shifts: tuple[RegimeShift, ...] = ()


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned from clean samples.

    Attributes:
        reference: The detector's model.
        equilibrium: The proof's model, None if the clean rows are too few for one.
        no_proof_because: Why there is none, empty otherwise.
        relearned: False if this very reference was there already.
        carried_over: What people had said of the stream and still holds.
        dropped: What they had said and no longer holds, with the reason.
    """

    reference: Reference
    equilibrium: EquilibriumReference | None
    no_proof_because: str
    relearned: bool
    carried_over: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def reference_of(folder: Path, stream: str) -> Path:
    """Where the reference of a stream is kept below the folder of all streams."""
    # Names come from callers; a digest means nothing to the file system and is never too long for it.
    return folder / hashlib.sha256(stream.encode()).hexdigest()[:32] / "reference.npz"


class Streams:
    """The streams of one installation.

    Args:
        store: Raw samples.
        folder: Where references are kept, one folder a stream.
    """

    def __init__(self, store: TelemetryStore, folder: Path) -> None:
        self.store = store
        self._folder = folder
        self._journal = StreamJournal(folder / "journal.sqlite")
        self._live: dict[str, LiveStream] = {}
        self._equilibria: dict[Path, EquilibriumReference | None] = {}

    def ingest(self, stream: str, frame: Frame) -> Ingested:
        """Keep samples and score them; samples that are there already change nothing."""
        live = self.live(stream) if stream in self.store.names() else None
        added = self.store.append(stream, frame)
        if live is None:
            return Ingested(added, ())
        fresh = int(np.searchsorted(frame.timestamps_ns, live.last_ns, side="right"))
        scored = live.feed(frame.rows(fresh))
        return Ingested(added, scored.tickets, scored.shifts)

    def learn(self, stream: str, clean_rows: int | None, budget_per_day: float) -> Learned:
        """Fit the references on the first rows of a stream.

        Args:
            stream: Name of the stream.
            clean_rows: How many of its first rows are clean; None for all stored rows.
            budget_per_day: False tickets accepted per day.

        Raises:
            NotFoundError: If there is no such stream.
            OperationError: If there are fewer rows than asked for.
        """
        from industriverse.eil.detector import Detector

        self.store.channels(stream)
        stored = self.store.count(stream)
        rows = stored if clean_rows is None else clean_rows
        if rows > stored:
            raise OperationError(
                f"stream {stream!r} holds {stored} samples, not {rows}",
                hint="send more samples or ask for fewer",
            )
        clean = self.store.frame(stream).rows(0, rows)
        known = self._reference(stream)
        if known is not None and self._is_same(known, clean, budget_per_day):
            refusal = str(self._notes(stream, known)["no_proof"])
            return Learned(known, self.equilibrium(stream), refusal, relearned=False)
        # Each clean row is fitted, then scored for the ordinary limits.
        count_steps(2 * rows)
        reference = Detector(budget_per_day=budget_per_day).fit(clean).reference
        equilibrium, refusal = self._fit_equilibrium(clean)
        # What belongs to a reference carries its digest and is there before it: a process that dies in
        # between leaves the old reference with all that is its own.
        folder = self._stream_folder(stream)
        folder.mkdir(parents=True, exist_ok=True)
        if equilibrium is not None:
            equilibrium.save(folder / f"{reference.digest}.equilibrium.npz")
        notes = {"no_proof": refusal, **_ordinary_limits(reference, clean)}
        write_whole(folder / f"{reference.digest}.json", json.dumps(notes).encode())
        carried = self._carry_over(stream, known, reference)
        reference.save(folder / "reference.npz")
        self._live.pop(stream, None)
        return Learned(reference, equilibrium, refusal, True, carried.kept, carried.dropped)

    def _carry_over(self, stream: str, known: Reference | None, reference: Reference) -> Carried:
        """Write what was said under the known reference into the journal of a new one."""
        said = [] if known is None else self._journal.entries(stream, known.digest)
        if not said:
            return Carried((), (), ())
        live = self.watched(stream)
        entries = [entry for _, entry in said]
        carried = carry_over(entries, live.feedback, reference, now_ns=live.last_ns)
        there = [entry for _, entry in self._journal.entries(stream, reference.digest)]
        for after_ns, entry in carried.entries:
            if entry not in there:
                self._journal.append(stream, reference.digest, after_ns, entry)
        return carried

    def live(self, stream: str) -> LiveStream | None:
        """The live detector of a stream, None if nothing was learned yet.

        Raises:
            NotFoundError: If there is no such stream.
        """
        self.store.channels(stream)
        if stream not in self._live:
            reference = self._reference(stream)
            if reference is None:
                return None
            notes = self._notes(stream, reference)
            live = LiveStream(
                stream,
                reference,
                free_energy_limit_kt=float(notes["free_energy_limit_kt"]),
                daily_work_limit_kt=float(notes["daily_work_limit_kt"]),
            )
            samples = self.store.frame(stream, after_ns=reference.clean_stop_ns)
            live.replay(samples, self._journal.entries(stream, reference.digest))
            self._live[stream] = live
        return self._live[stream]

    def tell(self, stream: str, entry: JournalEntry) -> None:
        """Take a person's word on a stream, and keep it.

        Raises:
            NotFoundError: If there is no such stream or nothing was learned from it.
            EilError: If the entry cannot be taken; then nothing is kept.
        """
        live = self.watched(stream)
        live.take(entry)
        try:
            self._journal.append(stream, live.reference.digest, live.last_ns, entry)
        except sqlite3.Error:
            # What is not kept must not count: the stream is read anew without it.
            del self._live[stream]
            raise

    def watched(self, stream: str) -> LiveStream:
        """The live detector of a stream that has a reference.

        Raises:
            NotFoundError: If there is no such stream or nothing was learned from it.
        """
        live = self.live(stream)
        if live is None:
            raise NotFoundError(
                f"stream {stream!r} has no reference yet", hint="call signal_compile on clean samples"
            )
        return live

    def equilibrium(self, stream: str) -> EquilibriumReference | None:
        """The proof's model of a stream, None if there is none."""
        live = self.live(stream)
        if live is None:
            return None
        path = self._stream_folder(stream) / f"{live.reference.digest}.equilibrium.npz"
        if path not in self._equilibria:
            self._equilibria[path] = EquilibriumReference.load(path) if path.exists() else None
        return self._equilibria[path]

    def no_proof_because(self, stream: str) -> str:
        """Why a stream has no proof's model, empty if it has one.

        Raises:
            NotFoundError: If there is no such stream or nothing was learned from it.
        """
        return str(self._notes(stream, self.watched(stream).reference)["no_proof"])

    def close(self) -> None:
        """Close the files."""
        self._journal.close()
        self.store.close()

    def _reference(self, stream: str) -> Reference | None:
        path = self._stream_folder(stream) / "reference.npz"
        return Reference.load(path) if path.exists() else None

    def _notes(self, stream: str, reference: Reference) -> dict[str, Any]:
        path = self._stream_folder(stream) / f"{reference.digest}.json"
        notes: dict[str, Any] = json.loads(path.read_text())
        return notes

    def _stream_folder(self, stream: str) -> Path:
        return reference_of(self._folder, stream).parent

    @staticmethod
    def _is_same(known: Reference, clean: Frame, budget_per_day: float) -> bool:
        return (
            known.clean_rows == len(clean)
            and known.clean_start_ns == int(clean.timestamps_ns[0])
            and known.clean_stop_ns == int(clean.timestamps_ns[-1])
            and known.calibration.budget_per_day == budget_per_day
        )

    @staticmethod
    def _fit_equilibrium(clean: Frame) -> tuple[EquilibriumReference | None, str]:
        from industriverse.eil.proof.errors import ProofError

        day = round(PROOF_WINDOW_S / clean.interval_s)
        window = min(day, len(clean) // WINDOWS_NEEDED)
        if window < SHORTEST_PROOF_WINDOW:
            needed = SHORTEST_PROOF_WINDOW * WINDOWS_NEEDED
            return None, f"{len(clean)} clean samples are too few to prove anything; {needed} are needed"
        try:
            return EquilibriumReference.fit(clean, window=window), ""
        except ProofError as error:
            return None, str(error)


def _ordinary_limits(reference: Reference, clean: Frame) -> dict[str, float]:
    """What clean operation shows now and then: the largest excess of samples and of days, kT."""
    from industriverse.eil.detector import Detector

    detector = Detector.from_reference(reference)
    detector.rewind()
    readings = detector.score(clean)
    day = max(1, min(len(readings), round(SECONDS_PER_DAY / reference.interval_s)))
    totals = np.concatenate([[0.0], np.cumsum(readings.work)])
    return {
        "free_energy_limit_kt": float(np.quantile(readings.free_energy, 1.0 - EXCEEDANCE)),
        "daily_work_limit_kt": float(((totals[day:] - totals[:-day]) / day).max()),
    }
