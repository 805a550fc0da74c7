"""The Merkle log, signed checkpoints, documents of contracts and the queue of proofs to be validated."""

import sqlalchemy as sa
from alembic import op

from industriverse.economy.migrations.triggers import append_only

__all__ = ["branch_labels", "depends_on", "down_revision", "revision", "upgrade"]

revision = "log"
down_revision = "books"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; tiles of transactions from before are computed when they are read."""
    op.create_index(
        "transactions_of_reference",
        "transactions",
        ["reference", "created_ns", "sequence"],
        sqlite_where=sa.text("reference <> ''"),
        postgresql_where=sa.text("reference <> ''"),
    )
    op.create_table(
        "merkle_tiles",
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, sa.ForeignKey("transactions.sequence"), nullable=False),
    )
    op.create_index("documents_of_kind", "documents", ["kind", "id"])
    _queue()
    append_only("merkle_tiles")
    append_only("checkpoints")


def _queue() -> None:
    op.create_table(
        "proof_queue",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_ns", sa.BigInteger, nullable=False),
        sa.Column("submitted_ns", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, sa.ForeignKey("transactions.sequence")),
        sa.Column("reason", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'minted', 'dead')", name="known_state"),
    )
    op.create_index("proofs_due", "proof_queue", ["state", "due_ns"])
