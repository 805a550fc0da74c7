"""The tables of the ledger.

Column types and constraints are those that SQLite and PostgreSQL share. The append-only triggers are written
per database; opening a ledger on a database without them is refused.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
)
from sqlalchemy.schema import ExecutableDDLElement

__all__ = ["accounts", "balances", "buckets", "entries", "head", "metadata", "transactions"]

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("issuer", Boolean, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),
)

transactions = Table(
    "transactions",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
)

# The database itself refuses to mint for the same evidence twice, whatever program asks.
Index(
    "one_mint_per_evidence",
    transactions.c.reference,
    unique=True,
    sqlite_where=transactions.c.kind == "mint",
    postgresql_where=transactions.c.kind == "mint",
)

entries = Table(
    "entries",
    metadata,
    Column("sequence", BigInteger, ForeignKey(transactions.c.sequence), primary_key=True),
    Column("leg", Integer, primary_key=True),
    Column("account", Text, ForeignKey(accounts.c.id), nullable=False),
    Column("asset", Text, nullable=False),
    Column("amount", BigInteger, CheckConstraint("amount <> 0"), nullable=False),
    Column("balance", BigInteger, nullable=False),
)
Index("entries_of_account", entries.c.account, entries.c.asset, entries.c.sequence)

balances = Table(
    "balances",
    metadata,
    Column("account", Text, ForeignKey(accounts.c.id), primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("issuer", Boolean, nullable=False),
    Column("amount", BigInteger, nullable=False),
    CheckConstraint("(issuer AND amount <= 0) OR (NOT issuer AND amount >= 0)", name="nobody_below_zero"),
)

# One row: the end of the chain. Writers queue on it.
head = Table(
    "head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

# Energy budgets: how full each principal's bucket was, and when.
buckets = Table(
    "buckets",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("level", BigInteger, CheckConstraint("level >= 0"), nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
)


def _append_only(table: Table, verb: str) -> ExecutableDDLElement:
    text = (
        f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    )
    ddl: ExecutableDDLElement = DDL(text)  # type: ignore[no-untyped-call]
    return ddl.execute_if(dialect="sqlite")


for _table in (transactions, entries):
    for _verb in ("UPDATE", "DELETE"):
        event.listen(_table, "after_create", _append_only(_table, _verb))
