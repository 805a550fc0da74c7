"""Appending to a ledger in PostgreSQL in one round trip, for transactions with nothing out of the ordinary.

Begin, lock, function and commit travel together; the server answers when the disk has it all. The transaction is
serializable and takes the same lock as any other write, so the chain has one writer at a time here as well. What
is out of the ordinary (a used key, too little money, a new account, a full tile of the Merkle log) is left
undone by the function, and the ordinary path decides. The function is in ``migrations/versions/append.py``.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from industriverse.economy.database import BEGIN_SERIALIZABLE, LOCK_CHAIN, is_lock_timeout
from industriverse.economy.errors import LedgerBusyError
from industriverse.economy.money import Posting, Transaction, canonical

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["RoundTrip"]

_APPEND = "SELECT * FROM append_ordinary(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


class RoundTrip:
    """A connection of its own on which transactions are appended. For one thread at a time.

    Args:
        engine: The ledger's PostgreSQL database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: PoolProxiedConnection | None = None

    def append(self, postings: Sequence[Posting], clock_ns: int) -> list[Transaction | None]:
        """Write transactions in one database transaction; None for each that the ordinary path has to decide.

        Raises:
            LedgerBusyError: If other writers did not finish in time.
        """
        import psycopg

        try:
            driver = self._connection()
            with driver.pipeline():
                driver.execute(BEGIN_SERIALIZABLE)
                driver.execute(LOCK_CHAIN)
                cursors = [
                    driver.execute(_APPEND, _arguments(one, clock_ns), prepare=True) for one in postings
                ]
                driver.execute("COMMIT")
            rows = [cursor.fetchone() for cursor in cursors]
        except (psycopg.Error, SQLAlchemyError) as error:
            self._drop()
            if is_lock_timeout(error):
                raise LedgerBusyError(
                    "the ledger was locked too long", hint="try again when other writers are done"
                ) from error
            # Whether it was written, its key tells the ordinary path, which also says what is wrong.
            return [None] * len(postings)
        except BaseException:
            self._drop()
            raise
        return [_transaction(one, row) for one, row in zip(postings, rows, strict=True)]

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._drop()

    def _connection(self) -> "Connection[Any]":
        if self._held is None:
            held = self._engine.raw_connection()
            driver: Any = held.driver_connection
            # Begin and commit are part of the round trip and not the driver's.
            driver.autocommit = True
            self._held = held
        connection: Any = self._held.driver_connection
        return connection  # type: ignore[no-any-return]

    def _drop(self) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        driver: Any = held.driver_connection
        # Closed instead of given back: its settings are not those of the pool's other connections.
        held.detach()
        if driver.broken:
            # What cut this one has cut those that lie idle as well.
            self._engine.dispose()
        driver.close()


def _arguments(posting: Posting, clock_ns: int) -> tuple[object, ...]:
    # The canonical JSON that replay.transaction_hash hashes, cut where the end of the chain has to be put in.
    legs, content_hash = posting.legs, posting.content_hash
    details = canonical(dict(posting.details)).decode()
    return (
        posting.key,
        posting.kind,
        posting.reference,
        details,
        content_hash,
        clock_ns,
        [leg.account for leg in legs],
        [leg.asset.value for leg in legs],
        [leg.amount for leg in legs],
        [
            f"[{place},{json.dumps(leg.account)},{json.dumps(leg.asset.value)},{leg.amount},"
            for place, leg in enumerate(legs)
        ],
        f'{{"content_hash":"{content_hash}","created_ns":',
        f',"details":{json.dumps(details)},"entries":[',
        f'],"key":{json.dumps(posting.key)},"kind":{json.dumps(posting.kind)},"previous_hash":"',
        f'","reference":{json.dumps(posting.reference)},"sequence":',
    )


def _transaction(posting: Posting, row: Any) -> Transaction | None:
    sequence, created_ns, transaction_hash = row
    if sequence is None:
        return None
    return Transaction(sequence, posting.key, posting.kind, posting.reference, created_ns, transaction_hash)
