"""The auditor: recomputes the ledger and names the first entry that is wrong."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from industriverse.economy import database, schema
from industriverse.economy.checkpoints import Checkpoint, parse_note
from industriverse.economy.errors import CheckpointError, LedgerError
from industriverse.economy.merkle import Frontier
from industriverse.economy.money import Asset, Entry
from industriverse.economy.names import is_issuer
from industriverse.economy.replay import Replay, state_at
from industriverse.economy.tiles import leaf_of

__all__ = ["Fault", "Verification", "verify"]

_BATCH = 500
_LEAVES = 10_000
_DAMAGED = "the database file is damaged"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong.

    Attributes:
        sequence: The transaction at fault; None if the fault lies beside the chain (a balance, the head).
        problem: What is wrong with it.
    """

    sequence: int | None
    problem: str

    def __str__(self) -> str:
        return self.problem if self.sequence is None else f"transaction {self.sequence}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What the auditor found.

    Attributes:
        transactions: How many transactions are in order, counted from the first.
        head: Hash of the last of them, hex.
        supply: Micro-units in being, by asset, recomputed from the entries.
        fault: The first fault, or None if there is none.
        root: Root of the Merkle log over these transactions.
        start: How many of them were taken from a checkpoint instead of being recomputed.
    """

    transactions: int
    head: str
    supply: Mapping[Asset, int]
    fault: Fault | None
    root: bytes = b""
    start: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything is in order."""
        return self.fault is None


def verify(engine: Engine, start: Checkpoint | None = None) -> Verification:
    """Recompute hashes, balances and supply; see :meth:`industriverse.economy.ledger.Ledger.verify`."""
    found = _verify(engine, start)
    if found.fault is None or not found.fault.problem.startswith(_DAMAGED):
        return found
    return _located(engine) or found


def _located(engine: Engine) -> Verification | None:
    # An index holds a copy of what it orders by, and a query that goes by it never sees what the row says.
    try:
        found = _Audit(Replay(), indexed=False).run(engine, _BATCH)
    except LedgerError:
        return None
    return found if found.fault and found.fault.sequence is not None else None


def _verify(engine: Engine, start: Checkpoint | None) -> Verification:
    if start is not None:
        found = _from_checkpoint(engine, start)
        if found is not None:
            return found
        # The past is not what was signed. Recomputing it tells where, unless it was rewritten as a whole.
        found = _verify(engine, None)
        problem = f"the first {start.size} transactions are not those that the checkpoint signed"
        return found if found.fault else _with_fault(found, Fault(None, problem))
    try:
        return _Audit(Replay()).run(engine, _BATCH)
    except LedgerError:
        # Something is there that the database itself cannot read. Going row by row tells where.
        audit = _Audit(Replay())
        try:
            return audit.run(engine, 1)
        except LedgerError as error:
            return audit.report(Fault(audit.replay.sequence + 1, f"it cannot be read: {error}"))


def _with_fault(found: Verification, fault: Fault) -> Verification:
    return Verification(found.transactions, found.head, found.supply, fault, found.root, found.start)


def _from_checkpoint(engine: Engine, start: Checkpoint) -> Verification | None:
    audit = _Audit(Replay())
    try:
        with database.reading(engine) as connection:
            if not audit.resume(connection, start):
                return None
            return audit.examine(connection, _BATCH)
    except LedgerError:
        return None


class _Audit:
    """One pass over the ledger: the chain, the tree over it, and what lies beside them."""

    def __init__(self, replay: Replay, *, indexed: bool = True) -> None:
        self.replay = replay
        self.indexed = indexed
        self.start = 0
        self.tree = Frontier()
        self.tree_problem = ""
        self.tiles: dict[tuple[int, int], str] = {}
        self.notes: dict[int, str] = {}

    def run(self, engine: Engine, batch: int) -> Verification:
        with database.reading(engine) as connection:
            self._load(connection)
            return self.examine(connection, batch)

    def resume(self, connection: Connection, start: Checkpoint) -> bool:
        """Continue behind a checkpoint; whether the ledger still begins with what it signed."""
        self._load(connection)
        previous = database.GENESIS
        for sequence, previous in _hashes(connection, start.size):
            if sequence != self.tree.size + 1 or not self._grow(previous):
                return False
        state = state_at(connection, start.size)
        if (self.tree.size, self.tree.root(), state.digest) != (start.size, start.root, start.state):
            return False
        self.replay, self.start = Replay(state, start.size, previous), start.size
        return True

    def examine(self, connection: Connection, batch: int) -> Verification:
        """Go through the transactions from where the replay stands, then look beside them."""
        after = self.replay.sequence
        chain = _chain(connection, batch, after) if self.indexed else _rows(connection)
        for values, entries in chain:
            problem = self.replay.take(values, entries)
            if problem:
                return self.report(Fault(self.replay.sequence + 1, problem))
            if not self._grow(values["hash"]):
                return self.report(Fault(self.replay.sequence, "its hash is no SHA-256"))
        problem = self._problem_beside(connection)
        return self.report(Fault(None, problem) if problem else None)

    def report(self, fault: Fault | None) -> Verification:
        replay = self.replay
        return Verification(
            replay.sequence, replay.hash, replay.supply(), fault, self.tree.root(), self.start
        )

    def _load(self, connection: Connection) -> None:
        self.tiles = {
            (row.level, row.place): row.hash for row in connection.execute(select(schema.merkle_tiles))
        }
        self.notes = {row.size: row.note for row in connection.execute(select(schema.checkpoints))}

    def _grow(self, transaction_hash: str) -> bool:
        try:
            done = self.tree.append(leaf_of(transaction_hash))
        except (TypeError, ValueError):
            return False
        for level, place, node in done:
            # A node that is not kept is computed when it is needed; one that is kept must be right.
            if self.tiles.pop((level, place), node.hex()) != node.hex():
                self.tree_problem = self.tree_problem or f"node {place} of level {level} of the log is wrong"
        note = self.notes.pop(self.tree.size, None)
        if note is not None:
            self.tree_problem = self.tree_problem or self._note_problem(note)
        return True

    def _note_problem(self, note: str) -> str:
        try:
            signed = parse_note(note)
        except CheckpointError as error:
            return f"the kept checkpoint of size {self.tree.size} is damaged: {error.message}"
        if (signed.size, signed.root) != (self.tree.size, self.tree.root()):
            return f"the kept checkpoint of size {self.tree.size} signs another log"
        return ""

    def _problem_beside(self, connection: Connection) -> str:
        replay = self.replay
        ends = [tuple(row) for row in connection.execute(select(schema.head.c.sequence, schema.head.c.hash))]
        if ends != [(replay.sequence, replay.hash)]:
            said = f"transaction {ends[0][0]}" if len(ends) == 1 else f"{len(ends)} things"
            return f"the head says {said}, the chain ends with transaction {replay.sequence}"
        behind = schema.entries.c.sequence > self.start
        written = connection.execute(
            select(func.count()).select_from(schema.entries).where(behind)
        ).scalar_one()
        if written != replay.entries:
            return f"{written - replay.entries} entries belong to no transaction"
        self.notes.pop(0, None)
        if self.tiles or self.notes:
            self.tree_problem = self.tree_problem or "the log holds more than the chain"
        return (
            self._balances_problem(connection)
            or self._documents_problem(connection)
            or self._windows_problem(connection)
            or replay.supply_problem()
            or self.tree_problem
            or _file_problem(connection)
        )

    def _balances_problem(self, connection: Connection) -> str:
        balances = self.replay.state.balances
        kept = {(row.account, row.asset): row for row in connection.execute(select(schema.balances))}
        for account, asset in sorted(kept.keys() | balances.keys(), key=repr):
            expected = balances.get((account, asset))
            row = kept.get((account, asset))
            if row is None or row.amount != expected:
                found = "missing" if row is None else row.amount
                return f"the balance of {account} in {asset} is {found}, its entries give {expected}"
            if bool(row.issuer) != is_issuer(account):
                return f"{account} is wrongly marked as issuer or not"
        return ""

    def _windows_problem(self, connection: Connection) -> str:
        table = schema.mint_windows
        kept: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for row in connection.execute(select(table)):
            kept[row.stream].append((row.start_ns, row.end_ns))
        expected = self.replay.state.windows
        for stream in sorted(kept.keys() | expected.keys(), key=repr):
            if sorted(kept.get(stream, []), key=repr) != sorted(expected.get(stream, []), key=repr):
                return f"the windows minted for {stream!r:.80} are not those of its mints"
        return ""

    def _documents_problem(self, connection: Connection) -> str:
        expected = self.replay.state.documents
        kept = {
            row.id: hashlib.sha256(row.state.encode()).hexdigest()
            for row in connection.execute(select(schema.documents))
        }
        for name in sorted(kept.keys() | expected.keys(), key=repr):
            if kept.get(name) != expected.get(name):
                return f"the state of contract {name} is not the one that its last transaction left"
        return ""


def _hashes(connection: Connection, size: int) -> Iterator[tuple[int, str]]:
    table = schema.transactions
    for first in range(1, size + 1, _LEAVES):
        last = min(size, first + _LEAVES - 1)
        query = select(table.c.sequence, table.c.hash).where(table.c.sequence.between(first, last))
        for row in connection.execute(query.order_by(table.c.sequence)):
            yield row.sequence, row.hash


def _chain(connection: Connection, batch: int, after: int) -> Iterator[tuple[dict[str, Any], list[Entry]]]:
    table, legs = schema.transactions, schema.entries
    # From the very first row on, whatever number it bears, unless a checkpoint vouches for the beginning.
    last = after or -(2**63)
    while True:
        query = select(table).where(table.c.sequence > last).order_by(table.c.sequence).limit(batch)
        rows = [dict(row._mapping) for row in connection.execute(query)]
        if not rows:
            return
        first, last = rows[0]["sequence"], rows[-1]["sequence"]
        found: dict[Any, list[Entry]] = defaultdict(list)
        query = select(legs).where(legs.c.sequence.between(first, last)).order_by(legs.c.sequence, legs.c.leg)
        for row in connection.execute(query):
            found[row.sequence].append(
                Entry(row.sequence, row.leg, row.account, row.asset, row.amount, row.balance)
            )
        for values in rows:
            yield values, found[values["sequence"]]


def _rows(connection: Connection) -> Iterator[tuple[dict[str, Any], list[Entry]]]:
    """The chain of a SQLite file as its rows say it, whatever its indexes say."""
    found: dict[Any, list[Entry]] = defaultdict(list)
    rows = text("SELECT * FROM entries NOT INDEXED ORDER BY sequence, leg")
    for row in connection.execute(rows.columns(*schema.entries.c)):
        found[row.sequence].append(
            Entry(row.sequence, row.leg, row.account, row.asset, row.amount, row.balance)
        )
    rows = text("SELECT * FROM transactions NOT INDEXED ORDER BY sequence")
    for row in connection.execute(rows.columns(*schema.transactions.c)):
        yield dict(row._mapping), found[row.sequence]


def _file_problem(connection: Connection) -> str:
    # A damaged index would hide a key or an evidence hash, and so let it be used a second time.
    if connection.dialect.name != "sqlite":
        return ""
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars().all()
    return "" if found == ["ok"] else f"{_DAMAGED}: {found[0]}"
