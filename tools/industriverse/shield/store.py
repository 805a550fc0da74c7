"""Tickets, incidents and plans in SQLite: what was decided, approved and done survives a crash."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from industriverse.shield.errors import (
    PlanAlteredError,
    PlanBusyError,
    PlanNotFoundError,
    PlanStateError,
    StoreError,
)
from industriverse.shield.plan import Plan, plan_from_json
from industriverse.signals import ChannelEvidence, Incident, Ticket
from industriverse.storage import make_durable

__all__ = ["ActionRecord", "ActionStatus", "PlanRecord", "PlanStatus", "ShieldStore"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE tickets (
    id TEXT PRIMARY KEY, stream TEXT NOT NULL, onset_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, opened_ns INTEGER NOT NULL, closed_ns INTEGER, body TEXT NOT NULL);
CREATE TABLE plans (
    id TEXT PRIMARY KEY, incident TEXT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL,
    approved_by TEXT, approved_ns INTEGER, detail TEXT NOT NULL DEFAULT '');
CREATE TABLE actions (
    idempotency_key TEXT PRIMARY KEY, plan TEXT NOT NULL REFERENCES plans (id), position INTEGER NOT NULL,
    status TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '', changed_ns INTEGER, UNIQUE (plan, position));
"""


class PlanStatus(StrEnum):
    """Where a plan stands."""

    DRAFTED = "drafted"
    APPROVED = "approved"
    EXECUTING = "executing"
    EXECUTED = "executed"
    REVERTED = "reverted"
    FAILED = "failed"


class ActionStatus(StrEnum):
    """Where an action stands; ``started`` after a crash means that its effect is in doubt."""

    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    REVERTED = "reverted"
    REVERT_FAILED = "revert_failed"


_ALLOWED = {
    PlanStatus.DRAFTED: {PlanStatus.APPROVED, PlanStatus.EXECUTING},
    PlanStatus.APPROVED: {PlanStatus.EXECUTING},
    PlanStatus.EXECUTING: {PlanStatus.EXECUTED, PlanStatus.FAILED, PlanStatus.REVERTED},
    PlanStatus.EXECUTED: {PlanStatus.REVERTED, PlanStatus.FAILED},
    PlanStatus.FAILED: {PlanStatus.REVERTED, PlanStatus.FAILED},
    PlanStatus.REVERTED: set(),
}


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """What became of one action.

    Attributes:
        idempotency_key: The command id that the actuator sees; the same in every attempt.
        position: Index in the plan's actions.
        status: Where it stands.
        detail: Error text, empty if none.
        changed_ns: Time of the last change, None if pending.
    """

    idempotency_key: str
    position: int
    status: ActionStatus
    detail: str
    changed_ns: int | None


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan with its state.

    Attributes:
        plan: The plan as it was drafted.
        status: Where it stands.
        approved_by: Who approved it, None if nobody has.
        approved_ns: When.
        detail: Why it failed, empty if it did not.
        actions: In the order of the plan.
    """

    plan: Plan
    status: PlanStatus
    approved_by: str | None
    approved_ns: int | None
    detail: str
    actions: tuple[ActionRecord, ...]


class ShieldStore:
    """SQLite store in WAL mode with full synchronisation; every write is one immediate transaction.

    Safe to use from several threads and processes. Re-inserting the same ticket, incident or plan changes
    nothing.

    Args:
        path: File of the database; created if absent, in an existing folder.

    Raises:
        StoreError: If the file cannot be opened or is another database.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        try:
            with self._transaction() as connection:
                version = int(connection.execute("PRAGMA user_version").fetchone()[0])
                tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if version == 0 and tables == 0:
                    for statement in filter(str.strip, _SCHEMA.split(";")):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
                elif version != _SCHEMA_VERSION:
                    raise StoreError(
                        f"{path} is not a shield store of version {_SCHEMA_VERSION}",
                        hint="choose another file",
                    )
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot open the shield store {path} ({error})", hint="choose a file in a writable folder"
            ) from error

    def add_ticket(self, ticket: Ticket) -> bool:
        """Record a ticket; False if its id was known."""
        row = (ticket.id, ticket.stream, ticket.onset_ns, json.dumps(asdict(ticket)))
        with self._transaction() as connection:
            return connection.execute("INSERT OR IGNORE INTO tickets VALUES (?, ?, ?, ?)", row).rowcount == 1

    def tickets(self, *, stream: str | None = None) -> tuple[Ticket, ...]:
        """Tickets, oldest first, of one stream or of all."""
        query = "SELECT body FROM tickets WHERE ? IS NULL OR stream = ? ORDER BY onset_ns, id"
        with closing(self._connect()) as connection:
            return tuple(_ticket(body) for (body,) in connection.execute(query, (stream, stream)))

    def put_incident(self, incident: Incident) -> None:
        """Record an incident or what has become of it."""
        row = (incident.id, incident.opened_ns, incident.closed_ns, json.dumps(asdict(incident)))
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?)", row)

    def incidents(self, *, open_only: bool = False) -> tuple[Incident, ...]:
        """Incidents, oldest first."""
        query = "SELECT body FROM incidents WHERE NOT ? OR closed_ns IS NULL ORDER BY opened_ns, id"
        with closing(self._connect()) as connection:
            return tuple(_incident(body) for (body,) in connection.execute(query, (open_only,)))

    def add_plan(self, plan: Plan) -> None:
        """Record a drafted plan; the same plan again changes nothing.

        Raises:
            PlanAlteredError: If another content is stored under the id.
        """
        body = plan.content().decode()
        with self._transaction() as connection:
            known = connection.execute("SELECT body FROM plans WHERE id = ?", (plan.id,)).fetchone()
            if known is not None:
                if known[0] != body:
                    raise PlanAlteredError(
                        f"another plan is stored under {plan.id}", hint="make the plan again"
                    )
                return
            connection.execute(
                "INSERT INTO plans (id, incident, body, status) VALUES (?, ?, ?, ?)",
                (plan.id, plan.incident, body, PlanStatus.DRAFTED),
            )
            connection.executemany(
                "INSERT INTO actions (idempotency_key, plan, position, status) VALUES (?, ?, ?, ?)",
                [(f"{plan.id}/{i}", plan.id, i, ActionStatus.PENDING) for i in range(len(plan.actions))],
            )

    def plan(self, plan_id: str) -> PlanRecord:
        """A plan with its state.

        Raises:
            PlanNotFoundError: If there is none.
        """
        with closing(self._connect()) as connection:
            connection.execute("BEGIN")
            row = connection.execute(
                "SELECT body, status, approved_by, approved_ns, detail FROM plans WHERE id = ?", (plan_id,)
            ).fetchone()
            if row is None:
                raise PlanNotFoundError(f"no plan {plan_id!r}", hint="make a plan first")
            actions = connection.execute(
                "SELECT idempotency_key, position, status, detail, changed_ns FROM actions WHERE plan = ? "
                "ORDER BY position",
                (plan_id,),
            ).fetchall()
        plan = plan_from_json({"id": plan_id, **json.loads(row[0])})
        records = tuple(ActionRecord(a[0], a[1], ActionStatus(a[2]), a[3], a[4]) for a in actions)
        return PlanRecord(plan, PlanStatus(row[1]), row[2], row[3], row[4], records)

    def plans(self, *, incident: str | None = None) -> tuple[PlanRecord, ...]:
        """All plans, or those of one incident, in the order of recording."""
        query = "SELECT id FROM plans WHERE ? IS NULL OR incident = ? ORDER BY rowid"
        with closing(self._connect()) as connection:
            identifiers = [row[0] for row in connection.execute(query, (incident, incident))]
        return tuple(self.plan(identifier) for identifier in identifiers)

    def approve(self, plan_id: str, *, by: str, at_ns: int) -> None:
        """Record who approved a drafted plan; the same approval again changes nothing.

        Raises:
            PlanNotFoundError: If there is no such plan.
            PlanStateError: If it is past approval, or nobody is named.
        """
        if not by:
            raise PlanStateError("an approval names nobody", hint="name the person who approves")
        with self._transaction() as connection:
            status = self._status(connection, plan_id)
            if status is PlanStatus.APPROVED:
                return
            self._move(connection, plan_id, status, PlanStatus.APPROVED)
            connection.execute(
                "UPDATE plans SET approved_by = ?, approved_ns = ? WHERE id = ?", (by, at_ns, plan_id)
            )

    def set_status(self, plan_id: str, status: PlanStatus, *, detail: str = "") -> None:
        """Move a plan to its next status.

        Raises:
            PlanNotFoundError: If there is no such plan.
            PlanStateError: If the step is not allowed.
        """
        with self._transaction() as connection:
            self._move(connection, plan_id, self._status(connection, plan_id), status)
            connection.execute("UPDATE plans SET detail = ? WHERE id = ?", (detail, plan_id))

    def set_action(self, key: str, status: ActionStatus, *, at_ns: int, detail: str = "") -> None:
        """Record what became of an action.

        Raises:
            PlanNotFoundError: If there is no such action.
        """
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE actions SET status = ?, detail = ?, changed_ns = ? WHERE idempotency_key = ?",
                (status, detail, at_ns, key),
            ).rowcount
            if changed != 1:
                raise PlanNotFoundError(f"no action {key!r}", hint="record its plan first")

    @contextmanager
    def exclusive_execution(self) -> Iterator[None]:
        """Hold the one right to act; the kernel releases it when the holder dies, however it dies.

        Plans act on one plant, so plans of one store are executed one at a time.

        Raises:
            PlanBusyError: If someone holds it.
        """
        descriptor = os.open(f"{self._path}.execution-lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PlanBusyError(
                    "a plan is being executed or reverted right now",
                    hint="wait for it, then look at its state",
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        make_durable(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                # Some failures, a full disk among them, have rolled back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @staticmethod
    def _status(connection: sqlite3.Connection, plan_id: str) -> PlanStatus:
        row = connection.execute("SELECT status FROM plans WHERE id = ?", (plan_id,)).fetchone()
        if row is None:
            raise PlanNotFoundError(f"no plan {plan_id!r}", hint="make a plan first")
        return PlanStatus(row[0])

    @staticmethod
    def _move(connection: sqlite3.Connection, plan_id: str, current: PlanStatus, wanted: PlanStatus) -> None:
        if wanted not in _ALLOWED[current]:
            raise PlanStateError(
                f"plan {plan_id} is {current} and cannot become {wanted}", hint="make a new plan"
            )
        connection.execute("UPDATE plans SET status = ? WHERE id = ?", (wanted, plan_id))


def _ticket(body: str) -> Ticket:
    fields = json.loads(body)
    evidence = tuple(ChannelEvidence(**item) for item in fields.pop("evidence"))
    return Ticket(**fields, evidence=evidence)


def _incident(body: str) -> Incident:
    fields = json.loads(body)
    return Incident(**{**fields, "tickets": tuple(fields["tickets"])})
