"""The ledger: append-only double entry in integers, chained by hashes."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, insert, or_, select, update

from industriverse.economy import audit, database, schema
from industriverse.economy.errors import (
    AccountError,
    IdempotencyError,
    InsufficientFundsError,
    LedgerClosedError,
    PostingError,
)
from industriverse.economy.money import (
    MAX_AMOUNT,
    Asset,
    Details,
    Entry,
    EntryPage,
    Leg,
    Posting,
    Transaction,
    canonical,
    check_account,
    check_amount,
    is_issuer,
    issuer_of,
)

__all__ = ["Ledger", "Writer"]

_MAX_PAGE = 1_000
_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,3})")


class Writer:
    """One open write transaction of a ledger; whatever it does becomes true together or not at all.

    Attributes:
        connection: The database connection, for tables that change together with the ledger.
    """

    def __init__(self, connection: Connection, clock_ns: Callable[[], int]) -> None:
        self.connection = connection
        self._clock_ns = clock_ns

    def find(self, key: str) -> Transaction | None:
        """The transaction with this idempotency key, or None."""
        row = self._row(key)
        return _transaction(row) if row is not None else None

    def balance(self, account: str, asset: Asset) -> int:
        """Micro-units that an account holds now."""
        return _balance(self.connection, account, asset)

    def post(self, posting: Posting) -> Transaction:
        """Write a transaction, or return the first one with the same key and content.

        Raises:
            IdempotencyError: If the key was used for other content.
            InsufficientFundsError: If an account would fall below zero.
        """
        # Reading the end of the chain first makes writers queue here on databases with row locks.
        end = self.connection.execute(select(schema.head).with_for_update()).one()
        known = self._row(posting.key)
        if known is not None:
            if known.content_hash != posting.content_hash:
                raise IdempotencyError(
                    f"key {posting.key!r} was used before for other content (transaction {known.sequence})",
                    hint="choose a new key",
                )
            return _transaction(known)
        created_ns = self._clock_ns()
        sequence = int(end.sequence) + 1
        written = [self._apply(sequence, number, leg, created_ns) for number, leg in enumerate(posting.legs)]
        return self._append(posting, sequence, created_ns, str(end.hash), written)

    def _append(
        self, posting: Posting, sequence: int, created_ns: int, previous: str, written: list[Entry]
    ) -> Transaction:
        values: dict[str, Any] = {
            "sequence": sequence,
            "key": posting.key,
            "kind": posting.kind,
            "reference": posting.reference,
            "details": canonical(dict(posting.details)).decode(),
            "content_hash": posting.content_hash,
            "created_ns": created_ns,
            "previous_hash": previous,
        }
        values["hash"] = audit.transaction_hash(values, written)
        self.connection.execute(insert(schema.transactions).values(values))
        rows = [
            {
                "sequence": entry.sequence,
                "leg": entry.leg,
                "account": entry.account,
                "asset": entry.asset.value,
                "amount": entry.amount,
                "balance": entry.balance,
            }
            for entry in written
        ]
        self.connection.execute(insert(schema.entries), rows)
        self.connection.execute(update(schema.head).values(sequence=sequence, hash=values["hash"]))
        return Transaction(sequence, posting.key, posting.kind, posting.reference, created_ns, values["hash"])

    def _apply(self, sequence: int, number: int, leg: Leg, created_ns: int) -> Entry:
        table = schema.balances
        held = self.balance(leg.account, leg.asset)
        after = held + leg.amount
        issuer = is_issuer(leg.account)
        if abs(after) > MAX_AMOUNT or (issuer and after > 0):
            raise PostingError(
                f"{leg.account} would hold {after} micro-{leg.asset}", hint="the amount is more than there is"
            )
        if after < 0 and not issuer:
            raise InsufficientFundsError(
                f"{leg.account} holds {held} micro-{leg.asset} and would pay {-leg.amount}",
                needed=-leg.amount,
                available=held,
                hint=f"{-after} more are needed",
            )
        self._open_account(leg.account, created_ns)
        where = and_(table.c.account == leg.account, table.c.asset == leg.asset.value)
        if self.connection.execute(update(table).where(where).values(amount=after)).rowcount == 0:
            row = {"account": leg.account, "asset": leg.asset.value, "issuer": issuer, "amount": after}
            self.connection.execute(insert(table).values(row))
        return Entry(sequence, number, leg.account, leg.asset, leg.amount, after)

    def _open_account(self, account: str, opened_ns: int) -> None:
        table = schema.accounts
        if self.connection.execute(select(table.c.id).where(table.c.id == account)).first() is None:
            row = {"id": account, "issuer": is_issuer(account), "opened_ns": opened_ns}
            self.connection.execute(insert(table).values(row))

    def _row(self, key: str) -> Row[Any] | None:
        table = schema.transactions
        return self.connection.execute(select(table).where(table.c.key == key)).one_or_none()


class Ledger:
    """An append-only double-entry ledger in a SQLite file, safe for many threads and processes.

    Every write runs alone (``BEGIN IMMEDIATE``) and is on disk when it returns. Accounts open themselves when
    they first receive something.

    Args:
        url_or_path: File of the ledger, or a SQLAlchemy URL of one; created where missing.
        clock_ns: Wall clock, nanoseconds since 1970-01-01 UTC.

    Raises:
        LedgerError: If the database cannot be opened.
    """

    def __init__(self, url_or_path: str | Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._engine: Engine | None = database.connect(url_or_path)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """One write transaction over several steps; an exception undoes them all."""
        with database.writing(self._open) as connection:
            yield Writer(connection, self._clock_ns)

    def post(self, posting: Posting) -> Transaction:
        """Write one transaction of any number of legs.

        Raises:
            IdempotencyError: If the key was used for other content.
            InsufficientFundsError: If an account would fall below zero.
        """
        with self.writer() as writer:
            return writer.post(posting)

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

    def verify(self) -> audit.Verification:
        """Recompute every hash, balance and supply from the first entry on."""
        return audit.verify(self._open)

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
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


def _transaction(row: Row[Any]) -> Transaction:
    return Transaction(row.sequence, row.key, row.kind, row.reference, row.created_ns, row.hash)


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.sequence, row.leg, row.account, Asset(row.asset), row.amount, row.balance)
