"""The auditor: recomputes the ledger from its first entry and names the first one that is wrong."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from industriverse.economy import database, schema
from industriverse.economy.errors import LedgerError
from industriverse.economy.money import Asset, Entry, canonical, is_issuer, issuer_of

__all__ = ["Fault", "Verification", "transaction_hash", "verify"]

_BATCH = 500
_HASHED = (
    "sequence",
    "key",
    "kind",
    "reference",
    "details",
    "content_hash",
    "created_ns",
    "previous_hash",
)


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
    """

    transactions: int
    head: str
    supply: Mapping[Asset, int]
    fault: Fault | None

    @property
    def ok(self) -> bool:
        """Whether everything is in order."""
        return self.fault is None


def transaction_hash(values: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    """SHA-256 (hex) over a transaction, its entries with balances, and the hash before it."""
    content = {name: values[name] for name in _HASHED}
    rows = [[entry.leg, entry.account, entry.asset, entry.amount, entry.balance] for entry in entries]
    return hashlib.sha256(canonical({**content, "entries": rows})).hexdigest()


def verify(engine: Engine) -> Verification:
    """Recompute hashes, balances and supply; see :meth:`industriverse.economy.ledger.Ledger.verify`."""
    try:
        return _verify(engine, _Replay(), _BATCH)
    except LedgerError:
        # Something is there that the database itself cannot read. Going row by row tells where.
        replay = _Replay()
        try:
            return _verify(engine, replay, 1)
        except LedgerError as error:
            fault = Fault(replay.sequence + 1, f"it cannot be read: {error}")
            return Verification(replay.sequence, replay.hash, replay.supply(), fault)


def _verify(engine: Engine, replay: "_Replay", batch: int) -> Verification:
    fault: Fault | None = None
    with database.reading(engine) as connection:
        for values, entries in _chain(connection, batch):
            problem = replay.problem(values, entries)
            if problem:
                fault = Fault(replay.sequence + 1, problem)
                break
            replay.accept(values, entries)
        else:
            problem = replay.problem_beside_the_chain(connection)
            fault = Fault(None, problem) if problem else None
    return Verification(replay.sequence, replay.hash, replay.supply(), fault)


def _chain(connection: Connection, batch: int) -> Iterator[tuple[dict[str, Any], list[Entry]]]:
    table, legs = schema.transactions, schema.entries
    last = -(2**63)
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


class _Replay:
    """Balances and hashes as they follow from the entries alone."""

    def __init__(self) -> None:
        self.sequence = 0
        self.hash = database.GENESIS
        self.entries = 0
        self.balances: dict[tuple[str, str], int] = {}
        self.minted: set[str] = set()

    def problem(self, values: Mapping[str, Any], entries: Sequence[Entry]) -> str:
        """What is wrong with the next transaction; empty if nothing."""
        if values["sequence"] != self.sequence + 1:
            return f"it is missing; {values['sequence']} follows"
        if values["previous_hash"] != self.hash:
            return "it does not follow from the transaction before it"
        if _has_foreign_types(values, entries):
            return "it holds a value of the wrong type"
        if transaction_hash(values, entries) != values["hash"]:
            return "its content does not match its hash"
        totals: dict[str, int] = defaultdict(int)
        for entry in entries:
            totals[entry.asset] += entry.amount
            after = self.balances.get((entry.account, entry.asset), 0) + entry.amount
            if after != entry.balance:
                return f"entry {entry.leg} says {entry.balance}, the balance of {entry.account} is {after}"
            if after < 0 and not is_issuer(entry.account):
                return f"entry {entry.leg} takes {entry.account} below zero"
        if len(entries) < 2 or any(totals.values()):
            return "its entries do not balance"
        return self._mint_problem(values, entries)

    def _mint_problem(self, values: Mapping[str, Any], entries: Sequence[Entry]) -> str:
        mints = any(entry.account == issuer_of(Asset.PFT) and entry.amount < 0 for entry in entries)
        if mints != (values["kind"] == "mint"):
            return "PFT came into being without minting"
        if mints and values["reference"] in self.minted:
            return f"evidence {values['reference']} was minted before"
        return ""

    def accept(self, values: Mapping[str, Any], entries: Sequence[Entry]) -> None:
        """Take the next transaction as true."""
        self.sequence, self.hash = values["sequence"], values["hash"]
        self.entries += len(entries)
        for entry in entries:
            self.balances[entry.account, entry.asset] = entry.balance
        if values["kind"] == "mint":
            self.minted.add(values["reference"])

    def supply(self) -> dict[Asset, int]:
        """Micro-units in being, by asset."""
        return {asset: -self.balances.get((issuer_of(asset), asset.value), 0) for asset in Asset}

    def problem_beside_the_chain(self, connection: Connection) -> str:
        """What is wrong with head, balances or supply; empty if nothing."""
        ends = [tuple(row) for row in connection.execute(select(schema.head.c.sequence, schema.head.c.hash))]
        if ends != [(self.sequence, self.hash)]:
            said = f"transaction {ends[0][0]}" if len(ends) == 1 else f"{len(ends)} things"
            return f"the head says {said}, the chain ends with transaction {self.sequence}"
        written = connection.execute(select(func.count()).select_from(schema.entries)).scalar_one()
        if written != self.entries:
            return f"{written - self.entries} entries belong to no transaction"
        kept = {(row.account, row.asset): row for row in connection.execute(select(schema.balances))}
        for account, asset in sorted(kept.keys() | self.balances.keys(), key=repr):
            expected = self.balances.get((account, asset))
            row = kept.get((account, asset))
            if row is None or row.amount != expected:
                found = "missing" if row is None else row.amount
                return f"the balance of {account} in {asset} is {found}, its entries give {expected}"
            if bool(row.issuer) != is_issuer(account):
                return f"{account} is wrongly marked as issuer or not"
        return self._supply_problem() or _file_problem(connection)

    def _supply_problem(self) -> str:
        for asset, supply in self.supply().items():
            held = sum(
                amount
                for (account, of), amount in self.balances.items()
                if of == asset and not is_issuer(account)
            )
            if held != supply:
                return f"the supply of {asset} is {supply}, its holders have {held}"
        return ""


def _has_foreign_types(values: Mapping[str, Any], entries: Sequence[Entry]) -> bool:
    # SQLite keeps whatever type is written into a column.
    numbers = [values["sequence"], values["created_ns"]]
    texts = [values[name] for name in (*_HASHED, "hash") if name not in ("sequence", "created_ns")]
    for entry in entries:
        numbers += [entry.leg, entry.amount, entry.balance]
        texts += [entry.account, entry.asset]
    return any(type(number) is not int for number in numbers) or any(
        not isinstance(text, str) for text in texts
    )


def _file_problem(connection: Connection) -> str:
    # A damaged index would hide a key or an evidence hash, and so let it be used a second time.
    if connection.dialect.name != "sqlite":
        return ""
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars().all()
    return "" if found == ["ok"] else f"the database file is damaged: {found[0]}"
