"""The statements by which transactions are appended, with as few round trips as each database allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, insert, select, text

from industriverse.economy import schema, tiles
from industriverse.economy.errors import IdempotencyError, InsufficientFundsError, PostingError
from industriverse.economy.money import MAX_AMOUNT, Entry, Leg, Posting, Transaction, canonical
from industriverse.economy.names import is_issuer
from industriverse.economy.replay import transaction_hash

if TYPE_CHECKING:
    import sqlite3

__all__ = ["END", "Outcome", "append"]

Outcome = Transaction | PostingError | InsufficientFundsError
_LAST = schema.transactions.alias("last")
_KNOWN = schema.transactions.alias("known")
_CHAIN = schema.head.outerjoin(_LAST, _LAST.c.sequence == schema.head.c.sequence)
_END_COLUMNS = (
    schema.head.c.sequence.label("end_sequence"),
    schema.head.c.hash.label("end_hash"),
    _LAST.c.created_ns.label("end_ns"),
)
_HELD_COLUMNS = (
    schema.balances.c.account.label("held_by"),
    schema.balances.c.asset.label("held_asset"),
    schema.balances.c.amount.label("held"),
)
_OF_NAMES = schema.balances.c.account.in_(bindparam("names", expanding=True))
END = select(*_END_COLUMNS).select_from(_CHAIN)
# The end of the chain, what is known of a key, and what the accounts hold, in one round trip: as many rows as
# there are balances. For many transactions at once that would be the product of both, so they ask twice.
_END_FOR_ONE = select(*_END_COLUMNS, *_KNOWN.c, *_HELD_COLUMNS).select_from(
    _CHAIN.outerjoin(_KNOWN, _KNOWN.c.key == bindparam("wanted")).outerjoin(schema.balances, _OF_NAMES)
)
_END_FOR_MANY = select(*_END_COLUMNS, *_KNOWN.c).select_from(
    _CHAIN.outerjoin(_KNOWN, _KNOWN.c.key.in_(bindparam("wanted", expanding=True)))
)
_HELD = select(*_HELD_COLUMNS).where(_OF_NAMES)
_TRANSACTION = (
    "sequence",
    "key",
    "kind",
    "reference",
    "details",
    "content_hash",
    "created_ns",
    "previous_hash",
    "hash",
)
_ENTRY = ("sequence", "leg", "account", "asset", "amount", "balance")
# One statement for four: over a network each statement costs a round trip, during which all other writers wait.
# Foreign keys are checked when it ends (https://www.postgresql.org/docs/15/queries-with.html).
_APPEND_POSTGRESQL = text(
    "WITH moved AS (UPDATE balances SET amount = v.after FROM unnest("
    "CAST(:of AS text[]), CAST(:unit AS text[]), CAST(:after AS bigint[])) AS v(account, asset, after) "
    "WHERE balances.account = v.account AND balances.asset = v.asset), "
    "noted AS (INSERT INTO transactions "
    "(sequence, key, kind, reference, details, content_hash, created_ns, previous_hash, hash) "
    "SELECT * FROM unnest(CAST(:t_sequence AS bigint[]), CAST(:t_key AS text[]), CAST(:t_kind AS text[]), "
    "CAST(:t_reference AS text[]), CAST(:t_details AS text[]), CAST(:t_content_hash AS text[]), "
    "CAST(:t_created_ns AS bigint[]), CAST(:t_previous_hash AS text[]), CAST(:t_hash AS text[]))), "
    "ended AS (UPDATE head SET sequence = :end_sequence, hash = :end_hash) "
    "INSERT INTO entries (sequence, leg, account, asset, amount, balance) "
    "SELECT * FROM unnest(CAST(:e_sequence AS bigint[]), CAST(:e_leg AS integer[]), "
    "CAST(:e_account AS text[]), CAST(:e_asset AS text[]), CAST(:e_amount AS bigint[]), "
    "CAST(:e_balance AS bigint[]))"
)

_SQLITE_END = (
    "SELECT h.sequence, h.hash, t.created_ns FROM head AS h LEFT JOIN transactions AS t USING (sequence)"
)
_SQLITE_KNOWN = (
    "SELECT sequence, key, kind, reference, created_ns, hash, content_hash FROM transactions WHERE key IN "
)
_SQLITE_HELD = "SELECT account, asset, amount FROM balances WHERE account IN "
_SQLITE_TRANSACTION = (
    "INSERT INTO transactions "
    "(sequence, key, kind, reference, details, content_hash, created_ns, previous_hash, hash) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SQLITE_ENTRY = (
    "INSERT INTO entries (sequence, leg, account, asset, amount, balance) VALUES (?, ?, ?, ?, ?, ?)"
)
_SQLITE_BALANCE = "UPDATE balances SET amount = ? WHERE account = ? AND asset = ?"
_SQLITE_HEAD = "UPDATE head SET sequence = ?, hash = ?"


@dataclass
class _Tail:
    """The end of the chain while transactions are put behind it, before the database is told."""

    sequence: int
    hash: str
    now_ns: int
    known: dict[str, Transaction]
    contents: dict[str, str]
    held: dict[tuple[str, str], int]
    before: frozenset[tuple[str, str]] = frozenset()
    transactions: list[dict[str, Any]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def take(self, posting: Posting) -> Outcome:
        """Put a transaction behind the chain, or say why it cannot be; then nothing has changed."""
        if posting.key in self.known:
            first = self.known[posting.key]
            if self.contents[posting.key] == posting.content_hash:
                return first
            return IdempotencyError(
                f"key {posting.key!r} was used before for other content (transaction {first.sequence})",
                hint="choose a new key",
            )
        sequence = self.sequence + 1
        try:
            written = [
                Entry(sequence, number, leg.account, leg.asset, leg.amount, _after(leg, self.held))
                for number, leg in enumerate(posting.legs)
            ]
        except (PostingError, InsufficientFundsError) as error:
            return error
        values: dict[str, Any] = {
            "sequence": sequence,
            "key": posting.key,
            "kind": posting.kind,
            "reference": posting.reference,
            "details": canonical(dict(posting.details)).decode(),
            "content_hash": posting.content_hash,
            "created_ns": self.now_ns,
            "previous_hash": self.hash,
        }
        values["hash"] = transaction_hash(values, written)
        self.sequence, self.hash = sequence, values["hash"]
        self.transactions.append(values)
        self.entries += written
        self.held |= {(entry.account, entry.asset.value): entry.balance for entry in written}
        done = Transaction(
            sequence, posting.key, posting.kind, posting.reference, self.now_ns, values["hash"]
        )
        self.known[posting.key] = done
        self.contents[posting.key] = posting.content_hash
        return done


def append(
    connection: Connection, postings: Sequence[Posting], clock_ns: int, read_ns: int | None = None
) -> list[Outcome]:
    """Append transactions in their order, each whole or not at all; returns what became of each.

    Args:
        connection: An open write transaction.
        postings: What is to be written; one that cannot be changes nothing and keeps no other from it.
        clock_ns: The time; a clock that was set back does not make a transaction older than the one before it.
        read_ns: The time if it was read before within this write.
    """
    driver = _sqlite_driver(connection)
    tail = (
        _tail(connection, postings, clock_ns) if driver is None else _sqlite_tail(driver, postings, clock_ns)
    )
    tail.now_ns = tail.now_ns if read_ns is None else read_ns
    first = tail.sequence + 1
    outcomes = [tail.take(posting) for posting in postings]
    if tail.transactions:
        _open_balances(connection, tail)
        if driver is None:
            connection.execute(_APPEND_POSTGRESQL, _columns(tail))
        else:
            _sqlite_append(driver, tail)
        for sequence in range(first, tail.sequence + 1):
            tiles.seal(connection, sequence)
    return outcomes


def _tail(connection: Connection, postings: Sequence[Posting], clock_ns: int) -> _Tail:
    names = sorted({leg.account for posting in postings for leg in posting.legs})
    if len(postings) == 1:
        one = {"wanted": postings[0].key, "names": names}
        ends: Sequence[Any] = connection.execute(_END_FOR_ONE, one).all()
        balances: Sequence[Any] = [row for row in ends if row.held is not None]
    else:
        wanted = [posting.key for posting in postings]
        ends = connection.execute(_END_FOR_MANY, {"wanted": wanted}).all()
        balances = connection.execute(_HELD, {"names": names}).all()
    end = ends[0]
    known = {row.key: row for row in ends if row.key is not None}
    held = {(row.held_by, row.held_asset): int(row.held) for row in balances}
    return _Tail(
        int(end.end_sequence),
        str(end.end_hash),
        max(clock_ns, end.end_ns or 0),
        {
            key: Transaction(row.sequence, row.key, row.kind, row.reference, row.created_ns, row.hash)
            for key, row in known.items()
        },
        {key: row.content_hash for key, row in known.items()},
        held,
        frozenset(held),
    )


def _after(leg: Leg, held: Mapping[tuple[str, str], int]) -> int:
    before = held.get((leg.account, leg.asset.value), 0)
    after = before + leg.amount
    issuer = is_issuer(leg.account)
    if abs(after) > MAX_AMOUNT or (issuer and after > 0):
        raise PostingError(
            f"{leg.account} would hold {after} micro-{leg.asset}", hint="the amount is more than there is"
        )
    if after < 0 and not issuer:
        raise InsufficientFundsError(
            f"{leg.account} holds {before} micro-{leg.asset} and would pay {-leg.amount}",
            needed=-leg.amount,
            available=before,
            hint=f"{-after} more are needed",
        )
    return after


def _columns(tail: _Tail) -> dict[str, Any]:
    columns: dict[str, Any] = {"end_sequence": tail.sequence, "end_hash": tail.hash}
    columns |= {f"t_{name}": [values[name] for values in tail.transactions] for name in _TRANSACTION}
    columns |= {f"e_{name}": [_plain(getattr(entry, name)) for entry in tail.entries] for name in _ENTRY}
    changed = _changed(tail)
    return columns | {name: [row[name] for row in changed] for name in ("of", "unit", "after")}


def _sqlite_driver(connection: Connection) -> "sqlite3.Connection | None":
    # Making a statement of an expression takes longer than SQLite takes to run it; what every transfer runs is text.
    if connection.dialect.name != "sqlite":
        return None
    driver: Any = connection.connection.driver_connection
    return driver  # type: ignore[no-any-return]


def _sqlite_tail(driver: "sqlite3.Connection", postings: Sequence[Posting], clock_ns: int) -> _Tail:
    sequence, end_hash, end_ns = driver.execute(_SQLITE_END).fetchone()
    keys = [posting.key for posting in postings]
    names = sorted({leg.account for posting in postings for leg in posting.legs})
    known = driver.execute(_SQLITE_KNOWN + _marks(keys), keys).fetchall()
    held = driver.execute(_SQLITE_HELD + _marks(names), names).fetchall()
    balances = {(account, asset): int(amount) for account, asset, amount in held}
    return _Tail(
        int(sequence),
        str(end_hash),
        max(clock_ns, end_ns or 0),
        {row[1]: Transaction(*row[:6]) for row in known},
        {row[1]: row[6] for row in known},
        balances,
        frozenset(balances),
    )


def _sqlite_append(driver: "sqlite3.Connection", tail: _Tail) -> None:
    driver.executemany(
        _SQLITE_TRANSACTION, [tuple(values[name] for name in _TRANSACTION) for values in tail.transactions]
    )
    rows = [tuple(_plain(getattr(entry, name)) for name in _ENTRY) for entry in tail.entries]
    driver.executemany(_SQLITE_ENTRY, rows)
    driver.executemany(_SQLITE_BALANCE, [(row["after"], row["of"], row["unit"]) for row in _changed(tail)])
    driver.execute(_SQLITE_HEAD, (tail.sequence, tail.hash))


def _marks(values: Sequence[str]) -> str:
    return f"({', '.join('?' * len(values))})"


def _changed(tail: _Tail) -> list[dict[str, Any]]:
    # A balance that was moved several times is written once, as it is in the end.
    places = {(entry.account, entry.asset.value) for entry in tail.entries} & tail.before
    return [
        {"of": account, "unit": asset, "after": tail.held[account, asset]}
        for account, asset in sorted(places)
    ]


def _open_balances(connection: Connection, tail: _Tail) -> None:
    # Every account got a balance when it was opened, so that one without any is new.
    new = {entry.account for entry in tail.entries} - {account for account, _ in tail.before}
    if new:
        accounts = [
            {"id": account, "issuer": is_issuer(account), "opened_ns": tail.now_ns} for account in sorted(new)
        ]
        connection.execute(insert(schema.accounts), accounts)
    places = {(entry.account, entry.asset.value) for entry in tail.entries} - tail.before
    balances = [
        {
            "account": account,
            "asset": asset,
            "issuer": is_issuer(account),
            "amount": tail.held[account, asset],
        }
        for account, asset in sorted(places)
    ]
    if balances:
        connection.execute(insert(schema.balances), balances)


def _plain(value: str | int) -> str | int:
    # A driver may write the name of a member of an enumeration instead of its value.
    return str(value) if isinstance(value, str) else value
