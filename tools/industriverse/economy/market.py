"""The market: pools of CEU against PFT and MUNT, whose reserves and shares are balances of the ledger."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

from sqlalchemy import Connection, select

from industriverse.economy import amm, schema
from industriverse.economy.amm import Reserves
from industriverse.economy.errors import (
    DeadlineError,
    EconomyError,
    IdempotencyError,
    MarketError,
    SlippageError,
)
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.money import (
    Asset,
    Leg,
    Posting,
    Transaction,
    canonical,
    check_account,
    check_amount,
    issuer_of,
)
from industriverse.economy.rules import POOL_KIND, SHARES, pool_account

__all__ = ["Liquidity", "Market", "Order", "Quote", "Trade"]


@dataclass(frozen=True, slots=True)
class Quote:
    """What a swap would do now.

    Attributes:
        pool: The pool's share asset.
        sold: What is given.
        given: How much of it, micro-units.
        received: How much of the other comes back, micro-units.
        fee: How much of what is given goes to those who provide liquidity, micro-units, rounded up.
        impact: By which part less is received than at the price before the trade, the fee included.
    """

    pool: Asset
    sold: Asset
    given: int
    received: int
    fee: int
    impact: Fraction


@dataclass(frozen=True, slots=True)
class Order:
    """A swap that is to be made.

    Attributes:
        key: Idempotency key.
        trader: Who trades.
        pool: The pool's share asset, ``Asset.CEU_PFT`` or ``Asset.CEU_MUNT``.
        sold: What is given.
        given: How much of it, micro-units.
        least: The least that has to come back, micro-units.
        deadline_ns: The last moment, nanoseconds since 1970-01-01 UTC.
        received_ns: When the server took the order; decides the sequence within a batch.
    """

    key: str
    trader: str
    pool: Asset
    sold: Asset
    given: int
    least: int
    deadline_ns: int
    received_ns: int = 0


@dataclass(frozen=True, slots=True)
class Trade:
    """What a swap did: given and received in micro-units, and its transaction."""

    given: int
    received: int
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What was deposited or paid out: CEU and the other asset in micro-units, for how many shares."""

    ceu: int
    other: int
    shares: int
    transaction: Transaction


@dataclass(frozen=True)
class Market:
    """Constant-product pools with a fee of 0.3 %, in exact integers.

    A pool's reserves are the balances of ``pool:CEU-PFT`` and ``pool:CEU-MUNT``; its shares are an asset. Each
    trade is one transaction: orders are executed in the order of the ledger, alone and whole or not at all.

    Args:
        ledger: The ledger; its clock decides on deadlines.
    """

    ledger: Ledger

    def reserves(self, pool: Asset) -> Reserves:
        """What a pool holds now.

        Raises:
            MarketError: If the pool is unknown.
        """
        with self.ledger.reading() as connection:
            return _reserves(connection, pool)

    def price(self, pool: Asset) -> Fraction:
        """Price of one unit of the pool's other asset in CEU, exact.

        Raises:
            MarketError: If the pool is empty or unknown.
        """
        held = self.reserves(pool)
        _require_liquidity(pool, held)
        return Fraction(held.ceu, held.other)

    def quote(self, pool: Asset, sold: Asset, given: int) -> Quote:
        """What a swap would give now.

        Raises:
            MarketError: If the pool is empty, or does not trade what is sold.
        """
        check_amount(given)
        held = self.reserves(pool)
        reserve_in, reserve_out, _ = _sides(pool, sold, held)
        received = amm.amount_out(reserve_in, reserve_out, given)
        at_once = Fraction(given * reserve_out, reserve_in)
        fee = -(-given * amm.FEE_PER_MILLE // 1_000)
        return Quote(pool, sold, given, received, fee, 1 - Fraction(received) / at_once)

    def cost(self, pool: Asset, bought: Asset, wanted: int) -> int:
        """The least that has to be given now to get ``wanted`` micro-units of what is bought.

        Raises:
            MarketError: If the pool holds too little, or does not trade it.
        """
        check_amount(wanted)
        held = self.reserves(pool)
        reserve_out, reserve_in, _ = _sides(pool, bought, held)
        return amm.amount_in(reserve_in, reserve_out, wanted)

    def swap(self, order: Order) -> Trade:
        """Execute an order, once per key.

        Raises:
            DeadlineError: If it came too late.
            SlippageError: If less would come back than it allows.
            MarketError: If the pool is empty or does not trade what is sold.
            InsufficientFundsError: If the trader holds too little.
            IdempotencyError: If the key was used for something else.
        """
        return self.ledger.write(lambda writer: _swap(writer, order))

    def execute(self, orders: Sequence[Order]) -> dict[str, Trade | EconomyError]:
        """Execute a batch; the result does not depend on the sequence in which it is given.

        Earlier received orders come first, equal ones by their keys. An order that fails changes nothing and
        is answered with its error.
        """
        outcomes: dict[str, Trade | EconomyError] = {}
        for order in sorted(orders, key=lambda order: (order.received_ns, order.key)):
            try:
                outcomes[order.key] = self.swap(order)
            except EconomyError as error:
                outcomes[order.key] = error
        return outcomes

    def add(
        self,
        pool: Asset,
        *,
        key: str,
        provider: str,
        ceu: int,
        other: int,
        least_shares: int,
        deadline_ns: int,
    ) -> Liquidity:
        """Deposit at most these amounts, in the pool's proportion, for shares; once per key.

        Raises:
            DeadlineError: If it came too late.
            SlippageError: If it would give fewer shares than ``least_shares``.
            MarketError: If the deposit is too small for a share.
            InsufficientFundsError: If the provider holds too little.
        """
        check_amount(ceu)
        check_amount(other)

        def work(writer: Writer) -> Liquidity:
            request = _request("add", pool, provider, ceu, other, least_shares, deadline_ns)
            done = _done(writer, key, request)
            if done is not None:
                return Liquidity(done.ceu, done.other, done.shares, done.transaction)
            held = _reserves(writer.connection, pool)
            _require_in_time(writer, deadline_ns)
            taken, locked = _deposit(held, ceu, other)
            shares = taken.shares - locked
            if shares < least_shares:
                _refuse("shares", shares, least_shares)
            account, other_asset = pool_account(pool), SHARES[pool]
            legs = [
                Leg(provider, Asset.CEU, -taken.ceu),
                Leg(account, Asset.CEU, taken.ceu),
                Leg(provider, other_asset, -taken.other),
                Leg(account, other_asset, taken.other),
                Leg(issuer_of(pool), pool, -taken.shares),
                Leg(provider, pool, shares),
            ]
            if locked:
                legs.append(Leg(account, pool, locked))
            change = Reserves(taken.ceu, taken.other, shares)
            transaction = _post(writer, pool, "add", key, legs, request, change)
            return Liquidity(taken.ceu, taken.other, shares, transaction)

        _require_trader(provider)
        return self.ledger.write(work)

    def remove(
        self,
        pool: Asset,
        *,
        key: str,
        provider: str,
        shares: int,
        least_ceu: int,
        least_other: int,
        deadline_ns: int,
    ) -> Liquidity:
        """Give shares back for their part of both reserves; once per key.

        Raises:
            DeadlineError: If it came too late.
            SlippageError: If it would pay less than the least amounts.
            MarketError: If the shares are worth nothing, or the pool is empty.
            InsufficientFundsError: If the provider holds fewer shares.
        """
        check_amount(shares)

        def work(writer: Writer) -> Liquidity:
            request = _request("remove", pool, provider, shares, least_ceu, least_other, deadline_ns)
            done = _done(writer, key, request)
            if done is not None:
                return Liquidity(-done.ceu, -done.other, done.shares, done.transaction)
            held = _reserves(writer.connection, pool)
            _require_liquidity(pool, held)
            _require_in_time(writer, deadline_ns)
            ceu, other = amm.worth(held, shares)
            if ceu < least_ceu:
                _refuse("micro-CEU", ceu, least_ceu)
            if other < least_other:
                _refuse(f"micro-{SHARES[pool]}", other, least_other)
            if not ceu or not other:
                raise MarketError(f"{shares} shares are worth {ceu} and {other}", hint="give back more")
            account, other_asset = pool_account(pool), SHARES[pool]
            legs = [
                Leg(provider, pool, -shares),
                Leg(issuer_of(pool), pool, shares),
                Leg(account, Asset.CEU, -ceu),
                Leg(provider, Asset.CEU, ceu),
                Leg(account, other_asset, -other),
                Leg(provider, other_asset, other),
            ]
            change = Reserves(-ceu, -other, -shares)
            return Liquidity(ceu, other, shares, _post(writer, pool, "remove", key, legs, request, change))

        _require_trader(provider)
        return self.ledger.write(work)

    def began_ns(self, pool: Asset) -> int:
        """When a pool got its first liquidity.

        Raises:
            MarketError: If it never did.
        """
        table = schema.transactions
        query = (
            select(table.c.created_ns)
            .where(table.c.reference == pool.value, table.c.kind.startswith(POOL_KIND, autoescape=True))
            .order_by(table.c.created_ns, table.c.sequence)
            .limit(1)
        )
        with self.ledger.reading() as connection:
            began = connection.execute(query).scalar_one_or_none()
        if began is None:
            raise MarketError(f"the pool {pool} never began", hint="add liquidity first")
        return int(began)

    def average_price(self, pool: Asset, start_ns: int, end_ns: int) -> Fraction:
        """Price of one unit in CEU, averaged over time from ``start_ns`` to ``end_ns``, to 18 decimals.

        Within a moment a price can be pushed anywhere; the average over a window costs as much to push as
        keeping the price wrong for that long (Uniswap v2, 2.2).

        Raises:
            MarketError: If the window is empty or reaches behind the pool's beginning.
        """
        if not start_ns < end_ns:
            raise MarketError(f"the window from {start_ns} to {end_ns} is empty", hint="give a later end")
        with self.ledger.reading() as connection:
            sums = [_cumulative(connection, pool, at_ns) for at_ns in (start_ns, end_ns)]
        return Fraction(sums[1] - sums[0], (end_ns - start_ns) * amm.PRICE_SCALE)


@dataclass(frozen=True, slots=True)
class _Done:
    ceu: int
    other: int
    shares: int
    transaction: Transaction


def _swap(writer: Writer, order: Order) -> Trade:
    _require_trader(order.trader)
    check_amount(order.given)
    request = _request(
        "swap", order.pool, order.trader, order.sold, order.given, order.least, order.deadline_ns
    )
    done = _done(writer, order.key, request)
    if done is not None:
        received = done.other if order.sold is Asset.CEU else done.ceu
        return Trade(order.given, -received, done.transaction)
    held = _reserves(writer.connection, order.pool)
    reserve_in, reserve_out, bought = _sides(order.pool, order.sold, held)
    _require_in_time(writer, order.deadline_ns)
    received = amm.amount_out(reserve_in, reserve_out, order.given)
    if received < order.least:
        _refuse(f"micro-{bought}", received, order.least)
    if received == 0:
        raise MarketError(f"{order.given} micro-{order.sold} buy nothing", hint="give more")
    account = pool_account(order.pool)
    legs = [
        Leg(order.trader, order.sold, -order.given),
        Leg(account, order.sold, order.given),
        Leg(account, bought, -received),
        Leg(order.trader, bought, received),
    ]
    change = (
        Reserves(order.given, -received, 0)
        if order.sold is Asset.CEU
        else Reserves(-received, order.given, 0)
    )
    transaction = _post(writer, order.pool, "swap", order.key, legs, request, change)
    return Trade(order.given, received, transaction)


def _post(
    writer: Writer, pool: Asset, verb: str, key: str, legs: Sequence[Leg], request: str, change: Reserves
) -> Transaction:
    now_ns = writer.now_ns()
    details: dict[str, str | int | bool] = {
        "request": request,
        "ceu": change.ceu,
        "other": change.other,
        "shares": change.shares,
        # The price since the last change, summed over the time that it held.
        "cumulative": str(_cumulative(writer.connection, pool, now_ns, opening=True)),
    }
    return writer.post(Posting(key, f"{POOL_KIND}{verb}", tuple(legs), pool.value, details))


def _request(*asked: str | int) -> str:
    # The same key with anything else asked is refused.
    return hashlib.sha256(canonical(asked)).hexdigest()


def _done(writer: Writer, key: str, request: str) -> _Done | None:
    before = writer.find(key)
    if before is None:
        return None
    details: dict[str, Any] = json.loads(writer.details(before.sequence))
    if not before.kind.startswith(POOL_KIND) or details.get("request") != request:
        raise IdempotencyError(
            f"key {key!r} was used before for something else (transaction {before.sequence})",
            hint="choose a new key",
        )
    return _Done(details["ceu"], details["other"], abs(details["shares"]), before)


def _reserves(connection: Connection, pool: Asset) -> Reserves:
    if pool not in SHARES:
        raise MarketError(f"there is no pool {pool!r:.40}", hint=f"use one of {', '.join(SHARES)}")
    table, account, issuer = schema.balances, pool_account(pool), issuer_of(pool)
    query = select(table.c.account, table.c.asset, table.c.amount).where(
        table.c.account.in_([account, issuer])
    )
    held = {(row.account, row.asset): int(row.amount) for row in connection.execute(query)}
    return Reserves(
        held.get((account, Asset.CEU.value), 0),
        held.get((account, SHARES[pool].value), 0),
        -held.get((issuer, pool.value), 0),
    )


def _deposit(held: Reserves, ceu: int, other: int) -> tuple[Reserves, int]:
    """What is taken, and how many of the new shares stay locked."""
    if held.shares == 0:
        # What was given to the pool before it began belongs to those who begin it.
        return Reserves(ceu, other, amm.first_shares(ceu, other)), amm.LOCKED_SHARES
    shares, ceu_taken, other_taken = amm.shares_for(held, ceu, other)
    if shares == 0:
        raise MarketError(f"{ceu} and {other} are not worth one share", hint="deposit more")
    return Reserves(ceu_taken, other_taken, shares), 0


def _sides(pool: Asset, sold: Asset, held: Reserves) -> tuple[int, int, Asset]:
    """Reserve of what is sold, reserve of what is bought, and what is bought."""
    other = SHARES.get(pool)
    if other is None or sold not in (Asset.CEU, other):
        raise MarketError(f"the pool {pool} does not trade {sold}", hint="name one of its two assets")
    _require_liquidity(pool, held)
    if sold is Asset.CEU:
        return held.ceu, held.other, other
    return held.other, held.ceu, Asset.CEU


def _cumulative(connection: Connection, pool: Asset, at_ns: int, *, opening: bool = False) -> int:
    """Sum of price times nanoseconds from the pool's beginning to a moment, times ``PRICE_SCALE``."""
    table = schema.transactions
    query = (
        select(table.c.sequence, table.c.created_ns, table.c.details)
        .where(table.c.reference == pool.value, table.c.created_ns <= at_ns)
        .where(table.c.kind.startswith(POOL_KIND, autoescape=True))
        .order_by(table.c.created_ns.desc(), table.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        if opening:
            return 0
        raise MarketError(f"the pool {pool} did not exist at {at_ns}", hint="give a later start")
    held_price = amm.price(_reserves_after(connection, pool, int(row.sequence)))
    since_ns = at_ns - int(row.created_ns)
    return int(json.loads(row.details)["cumulative"]) + held_price * since_ns


def _reserves_after(connection: Connection, pool: Asset, sequence: int) -> Reserves:
    legs, account = schema.entries, pool_account(pool)
    query = select(legs.c.asset, legs.c.balance).where(legs.c.sequence == sequence, legs.c.account == account)
    balances: dict[str, int] = {entry.asset: int(entry.balance) for entry in connection.execute(query)}
    return Reserves(balances[Asset.CEU], balances[SHARES[pool]], 0)


def _require_liquidity(pool: Asset, held: Reserves) -> None:
    if held.shares == 0:
        raise MarketError(f"the pool {pool} is empty", hint="add liquidity first")


def _require_in_time(writer: Writer, deadline_ns: int) -> None:
    late_ns = writer.now_ns() - deadline_ns
    if late_ns > 0:
        raise DeadlineError(f"the order came {late_ns / 1e9:.3f} s too late", hint="quote and order again")


def _require_trader(account: str) -> None:
    check_account(account)
    if ":" in account and account.split(":", 1)[0] in ("issuer", "pool", "contract"):
        raise MarketError(f"{account} does not trade", hint="name the trader's account")


def _refuse(what: str, offered: int, limit: int) -> NoReturn:
    raise SlippageError(
        f"the pool offers {offered} {what}, the order asks for {limit} at least",
        offered=offered,
        limit=limit,
        hint="quote again, or allow less",
    )
