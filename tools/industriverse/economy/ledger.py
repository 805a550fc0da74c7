"""The ledger: append-only double entry in integers, chained by hashes."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, and_, or_, select

from industriverse.economy import audit, database, schema
from industriverse.economy.appending import END, append
from industriverse.economy.checkpoints import Checkpoint
from industriverse.economy.errors import (
    AccountError,
    LedgerBusyError,
    LedgerClosedError,
    LedgerConflictError,
    LedgerError,
    PostingError,
)
from industriverse.economy.grouping import GroupCommit
from industriverse.economy.money import (
    Asset,
    Details,
    Entry,
    EntryPage,
    Leg,
    Posting,
    Transaction,
    check_account,
    check_amount,
    is_issuer,
    issuer_of,
)
from industriverse.economy.roundtrip import RoundTrip

__all__ = ["Ledger", "Writer"]

_MAX_PAGE = 1_000
_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,3})")


T = TypeVar("T")
# How often a write is tried again after the database gave way to another program, and how long the first wait is.
_ATTEMPTS = 8
_FIRST_WAIT_S = 0.005


class Writer:
    """One open write transaction of a ledger; whatever it does becomes true together or not at all.

    Attributes:
        connection: The database connection, for tables that change together with the ledger.
    """

    def __init__(self, connection: Connection, clock_ns: Callable[[], int]) -> None:
        self.connection = connection
        self._clock_ns = clock_ns
        self._read_ns: int | None = None

    def find(self, key: str) -> Transaction | None:
        """The transaction with this idempotency key, or None."""
        table = schema.transactions
        row = self.connection.execute(select(table).where(table.c.key == key)).one_or_none()
        return _transaction(row) if row is not None else None

    def details(self, sequence: int) -> str:
        """The details of a transaction, canonical JSON."""
        table = schema.transactions
        query = select(table.c.details).where(table.c.sequence == sequence)
        return str(self.connection.execute(query).scalar_one())

    def balance(self, account: str, asset: Asset) -> int:
        """Micro-units that an account holds now."""
        return _balance(self.connection, account, asset)

    def now_ns(self) -> int:
        """The ledger's time: the clock, but never before the last transaction; one for this whole write."""
        if self._read_ns is None:
            end = self.connection.execute(END).one()
            self._read_ns = max(self._clock_ns(), end.end_ns or 0)
        return self._read_ns

    def post(self, posting: Posting) -> Transaction:
        """Write a transaction, or return the first one with the same key and content.

        Raises:
            IdempotencyError: If the key was used for other content.
            InsufficientFundsError: If an account would fall below zero.
        """
        (outcome,) = append(self.connection, [posting], self._clock_ns(), self._read_ns)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Ledger:
    """An append-only double-entry ledger in SQLite or PostgreSQL, safe for many threads and processes.

    Every write runs alone (``BEGIN IMMEDIATE``; serializable, behind a lock, on PostgreSQL) and is on disk
    when it returns. Accounts open themselves when they first receive something.

    Args:
        url_or_path: A SQLite file, or a SQLAlchemy URL of one or of a PostgreSQL database; the tables are
            created where missing.
        clock_ns: Wall clock, nanoseconds since 1970-01-01 UTC.

    Raises:
        LedgerError: If the database cannot be opened.
    """

    def __init__(self, url_or_path: str | Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._engine: Engine | None = database.connect(url_or_path)
        self._group = GroupCommit(self._post_together)
        postgresql = self._engine.dialect.name == "postgresql"
        self._round_trip = RoundTrip(self._engine) if postgresql else None

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """One write transaction over several steps; an exception undoes them all.

        Raises:
            LedgerConflictError: If the database gave way to another program; :meth:`write` tries again.
        """
        with self._group.turn, database.writing(self._open) as connection:
            yield Writer(connection, self._clock_ns)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the database, which waits for no writer."""
        with database.reading(self._open) as connection:
            yield connection

    def write(self, work: Callable[[Writer], T]) -> T:
        """Do ``work`` within one write transaction, again from its start where the database gives way.

        Raises:
            LedgerConflictError: If the database gave way each time.
        """
        for attempt in range(_ATTEMPTS - 1):
            try:
                with self.writer() as writer:
                    return work(writer)
            except LedgerConflictError:
                time.sleep(_FIRST_WAIT_S * 2**attempt)
        with self.writer() as writer:
            return work(writer)

    def post(self, posting: Posting) -> Transaction:
        """Write one transaction of any number of legs, or of none for a record.

        Raises:
            IdempotencyError: If the key was used for other content.
            InsufficientFundsError: If an account would fall below zero.
        """
        return self._group.post(posting)

    def _post_together(self, postings: Sequence[Posting]) -> Sequence[Transaction | Exception]:
        clock_ns, _ = self._clock_ns(), self._open
        if self._round_trip is None:
            return self._post_ordinarily(postings, clock_ns)
        outcomes: list[Transaction | Exception | None]
        outcomes = [*self._round_trip.append(postings, clock_ns)]
        if left := [place for place, outcome in enumerate(outcomes) if outcome is None]:
            decided = self._post_ordinarily([postings[place] for place in left], clock_ns)
            for place, outcome in zip(left, decided, strict=True):
                outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _post_ordinarily(
        self, postings: Sequence[Posting], clock_ns: int
    ) -> Sequence[Transaction | Exception]:
        def work(writer: Writer) -> Sequence[Transaction | Exception]:
            return append(writer.connection, postings, clock_ns)

        try:
            return self.write(work)
        except LedgerBusyError:
            raise
        except LedgerError as error:
            if len(postings) == 1:
                return [error]
        # The database refused one of them; the others are not to suffer for it.
        return [self._post_ordinarily([posting], clock_ns)[0] for posting in postings]

    def transfer(
        self,
        *,
        key: str,
        asset: Asset,
        source: str,
        target: str,
        amount: int,
        kind: str = "transfer",
        reference: str = "",
        details: Details | None = None,
    ) -> Transaction:
        """Move ``amount`` micro-units from one account to another, once per key.

        Raises:
            AccountError: If an account is an issuer or not well formed.
            AmountError: If the amount is not a positive integer.
            IdempotencyError: If the key was used for other content.
            InsufficientFundsError: If the source holds too little.
        """
        for account in (source, target):
            if is_issuer(check_account(account)):
                raise AccountError(f"{account} takes part in no transfer", hint="use issue")
        check_amount(amount)
        legs = (Leg(source, asset, -amount), Leg(target, asset, amount))
        return self.post(Posting(key, kind, legs, reference, details or {}))

    def issue(self, *, key: str, asset: Asset, account: str, amount: int, reference: str = "") -> Transaction:
        """Bring ``amount`` micro-units of CEU or MUNT into being, once per key.

        Raises:
            PostingError: If the asset is PFT, which only a proof brings into being.
        """
        check_amount(amount)
        legs = (Leg(issuer_of(asset), asset, -amount), Leg(account, asset, amount))
        return self.post(Posting(key, "issue", legs, reference))

    def find(self, key: str) -> Transaction | None:
        """The transaction with this idempotency key, or None."""
        with database.reading(self._open) as connection:
            return Writer(connection, self._clock_ns).find(key)

    def balance(self, account: str, asset: Asset) -> int:
        """Micro-units that an account holds; 0 for an account that never took part."""
        with database.reading(self._open) as connection:
            return _balance(connection, account, asset)

    def supply(self, asset: Asset) -> int:
        """Micro-units of an asset in being: what its issuer has given out and not taken back."""
        return -self.balance(issuer_of(asset), asset)

    def entries(
        self, *, account: str | None = None, asset: Asset | None = None, cursor: str = "", limit: int = 100
    ) -> EntryPage:
        """Entries in the order in which they were written, oldest first.

        Args:
            account: Only of this account.
            asset: Only of this asset.
            cursor: ``next_cursor`` of the page before, empty for the first. A cursor stays good for ever:
                later it continues with what was written since.
            limit: 1 to 1,000.

        Raises:
            PostingError: If the cursor is damaged or the limit out of range.
        """
        table = schema.entries
        found = _CURSOR.fullmatch(cursor) if cursor else None
        if not 1 <= limit <= _MAX_PAGE or (cursor and not found):
            raise PostingError(
                f"limit is {limit} and cursor is {cursor!r:.40}",
                hint=f"give 1 to {_MAX_PAGE} and a cursor of ours",
            )
        query = select(table).order_by(table.c.sequence, table.c.leg).limit(limit)
        if found:
            sequence, leg = int(found[1]), int(found[2])
            later_leg = and_(table.c.sequence == sequence, table.c.leg > leg)
            query = query.where(or_(table.c.sequence > sequence, later_leg))
        if account is not None:
            query = query.where(table.c.account == account)
        if asset is not None:
            query = query.where(table.c.asset == asset.value)
        with database.reading(self._open) as connection:
            page = tuple(_entry(row) for row in connection.execute(query))
        return EntryPage(page, f"{page[-1].sequence}.{page[-1].leg}" if page else cursor)

    def verify(self, *, from_checkpoint: Checkpoint | None = None) -> audit.Verification:
        """Recompute every hash, balance, supply and contract, the Merkle log, and what lies beside the chain.

        Args:
            from_checkpoint: Start here instead of at the first entry. It has to be one that the auditor kept
                and whose signature was checked (:func:`industriverse.economy.checkpoints.open_note`). Of what
                lies before it, the hashes and the sums are compared with what was signed; if they differ,
                everything is recomputed to name the first bad entry. An entry before it that was changed
                so that neither its hash nor any balance tells is found only without this argument.
        """
        return audit.verify(self._open, from_checkpoint)

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        if self._round_trip is not None:
            self._round_trip.close()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _open(self) -> Engine:
        if self._engine is None:
            raise LedgerClosedError("the ledger is closed", hint="open it again")
        return self._engine


def _balance(connection: Connection, account: str, asset: Asset) -> int:
    table = schema.balances
    query = select(table.c.amount).where(table.c.account == account, table.c.asset == asset.value)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def _transaction(row: Row[*tuple[Any, ...]]) -> Transaction:
    return Transaction(row.sequence, row.key, row.kind, row.reference, row.created_ns, row.hash)


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.sequence, row.leg, row.account, Asset(row.asset), row.amount, row.balance)
