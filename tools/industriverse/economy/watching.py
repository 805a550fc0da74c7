"""Whether a ledger's file changed, told without a query: for whoever keeps what he read of it."""

import sqlite3
import threading
from pathlib import Path

__all__ = ["LedgerWatch"]


class LedgerWatch:
    """Looks at a number that SQLite changes with every commit, whichever process made it. For any thread.

    Args:
        path: The ledger's file; it may come into being later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def version(self) -> int | None:
        """A number that is the same as long as nothing was committed, None where that cannot be told.

        Reference: https://sqlite.org/pragma.html#pragma_data_version, which holds for the commits of other
        connections; this one writes nothing.
        """
        with self._lock:
            try:
                if self._connection is None:
                    if not self._path.exists():
                        return None
                    self._connection = sqlite3.connect(
                        f"{self._path.absolute().as_uri()}?mode=ro",
                        uri=True,
                        isolation_level=None,
                        check_same_thread=False,
                        timeout=0.0,
                    )
                return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:
                # Whoever asks reads the ledger itself then, which waits for its turn.
                return None

    def close(self) -> None:
        """Let go of the file; what was told before says nothing about what is told after."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
