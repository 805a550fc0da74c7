"""Where checkpoints are kept: a SQLite file, or a PostgreSQL server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from industriverse.graphs.errors import GraphError

__all__ = ["Checkpoints"]


class Checkpoints:
    """Opens the saver of an installation.

    Args:
        place: A SQLite file, or a URL ``postgresql://...``.
    """

    def __init__(self, place: Path | str) -> None:
        self._place = place

    @asynccontextmanager
    async def saver(self) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """A saver that is closed afterwards.

        Raises:
            GraphError: If the driver of PostgreSQL is missing or the server does not answer.
        """
        if isinstance(self._place, str) and self._place.startswith("postgresql://"):
            async with self._postgresql(self._place) as saver:
                yield saver
            return
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(str(self._place)) as saver:
            yield saver

    @asynccontextmanager
    async def _postgresql(self, url: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        try:
            from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
            from psycopg import OperationalError
        except ImportError:
            raise GraphError(
                "checkpoints on PostgreSQL need its driver", hint="pip install industriverse[postgres]"
            ) from None
        try:
            async with AsyncPostgresSaver.from_conn_string(url) as saver:
                await saver.setup()
                yield saver
        except OperationalError:
            # The message of the driver may hold the password of the URL.
            raise GraphError(
                "the PostgreSQL server of the checkpoints does not answer",
                hint="check INDUSTRIVERSE_CHECKPOINTS",
            ) from None
