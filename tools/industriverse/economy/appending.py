"""The statements by which a transaction is appended, with as few round trips as each database allows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from industriverse.economy import schema, tiles
from industriverse.economy.money import Entry
from industriverse.economy.names import is_issuer

__all__ = ["END", "append"]

_LAST = schema.transactions.alias("last")
_KNOWN = schema.transactions.alias("known")
# The end of the chain, what is known of a key, and what the accounts hold: as many rows as there are balances.
END = (
    select(
        schema.head.c.sequence.label("end_sequence"),
        schema.head.c.hash.label("end_hash"),
        _LAST.c.created_ns.label("end_ns"),
        *_KNOWN.c,
        schema.balances.c.account.label("held_by"),
        schema.balances.c.asset.label("held_asset"),
        schema.balances.c.amount.label("held"),
    )
    .select_from(schema.head)
    .outerjoin(_LAST, _LAST.c.sequence == schema.head.c.sequence)
    .outerjoin(_KNOWN, _KNOWN.c.key == bindparam("wanted"))
    .outerjoin(schema.balances, schema.balances.c.account.in_(bindparam("names", expanding=True)))
)
_SET_BALANCE = (
    update(schema.balances)
    .where(schema.balances.c.account == bindparam("of"), schema.balances.c.asset == bindparam("unit"))
    .values(amount=bindparam("after"))
)
_ENTRY = ("leg", "account", "asset", "amount", "balance")
# One statement for four: over a network each statement costs a round trip, during which all other writers wait.
# Foreign keys are checked when it ends (https://www.postgresql.org/docs/15/queries-with.html).
_APPEND_POSTGRESQL = text(
    "WITH moved AS (UPDATE balances SET amount = v.after FROM unnest("
    "CAST(:account AS text[]), CAST(:asset AS text[]), CAST(:balance AS bigint[])) AS v(account, asset, after) "
    "WHERE balances.account = v.account AND balances.asset = v.asset), "
    "noted AS (INSERT INTO transactions "
    "(sequence, key, kind, reference, details, content_hash, created_ns, previous_hash, hash) VALUES "
    "(:sequence, :key, :kind, :reference, :details, :content_hash, :created_ns, :previous_hash, :hash)), "
    "ended AS (UPDATE head SET sequence = :sequence, hash = :hash) "
    "INSERT INTO entries (sequence, leg, account, asset, amount, balance) "
    "SELECT :sequence, v.* FROM unnest(CAST(:leg AS integer[]), CAST(:account AS text[]), "
    "CAST(:asset AS text[]), CAST(:amount AS bigint[]), CAST(:balance AS bigint[])) AS v"
)


def append(
    connection: Connection,
    values: Mapping[str, Any],
    written: Sequence[Entry],
    held: Mapping[tuple[str, str], int],
) -> None:
    """Write a transaction, its entries and balances, and the new end of the chain.

    Args:
        connection: An open write transaction.
        values: The row of the transaction.
        written: Its entries.
        held: The balances that the accounts had, as far as they had one.
    """
    _open_balances(connection, values["created_ns"], written, held)
    if connection.dialect.name == "postgresql":
        columns = {name: [_plain(getattr(entry, name)) for entry in written] for name in _ENTRY}
        connection.execute(_APPEND_POSTGRESQL, {**values, **columns})
    else:
        _append_one_by_one(connection, values, written)
    tiles.seal(connection, values["sequence"])


def _append_one_by_one(connection: Connection, values: Mapping[str, Any], written: Sequence[Entry]) -> None:
    connection.execute(insert(schema.transactions), dict(values))
    if written:
        rows = [
            {"sequence": entry.sequence, **{name: _plain(getattr(entry, name)) for name in _ENTRY}}
            for entry in written
        ]
        connection.execute(insert(schema.entries), rows)
        changed = [
            {"of": entry.account, "unit": entry.asset.value, "after": entry.balance} for entry in written
        ]
        connection.execute(_SET_BALANCE, changed)
    connection.execute(update(schema.head), {"sequence": values["sequence"], "hash": values["hash"]})


def _open_balances(
    connection: Connection, opened_ns: int, written: Sequence[Entry], held: Mapping[tuple[str, str], int]
) -> None:
    # Every account got a balance when it was opened, so that one without any is new.
    new = {entry.account for entry in written} - {account for account, _ in held}
    if new:
        accounts = [
            {"id": account, "issuer": is_issuer(account), "opened_ns": opened_ns} for account in sorted(new)
        ]
        connection.execute(insert(schema.accounts), accounts)
    balances = [
        {
            "account": entry.account,
            "asset": entry.asset.value,
            "issuer": is_issuer(entry.account),
            "amount": entry.balance,
        }
        for entry in written
        if (entry.account, entry.asset) not in held
    ]
    if balances:
        connection.execute(insert(schema.balances), balances)


def _plain(value: str | int) -> str | int:
    # A driver may write the name of a member of an enumeration instead of its value.
    return str(value) if isinstance(value, str) else value
