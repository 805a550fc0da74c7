"""Where a ledger under test lives."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, make_url

__all__ = ["HISTORIES", "Place"]

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
