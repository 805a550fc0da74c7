"""What is still to be written to the graph and the object store, safe on disk in the meantime.

Detection writes here, in the transaction of its own books if they share the database, and goes on; a
:class:`~industriverse.atlas.applying.Applier` carries the entries over in their order. An entry that has been
carried over stays until it is pruned, so that the graph can be compared with it and repaired from it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from industriverse.atlas.codec import decode, encode
from industriverse.atlas.errors import AtlasError, OutboxFullError
from industriverse.atlas.model import Incident, Record, Transition

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table
from industriverse.storage import make_durable

__all__ = ["Entry", "Outbox", "Status"]


class Status(StrEnum):
    """What became of an entry."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One write, in the order in which it was promised.

    Attributes:
        sequence: Place in the order, set by the outbox.
        stream: Stream that it belongs to.
        record: What the graph is to hold; None for an object.
        states: States that an incident involves.
        content: Bytes that the object store is to hold; None for a record.
        reason: Why it was refused.
    """

    sequence: int
    stream: str
    record: Record | Transition | None = None
    states: tuple[str, ...] = ()
    content: bytes | None = None
    reason: str = ""


class Outbox:
    """Entries in a SQLite database, durable when an append returns.

    Args:
        path: The database; created where missing. It may be one that other tables live in.
        capacity: Entries that may wait at most.
        clock: Nanoseconds since 1970.

    Raises:
        AtlasError: If the database cannot be opened.
    """

    def __init__(
        self, path: Path | str, *, capacity: int = 1_000_000, clock: Callable[[], int] = time.time_ns
    ) -> None:
        from sqlalchemy import create_engine, event
        from sqlalchemy.exc import SQLAlchemyError

        self.path = Path(path).absolute()
        self._capacity, self._clock = capacity, clock
        self._engine: Engine = create_engine(f"sqlite:///{self.path}", connect_args={"isolation_level": None})
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._table = _table()
        self._marks = _marks(self._table.metadata)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._table.metadata.create_all(self._engine)
        except (OSError, SQLAlchemyError) as error:
            raise AtlasError(
                f"the outbox {self.path} cannot be opened: {error}", hint="check the disk"
            ) from error

    def append(
        self,
        stream: str,
        records: Sequence[Record | Transition] = (),
        *,
        objects: Sequence[bytes] = (),
        states: Sequence[str] = (),
        key: str = "",
        mark: str | None = None,
        connection: "Connection | None" = None,
    ) -> int:
        """Promise writes, all or none: objects first, then records in their order.

        Args:
            stream: Stream that they belong to.
            records: For the graph.
            objects: For the object store.
            states: States that the incidents among the records involve.
            key: Name of this promise; one that was made before is not made again.
            mark: What whoever writes the stream wants to find again; it changes with the promise or not at all.
            connection: Transaction of the same database to be part of.

        Returns:
            How many entries were added.

        Raises:
            OutboxFullError: If too many entries wait.
        """
        now = self._clock()
        rows: list[dict[str, Any]] = [
            *({"kind": "object", "payload": "", "content": content, "states": "[]"} for content in objects),
            *(
                {
                    "kind": type(record).__name__,
                    "payload": json.dumps(encode(record), ensure_ascii=False),
                    "content": None,
                    "states": json.dumps(list(states) if isinstance(record, Incident) else []),
                }
                for record in records
            ),
        ]
        for number, row in enumerate(rows):
            row |= {
                "stream": stream,
                "created_ns": now,
                "status": Status.PENDING.value,
                "reason": "",
                "idempotency": f"{key}/{number}" if key else None,
            }
        if not rows and mark is None:
            return 0
        with self._transaction(connection) as transaction:
            added = self._insert(transaction, rows, key) if rows else 0
            if mark is not None:
                self._set_mark(transaction, stream, mark)
            return added

    def mark(self, stream: str) -> str | None:
        """The mark that the last promise of a stream left, None if there is none."""
        from sqlalchemy import select

        query = select(self._marks.c.body).where(self._marks.c.stream == stream)
        with self._engine.begin() as transaction:
            return transaction.execute(query).scalar_one_or_none()

    def pending(self, limit: int = 1_000) -> list[Entry]:
        """The entries that wait longest, in order."""
        return self._entries(Status.PENDING, limit=limit)

    def refused(self, limit: int = 1_000) -> list[Entry]:
        """Entries that the graph or the store would not take."""
        return self._entries(Status.REFUSED, limit=limit)

    def history(self, *, page: int = 1_000) -> Iterator[Entry]:
        """Every entry that was carried over and not pruned yet, in order."""
        after = 0
        while entries := self._entries(Status.APPLIED, after=after, limit=page):
            yield from entries
            after = entries[-1].sequence

    def counts(self) -> dict[Status, int]:
        """How many entries there are, by status."""
        from sqlalchemy import func, select

        query = select(self._table.c.status, func.count()).group_by(self._table.c.status)
        with self._engine.begin() as transaction:
            found = {status: int(count) for status, count in transaction.execute(query)}
        return {status: found.get(status.value, 0) for status in Status}

    def settle(self, sequences: Sequence[int], status: Status, reason: str = "") -> None:
        """Write down what became of entries."""
        from sqlalchemy import bindparam, update

        statement = (
            update(self._table)
            .where(self._table.c.sequence == bindparam("one"))
            .values(status=status.value, reason=reason, settled_ns=self._clock())
        )
        if sequences:
            with self._engine.begin() as transaction:
                transaction.execute(statement, [{"one": sequence} for sequence in sequences])

    def retry_refused(self) -> int:
        """Let every refused entry wait again; returns how many."""
        from sqlalchemy import update

        statement = (
            update(self._table)
            .where(self._table.c.status == Status.REFUSED.value)
            .values(status=Status.PENDING.value, reason="")
        )
        with self._engine.begin() as transaction:
            return int(transaction.execute(statement).rowcount)

    def prune(self, before_ns: int) -> int:
        """Forget entries carried over before a time; returns how many. Take a backup first."""
        from sqlalchemy import delete

        columns = self._table.c
        statement = delete(self._table).where(
            columns.status == Status.APPLIED.value, columns.settled_ns < before_ns
        )
        with self._engine.begin() as transaction:
            return int(transaction.execute(statement).rowcount)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, connection: "Connection | None") -> "Iterator[Connection]":
        if connection is not None:
            yield connection
            return
        with self._engine.begin() as own:
            yield own

    def _insert(self, transaction: "Connection", rows: list[dict[str, Any]], key: str) -> int:
        from sqlalchemy import func, insert, select

        columns = self._table.c
        if key:
            known = select(func.count()).where(columns.idempotency == f"{key}/0")
            if transaction.execute(known).scalar_one():
                return 0
        waiting = select(func.count()).where(columns.status == Status.PENDING.value)
        if transaction.execute(waiting).scalar_one() + len(rows) > self._capacity:
            raise OutboxFullError(
                f"more than {self._capacity} writes to the Atlas would wait",
                hint="bring the graph and the object store back, or slow the stream down",
            )
        transaction.execute(insert(self._table), rows)
        return len(rows)

    def _set_mark(self, transaction: "Connection", stream: str, mark: str) -> None:
        from sqlalchemy import delete, insert

        transaction.execute(delete(self._marks).where(self._marks.c.stream == stream))
        transaction.execute(insert(self._marks).values(stream=stream, body=mark))

    def _entries(self, status: Status, *, after: int = 0, limit: int) -> list[Entry]:
        from sqlalchemy import select

        columns = self._table.c
        query = (
            select(
                columns.sequence,
                columns.stream,
                columns.kind,
                columns.payload,
                columns.states,
                columns.content,
                columns.reason,
            )
            .where(columns.status == status.value, columns.sequence > after)
            .order_by(columns.sequence)
            .limit(limit)
        )
        with self._engine.begin() as transaction:
            return [_entry(*row) for row in transaction.execute(query)]


def _entry(
    sequence: int, stream: str, kind: str, payload: str, states: str, content: bytes | None, reason: str
) -> Entry:
    record = None if kind == "object" else decode(kind, json.loads(payload))
    return Entry(sequence, stream, record, tuple(json.loads(states)), content, reason)


def _table() -> "Table":
    from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

    return Table(
        "atlas_outbox",
        MetaData(),
        Column("sequence", Integer, primary_key=True, autoincrement=True),
        Column("stream", Text, nullable=False),
        Column("idempotency", Text, unique=True),
        Column("kind", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("states", Text, nullable=False),
        Column("content", LargeBinary),
        Column("created_ns", BigInteger, nullable=False),
        Column("status", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("settled_ns", BigInteger),
        Index("atlas_outbox_status", "status", "sequence"),
        sqlite_autoincrement=True,
    )


def _marks(metadata: "MetaData") -> "Table":
    from sqlalchemy import Column, Table, Text

    return Table(
        "atlas_marks",
        metadata,
        Column("stream", Text, primary_key=True),
        Column("body", Text, nullable=False),
    )


def _prepare(connection: Any, _: object) -> None:
    make_durable(connection)


def _begin(connection: "Connection") -> None:
    # A reader that became a writer later could meet another writer and fail.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
