"""The Atlas on Neo4j, through the official driver."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from industriverse.atlas import cypher
from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.bolt_values import plain
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.errors import AtlasError, AtlasUnreachableError, CypherRunError, UnknownRecordError
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.model import VECTOR_LENGTH

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncManagedTransaction, AsyncSession

__all__ = ["BoltEngine", "BoltSettings", "open_bolt_atlas"]

_T = TypeVar("_T")
_DEFINE_TIMEOUT_S = 300.0
_WRITE_TIMEOUT_S = 120.0
# A server that ignores the transaction's time limit is cut off this long after it.
_GRACE_S = 1.0
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 1.0
# Two MERGEs of one key may race; the loser sees the constraint and succeeds when it looks again. The driver
# does not retry this class, since it cannot know that our writes are idempotent.
_RACED = frozenset({"Neo.ClientError.Schema.ConstraintValidationFailed"})


class BoltEngine:
    """Neo4j behind :class:`~industriverse.atlas.engine.Engine`.

    Writes are managed transactions, retried while the server elects a leader, is away for a moment, finds a
    deadlock or two writers race. Every write of the Atlas is idempotent, so a commit whose answer was lost may
    be sent again. Reads run in sessions that may not write, each read with a time limit that holds on our side
    even where the server ignores it. Bookmarks make every read see this engine's own writes in a cluster.

    One private event loop carries the asynchronous driver: it alone can give up waiting for an answer.

    Args:
        settings: Where the server is.
        bookmarks: Of writes by others that the first read must see.

    Raises:
        AtlasError: If the ``neo4j`` package is missing or the server refuses the credentials.
        AtlasUnreachableError: If the server cannot be reached.
    """

    def __init__(self, settings: BoltSettings, *, bookmarks: Sequence[str] = ()) -> None:
        try:
            import neo4j
        except ImportError as error:
            raise AtlasError(
                "the driver of Neo4j is not installed", hint="pip install 'industriverse[neo4j]'"
            ) from error
        self._neo4j = neo4j
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="atlas-bolt", daemon=True)
        self._thread.start()
        self._closed = False
        self._bookmarks = neo4j.AsyncGraphDatabase.bookmark_manager(
            initial_bookmarks=neo4j.Bookmarks.from_raw_values(bookmarks)
        )
        self._driver: AsyncDriver = self._wait(self._connect(), settings.connect_timeout_s)
        try:
            self._translated(self._driver.verify_connectivity(), settings.connect_timeout_s)
        except BaseException:
            self.close()
            raise

    @cached_property
    def vector_index(self) -> bool:
        """Whether the server has an index over vectors: Neo4j from 5.13 on; asked once, by using it."""
        nowhere = {"id": "", "limit": 1, "vector": [0.0] * VECTOR_LENGTH}
        try:
            self.define([cypher.VECTOR_INDEX])
            self.read([Statement(cypher.SIMILAR_BY_INDEX, nowhere)])
        except CypherRunError:
            return False
        return True

    def define(self, texts: Sequence[str]) -> None:
        """Run schema statements, each in a transaction of its own."""
        for text in texts:
            self._translated(
                self._retried(lambda text=text: self._write([Statement(text)])),  # type: ignore[misc]
                _DEFINE_TIMEOUT_S,
            )

    def write(self, statements: Sequence[Statement]) -> None:
        """Run statements as one transaction."""
        self._translated(
            self._retried(lambda: self._write(statements)), _WRITE_TIMEOUT_S + self._settings.retry_s
        )

    def read(
        self, statements: Sequence[Statement], *, timeout_s: float = 60.0, row_limit: int | None = None
    ) -> list[list[Row]]:
        """Run reads in one transaction that cannot write.

        Neo4j reads what is committed at each statement, so a write may fall between two of them.
        """
        return self._translated(self._read(statements, timeout_s, row_limit), timeout_s + _GRACE_S, timeout_s)

    def nearest(self, place: Sequence[float], limit: int, besides: str) -> list[Row]:
        """By the server's index over vectors where it has one, else by its scan of all states.

        Others write there too, so that nothing of it is kept on this side.
        """
        indexed = self.vector_index
        parameters = {"vector": list(place), "limit": limit + indexed, "id": besides}
        text = cypher.SIMILAR_BY_INDEX if indexed else cypher.SIMILAR
        return self.read([Statement(text, parameters)])[0][:limit]

    def bookmarks(self) -> tuple[str, ...]:
        """What another engine must be given to see every write made here."""
        return tuple(self._wait(self._raw_bookmarks(), self._settings.connect_timeout_s))

    def close(self) -> None:
        """Close every connection; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._wait(self._closed_driver(), self._settings.connect_timeout_s)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _closed_driver(self) -> None:
        await self._driver.close()
        # Sockets of handshakes that failed are closed by the loop's next rounds, which must still come.
        await asyncio.sleep(0.01)

    async def _connect(self) -> "AsyncDriver":
        neo4j, settings = self._neo4j, self._settings
        options: dict[str, Any] = {}
        if settings.authority:
            options |= {
                "encrypted": True,
                "trusted_certificates": neo4j.TrustCustomCAs(str(settings.authority)),
            }
        if settings.client_certificate:
            from neo4j.auth_management import AsyncClientCertificateProviders, ClientCertificate

            certificate = ClientCertificate(str(settings.client_certificate), str(settings.client_key))
            options |= {
                "encrypted": True,
                "client_certificate": AsyncClientCertificateProviders.static(certificate),
            }
        driver: AsyncDriver = neo4j.AsyncGraphDatabase.driver(
            settings.uri,
            auth=(settings.user, settings.password),
            max_connection_pool_size=settings.pool_size,
            connection_timeout=settings.connect_timeout_s,
            connection_acquisition_timeout=settings.connect_timeout_s * 2,
            max_transaction_retry_time=settings.retry_s,
            # Notices about labels that no node has yet would reach the log at every read of a young graph.
            notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
            user_agent="industriverse-atlas",
            **options,
        )
        return driver

    def _session(self, access: str) -> "AsyncSession":
        return self._driver.session(
            database=self._settings.database,
            default_access_mode=access,
            bookmark_manager=self._bookmarks,
            fetch_size=2_000,
        )

    async def _write(self, statements: Sequence[Statement]) -> None:
        @self._neo4j.unit_of_work(timeout=_WRITE_TIMEOUT_S)
        async def work(transaction: "AsyncManagedTransaction") -> None:
            for statement in statements:
                result = await transaction.run(statement.text, dict(statement.parameters))
                if statement.expected is None:
                    await result.consume()
                    continue
                row = await result.single()
                if (row["written"] if row else 0) != statement.expected:
                    raise UnknownRecordError(
                        f"{statement.refers_to} is not in the graph", hint="write what it refers to first"
                    )

        async with self._session(self._neo4j.WRITE_ACCESS) as session:
            await session.execute_write(work)

    async def _read(
        self, statements: Sequence[Statement], timeout_s: float, row_limit: int | None
    ) -> list[list[Row]]:
        @self._neo4j.unit_of_work(timeout=timeout_s)
        async def work(transaction: "AsyncManagedTransaction") -> list[list[Row]]:
            answers = []
            for statement in statements:
                result = await transaction.run(statement.text, dict(statement.parameters))
                records = await result.fetch(row_limit) if row_limit else [record async for record in result]
                answers.append([{name: plain(one[name]) for name in one.keys()} for one in records])  # noqa: SIM118
                await result.consume()
            return answers

        async with self._session(self._neo4j.READ_ACCESS) as session:
            if len(statements) == 1 and row_limit is None:
                exceptions = self._neo4j.exceptions
                try:
                    return [await self._read_at_once(session, statements[0], timeout_s)]
                except (exceptions.TransientError, exceptions.ServiceUnavailable, exceptions.SessionExpired):
                    # The managed transaction below tries again, with pauses.
                    pass
            return await session.execute_read(work)

    async def _read_at_once(
        self, session: "AsyncSession", statement: Statement, timeout_s: float
    ) -> list[Row]:
        """One statement in a transaction that the server opens and ends: one round trip, not three."""
        query = self._neo4j.Query(statement.text, timeout=timeout_s)
        result = await session.run(query, dict(statement.parameters))
        names = result.keys()
        return [dict(zip(names, map(plain, row), strict=True)) for row in await result.values()]

    async def _retried(self, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        give_up = time.monotonic() + self._settings.retry_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await attempt()
            except self._neo4j.exceptions.ClientError as error:
                if error.code not in _RACED or time.monotonic() > give_up:
                    raise
            except self._neo4j.exceptions.IncompleteCommit:
                # Nobody knows whether it was committed; sent again it changes nothing if it was.
                if time.monotonic() > give_up:
                    raise
            # Full jitter, so that the writers of a race do not meet again. Not a secret.
            await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _raw_bookmarks(self) -> Sequence[str]:
        return sorted(str(value) for value in await self._bookmarks.get_bookmarks())

    def _wait(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        async def limited() -> _T:
            return await asyncio.wait_for(work, timeout_s)

        return asyncio.run_coroutine_threadsafe(limited(), self._loop).result()

    def _translated(
        self, work: Coroutine[Any, Any, _T], timeout_s: float, stated_s: float | None = None
    ) -> _T:
        exceptions = self._neo4j.exceptions
        try:
            return self._wait(work, timeout_s)
        except TimeoutError as error:
            if stated_s is None:
                raise AtlasUnreachableError(
                    f"the graph at {self._settings.uri} did not answer in {timeout_s:g} s",
                    hint="check that the server runs; writing the same again is safe",
                ) from error
            raise _too_slow(stated_s) from error
        except exceptions.AuthError as error:
            raise AtlasError(
                f"the server refuses user {self._settings.user!r}", hint="check user and password"
            ) from error
        except (exceptions.ServiceUnavailable, exceptions.SessionExpired, OSError) as error:
            raise AtlasUnreachableError(
                f"the graph at {self._settings.uri} cannot be reached: {_first_line(error)}",
                hint="check the address and that the server runs",
            ) from error
        except exceptions.TransientError as error:
            if stated_s is not None and "Timed" in (error.code or ""):
                raise _too_slow(stated_s) from error
            raise AtlasUnreachableError(
                f"the graph at {self._settings.uri} is busy: {_first_line(error)}", hint="try again later"
            ) from error
        except exceptions.Neo4jError as error:
            if stated_s is not None and "Timed" in (error.code or ""):
                raise _too_slow(stated_s) from error
            raise CypherRunError(
                _first_line(error.message or error), hint="check the query and its parameters"
            ) from error
        except (exceptions.DriverError, ValueError, TypeError, OverflowError) as error:
            raise CypherRunError(_first_line(error), hint="check the query and its parameters") from error


def _too_slow(timeout_s: float) -> CypherRunError:
    return CypherRunError(
        f"the query took more than {timeout_s:g} s", hint="narrow it with an id or a time range"
    )


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


def open_bolt_atlas(settings: BoltSettings, *, bookmarks: Sequence[str] = ()) -> GraphAtlas:
    """Open the Atlas on a server, with its schema in place.

    Args:
        settings: Where the server is.
        bookmarks: Of writes by others that the first read must see.

    Raises:
        AtlasError: If the driver is missing or the server refuses the credentials.
        AtlasUnreachableError: If the server cannot be reached.
        AtlasSchemaError: If a newer version wrote the graph.
    """
    atlas = GraphAtlas(BoltEngine(settings, bookmarks=bookmarks))
    try:
        atlas.ensure_schema()
    except BaseException:
        atlas.close()
        raise
    return atlas
