"""SQLite files whose committed writes survive a killed process and a lost supply of power."""

import sqlite3
from pathlib import Path

__all__ = ["open_durable"]


def open_durable(path: Path, schema: str) -> sqlite3.Connection:
    """Open a file in autocommit mode, with a write-ahead log that is synchronised at every commit.

    Args:
        path: Created with its folder if missing.
        schema: Statements that create what is not there yet.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(schema)
    return connection
