"""The windows for which PFT were minted; the database itself refuses two of one stream that overlap."""

import sqlalchemy as sa
from alembic import op

from industriverse.economy.migrations.triggers import append_only

__all__ = ["branch_labels", "depends_on", "down_revision", "revision", "upgrade"]

revision = "windows"
down_revision = "log"
branch_labels = None
depends_on = None

_OVERLAP = (
    "SELECT 1 FROM mint_windows AS w WHERE w.stream = NEW.stream "
    "AND w.start_ns <= NEW.end_ns AND w.end_ns >= NEW.start_ns"
)


def upgrade() -> None:
    """Create the table; mints from before name no window and have no row."""
    op.create_table(
        "mint_windows",
        sa.Column("sequence", sa.BigInteger, sa.ForeignKey("transactions.sequence"), primary_key=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("start_ns", sa.BigInteger, nullable=False),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.CheckConstraint("start_ns <= end_ns", name="in_order"),
    )
    op.create_index("mint_windows_of_stream", "mint_windows", ["stream", "start_ns"])
    append_only("mint_windows")
    if op.get_context().dialect.name != "postgresql":
        op.execute(
            "CREATE TRIGGER mint_windows_apart BEFORE INSERT ON mint_windows "
            f"WHEN EXISTS ({_OVERLAP}) "
            "BEGIN SELECT RAISE(ABORT, 'windows of minted proofs overlap'); END"
        )
        return
    # The lock makes two programs that insert at once look one after the other, at any isolation.
    op.execute(
        "CREATE FUNCTION refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_advisory_xact_lock(720575, hashtext(NEW.stream)); "
        f"IF EXISTS ({_OVERLAP}) THEN "
        "RAISE EXCEPTION USING MESSAGE = 'windows of minted proofs overlap', "
        "ERRCODE = 'exclusion_violation'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER mint_windows_apart BEFORE INSERT ON mint_windows "
        "FOR EACH ROW EXECUTE FUNCTION refuse_overlap()"
    )
