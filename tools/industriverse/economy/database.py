"""Connections to the ledger's database, with the settings that make a commit mean what it says."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from industriverse.economy import schema
from industriverse.economy.errors import LedgerBusyError, LedgerError

__all__ = ["GENESIS", "connect", "reading", "writing"]

# The hash before the first transaction.
GENESIS = "0" * 64
_BUSY_TIMEOUT_S = 30.0
_WRITE = "industriverse_write"


def connect(url_or_path: str | Path) -> Engine:
    """An engine on the ledger's database, created with its tables where missing.

    Args:
        url_or_path: A file, or a SQLAlchemy URL.

    Raises:
        LedgerError: If the database cannot be opened or is of a kind that the ledger was not tested on.
    """
    url = _url(url_or_path)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        raise LedgerError(f"a ledger cannot live in {url.render_as_string()}", hint="give the path of a file")
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
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with writing(engine) as connection:
            schema.metadata.create_all(connection)
            if connection.execute(select(schema.head)).first() is None:
                connection.execute(insert(schema.head).values(id=1, sequence=0, hash=GENESIS))
    except LedgerError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: alone from its first statement, on disk when the block ends.

    Raises:
        LedgerBusyError: If other writers did not finish in time.
        LedgerError: If the database failed.
    """
    with (
        _translated(engine),
        engine.connect().execution_options(**{_WRITE: True}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the database, which waits for no writer.

    Raises:
        LedgerError: If the database failed.
    """
    with _translated(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if "locked" in str(error.orig):
            raise LedgerBusyError(
                f"the ledger was locked for {_BUSY_TIMEOUT_S:g} s",
                hint="try again when other writers are done",
            ) from error
        raise LedgerError(f"the ledger {engine.url.database} failed: {error.orig}") from error
    except DBAPIError as error:
        raise LedgerError(f"the ledger {engine.url.database} failed: {error.orig}") from error


def _url(url_or_path: str | Path) -> URL:
    text = str(url_or_path)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).absolute()))
    try:
        return make_url(text)
    except ArgumentError as error:
        raise LedgerError(f"{text!r:.80} is no database URL", hint="give the path of a file") from error


def _configure(connection: Any, _record: object) -> None:
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


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
