"""Where a ledger under test lives."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, make_url

from industriverse.economy import schema
from industriverse.economy.database import GENESIS
from industriverse.economy.ledger import Ledger

__all__ = ["HISTORIES", "Place", "emptied"]

HISTORIES = int(os.environ.get("INDUSTRIVERSE_LEDGER_HISTORIES", "25"))
"""Random histories of each state machine on each database; docs/economy.md says what thousands of them found."""


@dataclass(frozen=True)
class Place:
    """Where a ledger lives."""

    url: str

    @property
    def sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def path(self) -> Path:
        return Path(str(make_url(self.url).database))

    def run(self, *statements: str) -> None:
        """Run raw SQL behind the ledger's back, as its owner could: no trigger and no check holds."""
        engine = create_engine(self.url)
        with engine.begin() as raw:
            if self.sqlite:
                raw.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
                for (name,) in raw.exec_driver_sql(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                ).all():
                    raw.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                raw.exec_driver_sql("SET session_replication_role = replica")
                raw.exec_driver_sql("ALTER TABLE balances DROP CONSTRAINT IF EXISTS nobody_below_zero")
                raw.exec_driver_sql("ALTER TABLE head DROP CONSTRAINT IF EXISTS head_id_check")
            for statement in statements:
                raw.exec_driver_sql(statement)
        engine.dispose()


def emptied(new_place: Callable[[], Place]) -> Callable[[], Place]:
    """Gives one place again and again, as it was when it was new: making tables takes longer than a history."""
    place = new_place()
    Ledger(place.url).close()
    if place.sqlite:
        return _copied(place.path)
    engine = create_engine(place.url, isolation_level="AUTOCOMMIT")
    clear = "; ".join(f"DELETE FROM {table}" for table in schema.metadata.tables)
    start = f"INSERT INTO head (id, sequence, hash) VALUES (1, 0, '{GENESIS}')"

    def again() -> Place:
        with engine.begin() as raw:
            # As the owner of the database, past the triggers that keep everyone else from this.
            raw.exec_driver_sql("SET session_replication_role = replica")
            raw.exec_driver_sql(f"{clear}; {start}")
            raw.exec_driver_sql("SET session_replication_role = origin")
        return place

    return again


def _copied(template: Path) -> Callable[[], Place]:
    path = template.with_name("again.sqlite")

    def again() -> Place:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(template, path)
        return Place(f"sqlite:///{path}")

    return again
