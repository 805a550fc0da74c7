"""Connections to the ledger's database, with the settings that make a commit mean what it says."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.schema import CreateSchema

from industriverse.economy import schema
from industriverse.economy.errors import LedgerBusyError, LedgerConflictError, LedgerError

__all__ = [
    "BEGIN_SERIALIZABLE",
    "GENESIS",
    "LOCK_CHAIN",
    "connect",
    "in_schema",
    "is_lock_timeout",
    "reading",
    "writing",
]

# The hash before the first transaction.
GENESIS = "0" * 64
_BUSY_TIMEOUT_S = 30.0
_PURPOSE = "industriverse_purpose"
_READ, _WRITE, _PREPARE = "read", "write", "prepare"
# https://www.postgresql.org/docs/15/errcodes-appendix.html: serialization failure, deadlock; lock timeout.
_CONFLICTS = ("40001", "40P01")
_LOCK_TIMEOUT = "55P03"
BEGIN_SERIALIZABLE = "BEGIN ISOLATION LEVEL SERIALIZABLE"
# Writers queue here for the end of the chain. A serializable transaction sees the database as it was at its first
# query, and LOCK TABLE is not one: what is seen is what the writer before has left. An advisory lock would be
# taken by a query, and all but the first in the queue would have to fail
# (https://www.postgresql.org/docs/15/explicit-locking.html#LOCKING-TABLES).
LOCK_CHAIN = "LOCK TABLE head IN EXCLUSIVE MODE"
# Names the lock under which tables are created; any number that others do not use.
_PREPARE_LOCK = 7_205_759_403_792


def connect(url_or_path: str | Path) -> Engine:
    """An engine on the ledger's database, created or brought up to date where needed.

    Args:
        url_or_path: A SQLite file, or a SQLAlchemy URL of one or of a PostgreSQL database.

    Raises:
        LedgerError: If the database cannot be opened or is of a kind that the ledger was not tested on.
    """
    url = _url(url_or_path)
    if url.get_backend_name() == "postgresql":
        engine = _postgresql(url)
    elif url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        engine = _sqlite(url)
    else:
        raise LedgerError(
            f"a ledger cannot live in {url.render_as_string()}",
            hint="give the path of a file, or the URL of a PostgreSQL database",
        )
    try:
        _prepare(engine)
    except LedgerError:
        engine.dispose()
        raise
    return engine


def in_schema(url_text: str, name: str) -> str:
    """The URL of a schema of a PostgreSQL database, created where missing; the database's own without a name.

    Args:
        url_text: SQLAlchemy URL of the database.
        name: Lower-case letters, digits and ``_``.

    Raises:
        LedgerError: If it is no PostgreSQL database, or the schema cannot be created.
    """
    url = _url(url_text)
    if url.get_backend_name() != "postgresql":
        raise LedgerError(
            f"{url.render_as_string()} is no PostgreSQL database",
            hint="give postgresql://user:password@host/name, or leave INDUSTRIVERSE_LEDGER away",
        )
    if not name:
        return url_text
    engine = _postgresql(url)
    try:
        with _transaction(engine, _PREPARE) as connection:
            connection.execute(CreateSchema(name, if_not_exists=True))
    finally:
        engine.dispose()
    return url.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(hide_password=False)


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerError(
            f"the ledger {path} cannot be opened: {error.strerror}", hint="check the path"
        ) from error
    # Threads queue at the database, where they wait their turn, not at the pool, where they would fail.
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S}, max_overflow=-1)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            isolation_level="SERIALIZABLE",
            pool_size=4,
            max_overflow=28,
            pool_timeout=_BUSY_TIMEOUT_S,
        )
    except ImportError as error:
        raise LedgerError(
            "the PostgreSQL driver is not installed", hint="install industriverse[postgres]"
        ) from error
    event.listen(engine, "connect", _configure_postgresql)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(engine: Engine) -> None:
    if _version(engine) == schema.VERSION:
        return
    # Alembic takes longer to load than a ledger takes to open, so only a ledger that needs it pays for it.
    from industriverse.economy.upgrade import upgrade

    with _transaction(engine, _PREPARE) as connection:
        upgrade(connection)
        if connection.execute(select(schema.head)).first() is None:
            connection.execute(insert(schema.head).values(id=1, sequence=0, hash=GENESIS))


def _version(engine: Engine) -> str | None:
    with reading(engine) as connection:
        if not inspect(connection).has_table(schema.version.name):
            return None
        return connection.execute(select(schema.version)).scalar_one_or_none()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: alone from its first statement, on disk when the block ends.

    Raises:
        LedgerConflictError: If the database gave way to another program; the block may run again.
        LedgerBusyError: If other writers did not finish in time.
        LedgerError: If the database failed.
    """
    with _transaction(engine, _WRITE) as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the database, which waits for no writer.

    Raises:
        LedgerError: If the database failed.
    """
    with _transaction(engine, _READ) as connection:
        yield connection


@contextmanager
def _transaction(engine: Engine, purpose: str) -> Iterator[Connection]:
    options: dict[str, Any] = {_PURPOSE: purpose}
    if engine.dialect.name == "postgresql" and purpose == _READ:
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    if engine.dialect.name == "postgresql" and purpose == _WRITE:
        # The transaction begins in _begin, together with its lock.
        options |= {"isolation_level": "AUTOCOMMIT"}
    if engine.dialect.name == "postgresql" and purpose == _PREPARE:
        options |= {"isolation_level": "READ COMMITTED"}
    with (
        _translated(engine),
        engine.connect() as connection,
        connection.execution_options(**options).begin(),
    ):
        yield connection


def is_lock_timeout(error: Exception) -> bool:
    """Whether PostgreSQL gave up waiting for a lock."""
    return getattr(error, "sqlstate", None) == _LOCK_TIMEOUT


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        # What is run past SQLAlchemy comes without its wrapping.
        problem = str(error)
        if isinstance(error, sqlite3.OperationalError) and "locked" in problem:
            raise _busy() from error
        raise LedgerError(f"the ledger {engine.url.database} failed: {problem}") from error
    except DBAPIError as error:
        problem, state = str(error.orig).partition("\n")[0], getattr(error.orig, "sqlstate", None)
        if state in _CONFLICTS:
            raise LedgerConflictError(
                f"another program was writing: {problem}", hint="do the same again"
            ) from error
        if state == _LOCK_TIMEOUT or (isinstance(error, OperationalError) and "locked" in problem):
            raise _busy() from error
        raise LedgerError(f"the ledger {engine.url.database} failed: {problem}") from error
    except PoolTimeout as error:
        raise LedgerBusyError(
            f"no connection to the ledger became free in {_BUSY_TIMEOUT_S:g} s",
            hint="try again when other work is done",
        ) from error


def _busy() -> LedgerBusyError:
    return LedgerBusyError(
        f"the ledger was locked for {_BUSY_TIMEOUT_S:g} s", hint="try again when other writers are done"
    )


def _url(url_or_path: str | Path) -> URL:
    text = str(url_or_path)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).absolute()))
    try:
        return make_url(text)
    except ArgumentError as error:
        raise LedgerError(f"{text!r:.80} is no database URL", hint="give the path of a file") from error


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling starts late and cannot start IMMEDIATE; ours is in _begin.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # A commit returns after the disk has it (https://sqlite.org/pragma.html#pragma_synchronous).
    connection.execute("PRAGMA synchronous = FULL")
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    # Two processes that switch a new file to WAL at once get an error instead of waiting for each other.
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _configure_postgresql(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = '{_BUSY_TIMEOUT_S:g}s'")
    # A commit returns after the disk has it, whatever the server's default is.
    connection.execute("SET synchronous_commit = on")
    connection.commit()


def _begin(connection: Connection) -> None:
    purpose = connection.get_execution_options().get(_PURPOSE, _READ)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN" if purpose == _READ else "BEGIN IMMEDIATE")
    elif purpose == _WRITE:
        # In one round trip, during which nobody else waits yet.
        driver: Any = connection.connection.driver_connection
        driver.execute(f"{BEGIN_SERIALIZABLE}; {LOCK_CHAIN}", prepare=False)
    elif purpose == _PREPARE:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PREPARE_LOCK})")
