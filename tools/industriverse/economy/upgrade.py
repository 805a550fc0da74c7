"""Brings the ledger's tables to the version that this program knows, through Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from industriverse.economy.errors import LedgerError

__all__ = ["configuration", "upgrade"]

# Ledgers from before there were versions have the tables of this one.
_UNVERSIONED = "books"


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's settings: where the versions are, and on what to run them."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Run the versions that are missing, within the caller's transaction.

    Raises:
        LedgerError: If a later program has written the ledger.
    """
    config = configuration(connection)
    context = MigrationContext.configure(connection)
    version = context.get_current_revision()
    try:
        if version is None and inspect(connection).has_table("transactions"):
            context.stamp(ScriptDirectory.from_config(config), _UNVERSIONED)
        command.upgrade(config, "head")
    except CommandError as error:
        raise LedgerError(
            f"the ledger has version {version}, which this program does not know",
            hint="use the program that wrote it, or a later one",
        ) from error
