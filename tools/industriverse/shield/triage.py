"""Triage: who handles an incident, what was said about it, what is suppressed until when. Append-only.

A change is a row and never overwritten, so the table is the history of the handling. The present state is what the
rows add up to. It lives in the file of the shield store.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from industriverse.shield.errors import TriageError
from industriverse.shield.hybrid.modes import Mode
from industriverse.signals import NANOSECONDS_PER_SECOND, Incident
from industriverse.storage import open_durable

__all__ = ["Handling", "Note", "Suppression", "TriageStatus", "TriageStore"]

LONGEST_SUPPRESSION_S = 30 * 86_400.0
LONGEST_TEXT = 2000
DEFAULT_MODE = Mode.AUTONOMOUS
_SCHEMA = """
CREATE TABLE IF NOT EXISTS triage (
    position INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, time_ns INTEGER NOT NULL,
    who TEXT NOT NULL, change TEXT NOT NULL, value TEXT NOT NULL);
"""


class TriageStatus(StrEnum):
    """Where an incident stands in people's hands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


_ALLOWED = {
    TriageStatus.OPEN: {TriageStatus.ACKNOWLEDGED, TriageStatus.CLOSED},
    TriageStatus.ACKNOWLEDGED: {TriageStatus.CLOSED, TriageStatus.OPEN},
    TriageStatus.CLOSED: {TriageStatus.OPEN},
}


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote."""

    who: str
    time_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Handling:
    """How an incident is handled.

    Attributes:
        status: Where it stands.
        assignee: Who has it, empty if nobody.
        notes: Oldest first.
        verdict: ``true``, ``false`` or ``planned_work`` once somebody said so.
    """

    status: TriageStatus = TriageStatus.OPEN
    assignee: str = ""
    notes: tuple[Note, ...] = ()
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Suppression:
    """A reason not to be told, with an end.

    Attributes:
        id: Identifier.
        stream: Stream concerned.
        entity: Asset concerned; empty for the whole stream.
        reason: Why.
        who: Who said so.
        from_ns: Since when.
        until_ns: Until when.
    """

    id: str
    stream: str
    entity: str
    reason: str
    who: str
    from_ns: int
    until_ns: int
    lifted: bool = field(default=False)

    def covers(self, incident: Incident, now_ns: int) -> bool:
        """Whether an incident is not to be told of at a time.

        Times of a stream may be simulated, so it holds by the present time and not by the incident's.
        """
        concerned = self.stream == incident.stream and self.entity in ("", incident.entity)
        return concerned and not self.lifted and self.from_ns <= now_ns < self.until_ns


class TriageStore:
    """Handling of incidents, suppressions and the mode in force.

    Args:
        path: The file of the shield store, which must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as connection:
            connection.executescript(_SCHEMA)

    def handling(self, incident_id: str) -> Handling:
        """How an incident is handled; open and nobody's if nothing was said."""
        found = Handling()
        for time_ns, who, change, value in self._rows(f"incident/{incident_id}"):
            if change == "status":
                found = replace(found, status=TriageStatus(value))
            elif change == "assignee":
                found = replace(found, assignee=value)
            elif change == "verdict":
                found = replace(found, verdict=value)
            elif change == "note":
                found = replace(found, notes=(*found.notes, Note(who, time_ns, value)))
        return found

    def set_status(self, incident_id: str, status: TriageStatus, *, who: str, at_ns: int) -> Handling:
        """Move an incident to another status; the same status again changes nothing.

        Raises:
            TriageError: If the step is not allowed or nobody is named.
        """
        present = self.handling(incident_id).status
        if status is not present:
            if status not in _ALLOWED[present]:
                raise TriageError(
                    f"{incident_id} is {present} and cannot become {status}", hint="open it again first"
                )
            self._append(f"incident/{incident_id}", at_ns, who, "status", status)
        return self.handling(incident_id)

    def assign(self, incident_id: str, assignee: str, *, who: str, at_ns: int) -> Handling:
        """Give an incident to somebody; an empty name takes it back."""
        self._append(f"incident/{incident_id}", at_ns, who, "assignee", assignee[:200])
        return self.handling(incident_id)

    def note(self, incident_id: str, text: str, *, who: str, at_ns: int) -> Handling:
        """Write something down.

        Raises:
            TriageError: If there is nothing to write or too much.
        """
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise TriageError(
                f"a note of {len(text)} characters", hint=f"write 1 to {LONGEST_TEXT} characters"
            )
        self._append(f"incident/{incident_id}", at_ns, who, "note", text)
        return self.handling(incident_id)

    def judge(self, incident_id: str, verdict: str, *, who: str, at_ns: int) -> Handling:
        """Say what an incident was.

        Raises:
            TriageError: If the verdict is none.
        """
        if verdict not in ("true", "false", "planned_work"):
            raise TriageError(f"verdict {verdict!r}", hint="say true, false or planned_work")
        self._append(f"incident/{incident_id}", at_ns, who, "verdict", verdict)
        return self.handling(incident_id)

    def suppress(
        self, stream: str, *, entity: str = "", reason: str, until_ns: int, who: str, at_ns: int
    ) -> Suppression:
        """Stop telling about new incidents of a stream or asset until a time.

        Raises:
            TriageError: If there is no reason, or the end is past or more than 30 days ahead.
        """
        if not reason.strip() or len(reason) > LONGEST_TEXT:
            raise TriageError("a suppression needs a reason", hint="say why, in a sentence")
        if not at_ns < until_ns <= at_ns + LONGEST_SUPPRESSION_S * NANOSECONDS_PER_SECOND:
            raise TriageError("a suppression ends, within 30 days from now", hint="give another end")
        content = json.dumps({"entity": entity, "reason": reason, "until_ns": str(until_ns)})
        position = self._append(f"suppression/{stream}", at_ns, who, "suppress", content)
        return Suppression(f"suppression-{position}", stream, entity, reason, who, at_ns, until_ns)

    def lift(self, suppression_id: str, *, who: str, at_ns: int) -> None:
        """End a suppression now.

        Raises:
            TriageError: If there is none of that name.
        """
        for known in self.suppressions():
            if known.id == suppression_id:
                self._append(f"suppression/{known.stream}", at_ns, who, "lift", suppression_id)
                return
        raise TriageError(f"no suppression {suppression_id[:60]!r}", hint="list them with shield_triage")

    def suppressions(self) -> tuple[Suppression, ...]:
        """All suppressions, those that have ended too, oldest first."""
        found: dict[str, Suppression] = {}
        with closing(self._connect()) as connection:
            rows = connection.execute(
                "SELECT position, subject, time_ns, who, change, value FROM triage "
                "WHERE subject LIKE 'suppression/%' ORDER BY position"
            ).fetchall()
        for position, subject, time_ns, who, change, value in rows:
            if change == "lift":
                found[value] = replace(found[value], lifted=True)
                continue
            content = json.loads(value)
            name = f"suppression-{position}"
            found[name] = Suppression(
                name, subject.partition("/")[2], content["entity"], content["reason"], who, time_ns,
                int(content["until_ns"]),
            )  # fmt: skip
        return tuple(found.values())

    def suppressed_by(self, incident: Incident, now_ns: int) -> Suppression | None:
        """The suppression that covers an incident now, None if there is none."""
        return next((known for known in self.suppressions() if known.covers(incident, now_ns)), None)

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        rows = self._rows("mode")
        return Mode(rows[-1][3]) if rows else DEFAULT_MODE

    def set_mode(self, mode: Mode, *, who: str, at_ns: int) -> None:
        """Change the mode; who did it and when stays on record."""
        self._append("mode", at_ns, who, "mode", mode)

    def _rows(self, subject: str) -> list[tuple[int, str, str, str]]:
        with closing(self._connect()) as connection:
            return connection.execute(
                "SELECT time_ns, who, change, value FROM triage WHERE subject = ? ORDER BY position",
                (subject,),
            ).fetchall()

    def _append(self, subject: str, at_ns: int, who: str, change: str, value: str) -> int:
        if not who:
            raise TriageError(f"a {change} names nobody", hint="say who does it")
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO triage (subject, time_ns, who, change, value) VALUES (?, ?, ?, ?, ?)",
                (subject, at_ns, who, change, value),
            )
            return int(cursor.lastrowid or 0)

    def _connect(self) -> sqlite3.Connection:
        return open_durable(self._path)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            yield connection
