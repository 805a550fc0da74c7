"""The books: accounts, transactions, entries, balances, the end of the chain and energy buckets.

Ledgers from before there were versions have exactly these tables and are stamped with this one.
"""

import sqlalchemy as sa
from alembic import op

from industriverse.economy.migrations.triggers import append_only, append_only_function

__all__ = ["branch_labels", "depends_on", "down_revision", "revision", "upgrade"]

revision = "books"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("issuer", sa.Boolean, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
    )
    _transactions()
    op.create_table(
        "entries",
        sa.Column("sequence", sa.BigInteger, sa.ForeignKey("transactions.sequence"), primary_key=True),
        sa.Column("leg", sa.Integer, primary_key=True),
        sa.Column("account", sa.Text, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, sa.CheckConstraint("amount <> 0"), nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
    )
    op.create_index("entries_of_account", "entries", ["account", "asset", "sequence"])
    _state()
    append_only_function()
    append_only("transactions")
    append_only("entries")


def _transactions() -> None:
    op.create_table(
        "transactions",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )
    op.create_index(
        "one_mint_per_evidence",
        "transactions",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("kind = 'mint'"),
        postgresql_where=sa.text("kind = 'mint'"),
    )


def _state() -> None:
    op.create_table(
        "balances",
        sa.Column("account", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("issuer", sa.Boolean, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "(issuer AND amount <= 0) OR (NOT issuer AND amount >= 0)", name="nobody_below_zero"
        ),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "buckets",
        sa.Column("principal", sa.Text, primary_key=True),
        sa.Column("level", sa.BigInteger, sa.CheckConstraint("level >= 0"), nullable=False),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
    )
