"""The Atlas on a laptop: an embedded graph in one folder, owned by one process."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from industriverse.atlas import cypher
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.errors import AtlasError, AtlasOwnedError, CypherRunError, UnknownRecordError
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.likeness import MOST_STATES, Likeness

if TYPE_CHECKING:
    import kglite

__all__ = ["EmbeddedEngine", "open_atlas"]

_FILE_NAME = "atlas.kgl"


class EmbeddedEngine:
    """kglite behind :class:`~industriverse.atlas.engine.Engine`.

    Every write is one transaction, one log frame and one ``fdatasync``. Reads run on a snapshot and never
    wait for a write's disk barrier.

    Args:
        path: The graph file; created where missing.

    Raises:
        AtlasOwnedError: If another process, or another engine in this one, has the graph open.
        AtlasError: If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        import kglite

        # Its warnings about labels that no node has yet would go to stderr at every read of a young graph.
        kglite.set_query_warning_policy("silent")
        self._kglite = kglite
        # Transactions are optimistic and the later of two would fail; queueing here makes each succeed.
        self._writing = threading.Lock()
        # Taken after the one above where both are: a comparison waits for no disk.
        self._comparing = threading.Lock()
        self._likeness: Likeness | None = None
        try:
            self._session: kglite.Session = kglite.open_session(str(path), durable="full")
        except kglite.WriterLeaseHeldError as error:
            raise _owned(path, error) from error
        except kglite.KgError as error:
            raise AtlasError(
                f"the Atlas at {path.parent} cannot be opened: {error}", hint="restore it from a backup"
            ) from error

    def define(self, texts: Sequence[str]) -> None:
        """Run schema statements, each on its own."""
        with self._writing:
            for text in texts:
                try:
                    self._session.execute(text)
                except self._kglite.KgError as error:
                    raise CypherRunError(f"{_first_line(error)} in {text}") from error

    def write(self, statements: Sequence[Statement]) -> None:
        """Run statements as one transaction."""
        with self._writing:
            transaction = self._session.begin()
            try:
                for statement in statements:
                    self._run(transaction, statement)
                transaction.commit()
            except (self._kglite.KgError, ValueError, TypeError, OverflowError) as error:
                raise CypherRunError(_first_line(error)) from error
            finally:
                if transaction.active:
                    transaction.rollback()
            with self._comparing:
                if self._likeness is not None and not self._likeness.follow(statements):
                    self._likeness = None

    def read(
        self, statements: Sequence[Statement], *, timeout_s: float = 60.0, row_limit: int | None = None
    ) -> list[list[Row]]:
        """Run reads against one snapshot."""
        timeout_ms = int(timeout_s * 1_000) or 1
        # One read needs no snapshot that outlives it: the session takes one for the call by itself.
        graph = self._session if len(statements) == 1 else self._session.snapshot()
        try:
            return [
                graph.cypher(
                    text,
                    params=parameters if type(parameters) is dict else dict(parameters),
                    timeout_ms=timeout_ms,
                    row_limit=row_limit,
                ).to_list()
                for text, parameters, _, _ in statements
            ]
        except self._kglite.CypherTimeoutError as error:
            raise CypherRunError(
                f"the query took more than {timeout_s:g} s", hint="narrow it with an id or a time range"
            ) from error
        except (self._kglite.KgError, ValueError, TypeError, OverflowError) as error:
            raise CypherRunError(_first_line(error), hint="check the query and its parameters") from error

    def nearest(self, place: Sequence[float], limit: int, besides: str) -> list[Row]:
        """By the matrix beside the graph; its own vector search does not reach the durable session."""
        with self._comparing:
            if self._likeness is not None:
                return self._likeness.nearest(place, limit, besides)
        with self._writing:
            [rows] = self.read([Statement(cypher.PLACES, {"limit": MOST_STATES + 1})])
            if len(rows) <= MOST_STATES:
                with self._comparing:
                    self._likeness = Likeness(rows)
                    return self._likeness.nearest(place, limit, besides)
        parameters = {"vector": list(place), "limit": limit, "id": besides}
        return self.read([Statement(cypher.SIMILAR, parameters)])[0]

    def close(self) -> None:
        """Write a checkpoint and release the graph."""
        with self._writing:
            self._session.close()

    @staticmethod
    def _run(transaction: "kglite.SessionTransaction", statement: Statement) -> None:
        result = transaction.cypher(statement.text, params=dict(statement.parameters))
        if statement.expected is not None and result.to_list()[0]["written"] != statement.expected:
            raise UnknownRecordError(
                f"{statement.refers_to} is not in the graph", hint="write what it refers to first"
            )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _owned(path: Path, error: Exception) -> AtlasOwnedError:
    if f"pid {os.getpid()})" in str(error):
        return AtlasOwnedError(
            f"the Atlas at {path.parent} is already open in this process", hint="share that store or close it"
        )
    return AtlasOwnedError(
        f"the Atlas at {path.parent} is owned by another process", hint="connect to it through its server"
    )


def open_atlas(folder: Path | str) -> GraphAtlas:
    """Open the embedded Atlas in a folder, creating both where missing, with its schema in place.

    Args:
        folder: Where the graph lives. Only its owner may read it.

    Raises:
        AtlasOwnedError: If another process owns it; everyone else goes through that process's server.
        AtlasSchemaError: If a newer version wrote it.
        AtlasError: If the folder or the graph cannot be opened.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise AtlasError(
            f"the folder {path} cannot be made: {error.strerror}", hint="choose another"
        ) from error
    atlas = GraphAtlas(EmbeddedEngine(path / _FILE_NAME))
    try:
        atlas.ensure_schema()
    except BaseException:
        atlas.close()
        raise
    return atlas
