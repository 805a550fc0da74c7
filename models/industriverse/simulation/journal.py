"""An event-sourced journal: a plant killed at any moment is rebuilt exactly by replay."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from industriverse.simulation.catalogue import make_plant, model_digest, spec_from_dict
from industriverse.simulation.errors import JournalError
from industriverse.simulation.journaled_plant import Event, JournaledPlant
from industriverse.simulation.plant import PlantSpec
from industriverse.storage import open_durable

__all__ = ["REPLAY_VERSION", "JournalEntry", "PlantJournal"]

# Raised whenever a change to the simulation makes old journals replay to other values.
REPLAY_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS plants (
    plant_id TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    replay_version INTEGER NOT NULL,
    network_digest TEXT NOT NULL,
    created_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    plant_id TEXT NOT NULL REFERENCES plants (plant_id),
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('advance', 'apply', 'revert')),
    payload TEXT NOT NULL,
    digest_before TEXT NOT NULL,
    PRIMARY KEY (plant_id, sequence)
);
"""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One plant in a journal.

    Attributes:
        plant_id: Its name.
        spec: Its specification.
        created_ns: When it was created, nanoseconds since 1970-01-01 UTC.
        events: Number of events recorded.
        step: Number of samples that it has been told to produce.
    """

    plant_id: str
    spec: PlantSpec
    created_ns: int
    events: int
    step: int


class PlantJournal:
    """Specifications and events of simulated plants in one SQLite file (WAL, synchronous FULL).

    An event is durable before its effect is visible to anyone. Several processes may share a file: each
    catches up with the others' events before it writes its own.

    Args:
        path: The file; created with its folder if missing.

    Raises:
        JournalError: If the file is not a journal or cannot be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self._database = open_durable(self.path, _SCHEMA)
        except (OSError, sqlite3.OperationalError) as error:
            raise JournalError(
                f"cannot open plant journal {self.path}: {error}", hint="give a writable path"
            ) from error
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{self.path} is not a plant journal: {error}", hint="give another path or remove the file"
            ) from error

    def close(self) -> None:
        """Close the file; plants opened from it can no longer be advanced."""
        self._database.close()

    def create(self, plant_id: str, spec: PlantSpec) -> JournaledPlant:
        """Record a new plant, or open it if it exists with the same specification.

        Raises:
            JournalError: If the id is empty or taken by a plant of another specification.
        """
        if not plant_id:
            raise JournalError("a plant has no id", hint="give it a name")
        text = json.dumps(spec.to_dict(), sort_keys=True)
        with self.transaction():
            row = self._row(plant_id)
            if row is None:
                self._database.execute(
                    "INSERT INTO plants VALUES (?, ?, ?, ?, ?)",
                    (plant_id, text, REPLAY_VERSION, model_digest(spec), time.time_ns()),
                )
            elif row["spec"] != text:
                raise JournalError(
                    f"plant {plant_id!r} exists with another specification",
                    hint="open it as it is or choose another id",
                )
        return self.open(plant_id)

    def open(self, plant_id: str) -> JournaledPlant:
        """Rebuild a plant at the exact step where its journal ends.

        Raises:
            JournalError: If there is no such plant, it was recorded by another version of the simulation, or
                replay does not give the recorded history.
        """
        row = self._row(plant_id)
        if row is None:
            known = ", ".join(entry.plant_id for entry in self.plants()) or "none"
            raise JournalError(f"no plant {plant_id!r} in {self.path}", hint=f"plants: {known}")
        spec = spec_from_dict(json.loads(row["spec"]))
        digest = model_digest(spec)
        if row["replay_version"] != REPLAY_VERSION or row["network_digest"] != digest:
            raise JournalError(
                f"plant {plant_id!r} was recorded by replay version {row['replay_version']} on model "
                f"{row['network_digest'][:12]}, this is version {REPLAY_VERSION} on {digest[:12]}",
                hint="open it with the version that recorded it, or start a new plant",
            )
        plant = make_plant(spec)
        return JournaledPlant(self, plant_id, plant)

    def plants(self) -> tuple[JournalEntry, ...]:
        """Every plant, oldest first."""
        rows = self._query("SELECT plant_id, spec, created_ns FROM plants ORDER BY created_ns, plant_id", ())
        return tuple(self._entry(row) for row in rows)

    def events(self, plant_id: str, *, after: int = 0) -> tuple[Event, ...]:
        """Events of a plant with a sequence number above ``after``, in order."""
        rows = self._query(
            "SELECT sequence, kind, payload, digest_before FROM events "
            "WHERE plant_id = ? AND sequence > ? ORDER BY sequence",
            (plant_id, after),
        )
        return tuple(
            Event(row["sequence"], row["kind"], json.loads(row["payload"]), row["digest_before"])
            for row in rows
        )

    def append(self, plant_id: str, event: Event) -> bool:
        """Record an event durably if its sequence number is still free.

        Returns:
            Whether it was recorded; False means that somebody else wrote first.
        """
        with self.transaction():
            last = self._query(
                "SELECT COALESCE(MAX(sequence), 0) AS last FROM events WHERE plant_id = ?", (plant_id,)
            )[0]["last"]
            if last != event.sequence - 1:
                return False
            payload = json.dumps(event.payload, sort_keys=True)
            self._database.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (plant_id, event.sequence, event.kind, payload, event.digest_before),
            )
        return True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; commit at the end, roll back on an error."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise JournalError(
                    f"plant journal {self.path} is locked or not writable: {error}",
                    hint="wait for the other process or check permissions",
                ) from error
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _entry(self, row: dict[str, Any]) -> JournalEntry:
        events = self.events(row["plant_id"])
        steps = [event.payload["to_step"] for event in events if event.kind == "advance"]
        spec = spec_from_dict(json.loads(row["spec"]))
        return JournalEntry(row["plant_id"], spec, row["created_ns"], len(events), max(steps, default=0))

    def _row(self, plant_id: str) -> dict[str, Any] | None:
        rows = self._query("SELECT * FROM plants WHERE plant_id = ?", (plant_id,))
        return rows[0] if rows else None

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[dict[str, Any]]:
        with self._lock:
            cursor = self._database.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
