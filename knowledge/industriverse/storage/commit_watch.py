"""Whether SQLite files changed, told without a query: for whoever keeps what he read of them."""

import sqlite3
import threading
from pathlib import Path

__all__ = ["CommitWatch"]


class CommitWatch:
    """Looks at a number that SQLite changes with every commit, whichever process made it. For any thread.

    Args:
        path: A database; it may come into being later, and be replaced by another file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._files = 0

    def version(self) -> tuple[int, int] | None:
        """What is the same as long as nothing was committed, None where that cannot be told.

        Reference: https://sqlite.org/pragma.html#pragma_data_version, which holds for the commits of other
        connections; this one writes nothing.
        """
        with self._lock:
            try:
                # A file that is held open keeps its number to itself, so another file has another one.
                inode = self._path.stat().st_ino
                if self._connection is None or inode != self._inode:
                    self._open(inode)
                assert self._connection is not None
                return self._files, int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except (OSError, sqlite3.Error):
                # Whoever asks reads the file itself then, which waits for its turn.
                return None

    def _open(self, inode: int) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._files += 1
        self._connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=0.0,
        )
        self._inode = inode

    def close(self) -> None:
        """Let go of the file; what was told before says nothing about what is told after."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
