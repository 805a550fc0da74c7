"""SQLite files whose committed writes survive a killed process and a lost supply of power."""

import sqlite3
from pathlib import Path
from typing import Any

__all__ = ["WAIT_S", "make_durable", "open_durable"]

WAIT_S = 30.0
"""How long a connection waits for another one's write before it gives up."""


def open_durable(path: Path, schema: str = "") -> sqlite3.Connection:
    """Open a file in autocommit mode, with a write-ahead log that is synchronised at every commit.

    Args:
        path: Created with its folder if missing.
        schema: Statements that create what is not there yet.

    Raises:
        OSError: If the folder cannot be made.
        sqlite3.Error: If the file cannot be opened or is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        make_durable(connection)
        connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    return connection


def make_durable(connection: Any) -> None:
    """Give a connection that was opened elsewhere, by SQLAlchemy for one, the same promise.

    Args:
        connection: An open ``sqlite3.Connection``, or what a driver wraps around one.

    Raises:
        sqlite3.Error: If the file is no database.
    """
    connection.execute(f"PRAGMA busy_timeout = {round(WAIT_S * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
