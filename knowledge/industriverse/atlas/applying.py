"""Carrying the outbox over to the graph and the object store."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from filelock import FileLock

from industriverse.atlas.errors import (
    AtlasError,
    CypherRunError,
    RecordError,
    UnknownRecordError,
)
from industriverse.atlas.model import (
    Action,
    EnergyState,
    Entity,
    Incident,
    Model,
    Proof,
    Record,
    RegimeShift,
    Service,
    Term,
    Transition,
)
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.outbox import Entry, Outbox, Status
from industriverse.atlas.store import AtlasStore

__all__ = ["Applier", "ApplyReport", "Pump", "write"]

_BATCH = 1_000
_LONGEST_PAUSE_S = 5.0
# What would fail again however often it is tried.
_FINAL = (RecordError, UnknownRecordError, CypherRunError)


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What one round did.

    Attributes:
        applied: Entries carried over.
        refused: Entries set aside because they can never be; see ``Outbox.refused``.
        waiting: Why the rest still waits; empty if nothing does.
    """

    applied: int
    refused: int
    waiting: str = ""


def write(atlas: AtlasStore, record: Record | Transition, states: Sequence[str] = ()) -> None:
    """Write one record of whatever kind.

    Args:
        atlas: The graph.
        record: What to write.
        states: States that it involves, if it is an incident.

    Raises:
        AtlasError: If it cannot be written.
    """
    match record:
        case EnergyState():
            atlas.upsert_states([record])
        case Transition():
            atlas.link_transitions([record])
        case Service():
            atlas.upsert_services([record])
        case Entity():
            atlas.upsert_entities([record])
        case RegimeShift():
            atlas.record_regime_shift(record)
        case Incident():
            atlas.record_incident(record, states=states)
        case Action():
            atlas.record_action(record)
        case Proof():
            atlas.record_proof(record)
        case Model():
            atlas.record_model(record)
        case Term():
            atlas.upsert_terms([record])


class Applier:
    """Writes entries in their order, each at least once; all writes of the Atlas are idempotent.

    An entry that can never be written is set aside with its reason and does not hold up the others. A server
    that is away stops the round, and the entries wait. One applier works on an outbox at a time, in whichever
    process.

    Args:
        outbox: Where entries come from.
        atlas: The graph.
        objects: The object store.
    """

    def __init__(self, outbox: Outbox, atlas: AtlasStore, objects: ObjectStore) -> None:
        self._outbox, self._atlas, self._objects = outbox, atlas, objects
        self._lock = FileLock(f"{outbox.path}.apply", thread_local=False)

    def apply(self) -> ApplyReport:
        """Carry over everything that waits."""
        applied = refused = 0
        with self._lock:
            while entries := self._outbox.pending(_BATCH):
                # Objects first: nothing may refer to one that is not there, and records that follow each other
                # go together. Records keep their order.
                ordered = sorted(entries, key=lambda entry: entry.record is not None)
                for _, run in groupby(ordered, key=lambda entry: type(entry.record)):
                    try:
                        done, bad = self._apply_run(list(run))
                    except AtlasError as error:
                        return ApplyReport(applied, refused, str(error))
                    applied += done
                    refused += bad
        return ApplyReport(applied, refused)

    def repeat(self, entry: Entry) -> None:
        """Write one entry again, whatever became of it before.

        Raises:
            AtlasError: If it cannot be written.
        """
        with self._lock:
            self._write([entry])

    def _apply_run(self, run: Sequence[Entry]) -> tuple[int, int]:
        try:
            self._write(run)
        except _FINAL as error:
            if len(run) == 1:
                self._outbox.settle([run[0].sequence], Status.REFUSED, str(error))
                return 0, 1
            # One bad entry must not take its neighbours along.
            parts = [self._apply_run([entry]) for entry in run]
            return sum(done for done, _ in parts), sum(bad for _, bad in parts)
        self._outbox.settle([entry.sequence for entry in run], Status.APPLIED)
        return len(run), 0

    def _write(self, run: Sequence[Entry]) -> None:
        records = [entry.record for entry in run]
        if all(isinstance(record, EnergyState) for record in records):
            self._atlas.upsert_states([one for one in records if isinstance(one, EnergyState)])
        elif all(isinstance(record, Transition) for record in records):
            self._atlas.link_transitions([one for one in records if isinstance(one, Transition)])
        else:
            for entry in run:
                if entry.record is None:
                    self._objects.put_bytes(entry.content or b"")
                else:
                    write(self._atlas, entry.record, entry.states)


class Pump:
    """Applies in the background, so that whoever promises writes never waits for the graph.

    Args:
        applier: What to run, or how to make it: then the stores are opened when there is a first look, in the
            background, and again later where they were away.
        interval_s: Longest time between two looks.
        after: Told what each round did, in the background too; for upkeep such as archiving.
    """

    def __init__(
        self,
        applier: Applier | Callable[[], Applier],
        *,
        interval_s: float = 1.0,
        after: Callable[[ApplyReport], None] | None = None,
    ) -> None:
        self._connect = applier if callable(applier) else lambda: applier
        self._applier: Applier | None = None
        self._interval_s, self._after = interval_s, after
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self.last = ApplyReport(0, 0)
        self._thread = threading.Thread(target=self._run, name="atlas-pump", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything that was promised before has been looked at.

        Args:
            timeout_s: Longest wait. Where a store is known to be away nobody waits.

        Returns:
            Whether it has all been carried over or set aside.
        """
        with self._turn:
            if self.last.waiting or not self._thread.is_alive():
                return False
            self._asked += 1
            ticket = self._asked
            self._wake.set()
            self._turn.wait_for(lambda: self._answered >= ticket, timeout_s)
            return self._answered >= ticket and not self.last.waiting

    def close(self) -> None:
        """Apply what can be applied and stop."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        pause_s = self._interval_s
        while True:
            stopping = self._stopping.is_set()
            self._wake.clear()
            with self._turn:
                asked = self._asked
            report = self._round()
            with self._turn:
                self.last, self._answered = report, asked
                self._turn.notify_all()
            if stopping:
                return
            away = bool(self.last.waiting)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S) if away else self._interval_s
            # A wake-up must not turn a server that is away into a busy loop.
            (self._stopping if away else self._wake).wait(pause_s)

    def _round(self) -> ApplyReport:
        try:
            if self._applier is None:
                self._applier = self._connect()
            report = self._applier.apply()
            if self._after is not None and not report.waiting:
                self._after(report)
        except AtlasError as error:
            return ApplyReport(0, 0, str(error))
        return report
