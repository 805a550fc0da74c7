"""The tables of the ledger.

Column types and constraints are those that SQLite and PostgreSQL share. The tables come into being by the
versions in ``migrations``, which also hold the append-only triggers of both databases; a test compares them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

__all__ = [
    "VERSION",
    "accounts",
    "balances",
    "buckets",
    "checkpoints",
    "documents",
    "entries",
    "head",
    "merkle_tiles",
    "metadata",
    "mint_windows",
    "proof_queue",
    "transactions",
    "version",
]

# The latest of the versions in ``migrations``.
VERSION = "append"

metadata = MetaData()

# Alembic's own table, outside the metadata that it compares.
version = Table("alembic_version", MetaData(), Column("version_num", Text))

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

Index(
    "transactions_of_reference",
    transactions.c.reference,
    transactions.c.created_ns,
    transactions.c.sequence,
    sqlite_where=transactions.c.reference != "",
    postgresql_where=transactions.c.reference != "",
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

# Hashes of complete subtrees of the Merkle log: level 1 covers 256 transactions, level 2 65,536, and so on.
merkle_tiles = Table(
    "merkle_tiles",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("place", BigInteger, primary_key=True),
    Column("hash", Text, nullable=False),
)

# What was signed of the log, as signed.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)

# The windows of telemetry for which PFT were minted; a trigger refuses two of one stream that overlap.
mint_windows = Table(
    "mint_windows",
    metadata,
    Column("sequence", BigInteger, ForeignKey(transactions.c.sequence), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    CheckConstraint("start_ns <= end_ns", name="in_order"),
)
Index("mint_windows_of_stream", mint_windows.c.stream, mint_windows.c.start_ns)

# Where models and contracts stand; the transaction that brought each there holds the hash of its state.
documents = Table(
    "documents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, ForeignKey(transactions.c.sequence), nullable=False),
)
Index("documents_of_kind", documents.c.kind, documents.c.id)

# Certificates on their way to the mint.
proof_queue = Table(
    "proof_queue",
    metadata,
    Column("id", Text, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("submitted_ns", BigInteger, nullable=False),
    Column("sequence", BigInteger, ForeignKey(transactions.c.sequence)),
    Column("reason", Text, nullable=False),
    CheckConstraint("state IN ('waiting', 'minted', 'dead')", name="known_state"),
)
Index("proofs_due", proof_queue.c.state, proof_queue.c.due_ns)
