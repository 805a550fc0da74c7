"""The pools follow the constant-product rule exactly, and nobody takes more out of them than it gives."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import isqrt
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from economy.places import HISTORIES, Place, emptied
from industriverse.economy import (
    MICRO,
    Asset,
    DeadlineError,
    EconomyError,
    IdempotencyError,
    InsufficientFundsError,
    MarketError,
    PostingError,
    SlippageError,
    amm,
    schema,
)
from industriverse.economy.amm import Reserves
from industriverse.economy.ledger import Ledger
from industriverse.economy.market import Market, Order, Trade
from industriverse.economy.money import Leg, Posting

POOL = Asset.CEU_MUNT
SECOND = 1_000_000_000
RESERVE = st.integers(1, 10**15)
AMOUNT = st.integers(1, 10**15)


@st.composite
def pools(draw: st.DrawFn) -> Reserves:
    ceu, other = draw(RESERVE), draw(RESERVE)
    # Anything from a new pool to one whose shares are worth much by fees.
    shares = draw(st.integers(1, isqrt(ceu * other)))
    return Reserves(ceu, other, shares)


@given(RESERVE, RESERVE, AMOUNT)
def test_a_swap_gives_the_rational_result_rounded_down(x: int, y: int, paid: int) -> None:
    net = Fraction(997, 1_000) * paid
    exact = y * net / (x + net)
    assert amm.amount_out(x, y, paid) == exact.numerator // exact.denominator
    assert (x + paid) * (y - amm.amount_out(x, y, paid)) >= x * y


@given(RESERVE, RESERVE, st.data())
def test_the_cost_is_the_least_that_buys_what_is_wanted(x: int, y: int, data: st.DataObject) -> None:
    assume(y > 1)
    wanted = data.draw(st.integers(1, y - 1))
    cost = amm.amount_in(x, y, wanted)
    assert amm.amount_out(x, y, cost) >= wanted
    assert amm.amount_out(x, y, cost - 1) < wanted
    with pytest.raises(MarketError, match="ask for less"):
        amm.amount_in(x, y, y)


@given(RESERVE, RESERVE, st.lists(st.integers(1, 10**12), min_size=2, max_size=6))
def test_splitting_a_trade_gains_nothing(x: int, y: int, parts: list[int]) -> None:
    whole = amm.amount_out(x, y, sum(parts))
    reserve_in, reserve_out, received = x, y, 0
    for part in parts:
        out = amm.amount_out(reserve_in, reserve_out, part)
        reserve_in, reserve_out, received = reserve_in + part, reserve_out - out, received + out
    # In exact numbers a split loses, since the fee of each part makes the next one dearer; every rounding is
    # down, and the whole is rounded once.
    assert received <= whole


@given(RESERVE, RESERVE, AMOUNT)
def test_a_round_trip_of_a_trade_never_gains(x: int, y: int, paid: int) -> None:
    out = amm.amount_out(x, y, paid)
    assume(out > 0)
    back = amm.amount_out(y - out, x + paid, out) if y > out else 0
    assert back < paid or (paid == back == 0)


@given(pools(), AMOUNT, AMOUNT)
def test_liquidity_in_and_out_never_gains(pool: Reserves, ceu: int, other: int) -> None:
    shares, ceu_taken, other_taken = amm.shares_for(pool, ceu, other)
    assume(shares > 0)
    assert ceu_taken <= ceu
    assert other_taken <= other
    after = Reserves(pool.ceu + ceu_taken, pool.other + other_taken, pool.shares + shares)
    ceu_back, other_back = amm.worth(after, shares)
    assert ceu_back <= ceu_taken
    assert other_back <= other_taken
    # The shares of the others are worth as much as before, to the last digit and beyond.
    assert after.ceu * pool.shares >= pool.ceu * after.shares
    assert after.other * pool.shares >= pool.other * after.shares


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_767_225_600 * SECOND

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fund(ledger: Ledger, *accounts: str, amount: int = 10**12) -> None:
    for account in accounts:
        for asset in (Asset.CEU, Asset.MUNT):
            ledger.issue(key=f"{asset}-{account}", asset=asset, account=account, amount=amount)


@pytest.fixture
def market(place: Place, clock: Clock) -> Iterator[Market]:
    with Ledger(place.url, clock_ns=clock) as ledger:
        fund(ledger, "ada", "bo")
        yield Market(ledger)
        report = ledger.verify()
        assert report.ok, str(report.fault)


def add(market: Market, key: str, ceu: int, other: int, **changes: Any) -> Any:
    given: dict[str, Any] = {"provider": "ada", "least_shares": 0, "deadline_ns": 2**62, **changes}
    return market.add(POOL, key=key, ceu=ceu, other=other, **given)


def order(key: str, amount: int, **changes: Any) -> Order:
    return replace(Order(key, "bo", POOL, Asset.CEU, amount, 0, 2**62), **changes)


def test_the_first_deposit_sets_the_price_and_locks_some_shares(market: Market) -> None:
    with pytest.raises(MarketError, match="the pool CEU-MUNT is empty"):
        market.price(POOL)
    done = add(market, "first", 4 * MICRO, MICRO)
    assert (done.ceu, done.other, done.shares) == (4 * MICRO, MICRO, 2 * MICRO - 1_000)
    assert market.price(POOL) == 4
    assert market.ledger.supply(POOL) == 2 * MICRO
    assert market.ledger.balance("ada", POOL) == done.shares
    assert add(market, "first", 4 * MICRO, MICRO) == done
    with pytest.raises(IdempotencyError):
        add(market, "first", 4 * MICRO, MICRO + 1)
    with pytest.raises(MarketError, match="stay locked"):
        market.add(
            Asset.CEU_PFT,
            key="tiny",
            provider="ada",
            ceu=1_000,
            other=1_000,
            least_shares=0,
            deadline_ns=2**62,
        )


def test_a_later_deposit_is_taken_in_proportion_and_the_rest_is_left(market: Market) -> None:
    add(market, "first", 4 * MICRO, MICRO)
    done = add(market, "more", 8 * MICRO, MICRO, provider="bo")
    assert (done.ceu, done.other, done.shares) == (4 * MICRO, MICRO, 2 * MICRO)
    assert market.ledger.balance("bo", Asset.CEU) == 10**12 - 4 * MICRO
    with pytest.raises(SlippageError, match="offers 2000000 shares, the order asks for 2000001") as caught:
        add(market, "limit", 4 * MICRO, MICRO, least_shares=2 * MICRO + 1)
    assert (caught.value.offered, caught.value.limit) == (2 * MICRO, 2 * MICRO + 1)
    with pytest.raises(MarketError, match="not worth one share"):
        add(market, "dust", 1, 1)


def test_a_swap_gives_what_was_quoted_and_the_fee_stays_in_the_pool(market: Market) -> None:
    add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
    quote = market.quote(POOL, Asset.CEU, 10 * MICRO)
    assert quote.fee == 30_000
    assert quote.received == 9_871_580
    assert quote.impact == 1 - Fraction(9_871_580, 10 * MICRO)
    trade = market.swap(order("t", 10 * MICRO, least=quote.received))
    assert trade.received == quote.received
    assert market.swap(order("t", 10 * MICRO, least=quote.received)) == trade
    held = market.reserves(POOL)
    assert held.ceu * held.other > (1_000 * MICRO) ** 2
    assert market.ledger.balance("bo", Asset.MUNT) == 10**12 + trade.received
    with pytest.raises(IdempotencyError):
        market.swap(order("t", 11 * MICRO))
    cost = market.cost(POOL, Asset.CEU, MICRO)
    back = market.swap(order("back", cost, sold=Asset.MUNT))
    assert back.received >= MICRO
    assert market.quote(POOL, Asset.MUNT, cost - 1).received < back.received


def test_orders_outside_their_limits_change_nothing(market: Market, clock: Clock) -> None:
    add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
    before = market.ledger.verify().head
    with pytest.raises(DeadlineError, match=r"came 2\.000 s too late"):
        market.swap(order("late", MICRO, deadline_ns=clock.now_ns - 2 * SECOND))
    with pytest.raises(SlippageError, match="the pool offers 996006 micro-MUNT"):
        market.swap(order("dear", MICRO, least=MICRO))
    with pytest.raises(InsufficientFundsError):
        market.swap(order("poor", 10**13))
    with pytest.raises(MarketError, match="buy nothing"):
        market.swap(order("dust", 1))
    with pytest.raises(MarketError, match="does not trade PFT"):
        market.swap(order("wrong", 5, sold=Asset.PFT))
    with pytest.raises(MarketError, match="there is no pool"):
        market.reserves(Asset.CEU)
    with pytest.raises(MarketError, match="pool:CEU-MUNT does not trade"):
        market.swap(order("self", 5, trader="pool:CEU-MUNT"))
    for bad in (0, -1, True):
        with pytest.raises(PostingError):
            market.swap(order("bad", bad))
    remove: dict[str, Any] = {"provider": "ada", "shares": MICRO, "deadline_ns": 2**62}
    with pytest.raises(SlippageError):
        market.remove(POOL, key="r", least_ceu=MICRO + 1, least_other=0, **remove)
    with pytest.raises(SlippageError):
        market.remove(POOL, key="r", least_ceu=0, least_other=MICRO + 1, **remove)
    with pytest.raises(DeadlineError):
        market.remove(POOL, key="r", least_ceu=0, least_other=0, **{**remove, "deadline_ns": 0})
    with pytest.raises(InsufficientFundsError):
        market.remove(POOL, key="r", least_ceu=0, least_other=0, **{**remove, "provider": "bo"})
    assert market.ledger.verify().head == before


def test_shares_are_paid_out_with_the_fees_they_earned(market: Market) -> None:
    first = add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
    for number in range(4):
        sold = (Asset.CEU, Asset.MUNT)[number % 2]
        market.swap(order(f"t{number}", 100 * MICRO, sold=sold))
    out = market.remove(
        POOL,
        key="out",
        provider="ada",
        shares=first.shares,
        least_ceu=1,
        least_other=1,
        deadline_ns=2**62,
    )
    assert out.ceu * out.other > (1_000 * MICRO) ** 2
    left = market.reserves(POOL)
    assert left.shares == amm.LOCKED_SHARES
    assert min(left.ceu, left.other) > 0
    again = market.remove(
        POOL,
        key="out",
        provider="ada",
        shares=first.shares,
        least_ceu=1,
        least_other=1,
        deadline_ns=2**62,
    )
    assert again == out


def test_a_batch_gives_the_same_result_in_whatever_sequence_it_comes(
    new_place: Callable[[], Place], clock: Clock
) -> None:
    orders = [
        order("a", 50 * MICRO, received_ns=2),
        order("b", 40 * MICRO, received_ns=1, sold=Asset.MUNT),
        order("c", 30 * MICRO, received_ns=2),
        order("d", 10**13, received_ns=1),
    ]
    heads, results = set(), []
    for batch in itertools.islice(itertools.permutations(orders), 0, 24, 5):
        with Ledger(new_place().url, clock_ns=clock) as ledger:
            fund(ledger, "ada", "bo")
            market = Market(ledger)
            add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
            done = market.execute(batch)
            results.append({key: trade for key, trade in done.items() if isinstance(trade, Trade)})
            assert isinstance(done["d"], InsufficientFundsError)
            heads.add(ledger.verify().head)
    assert len(heads) == 1
    assert all(result == results[0] for result in results)
    assert results[0].keys() == {"a", "b", "c"}


def test_what_a_pool_holds_moves_by_its_rule_alone(market: Market) -> None:
    add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
    with pytest.raises(PostingError, match="by the rules of its pool alone"):
        market.ledger.transfer(key="x", asset=Asset.CEU, source="pool:CEU-MUNT", target="eve", amount=1)
    with pytest.raises(PostingError, match="with liquidity alone"):
        market.ledger.issue(key="x", asset=POOL, account="eve", amount=1)


@pytest.mark.parametrize(
    "legs",
    [
        (Leg("pool:CEU-MUNT", Asset.CEU, -1), Leg("eve", Asset.CEU, 1)),
        (
            Leg("pool:CEU-MUNT", Asset.CEU, -11),
            Leg("eve", Asset.CEU, 11),
            Leg("bo", Asset.MUNT, -10),
            Leg("pool:CEU-MUNT", Asset.MUNT, 10),
        ),
        (Leg("issuer:CEU-MUNT", POOL, -1), Leg("eve", POOL, 1)),
    ],
)
def test_the_auditor_finds_who_took_more_from_a_pool_than_its_rule_gives(
    place: Place, legs: tuple[Leg, ...]
) -> None:
    with Ledger(place.url) as ledger:
        fund(ledger, "ada", "bo")
        add(Market(ledger), "first", 1_000 * MICRO, 1_000 * MICRO)
        ledger.transfer(key="gift", asset=Asset.CEU, source="bo", target="pool:CEU-MUNT", amount=5)
        assert ledger.verify().ok
        kind = "pool.swap" if legs[0].asset is Asset.CEU else "pool.add"
        # Whoever writes to the books directly gets this far, and no further.
        if legs[0].asset is POOL:
            ledger.post(Posting("thief", kind, legs, POOL.value))
        else:
            ledger.post(Posting("thief", kind, tuple(replace(leg, amount=leg.amount * 9) for leg in legs)))
        fault = ledger.verify().fault
    assert fault is not None
    assert fault.problem == "it takes more from the pool CEU-MUNT than its rule gives"


def test_the_average_price_weighs_each_price_by_how_long_it_held(market: Market, clock: Clock) -> None:
    start = clock.now_ns
    add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
    clock.now_ns = start + 30 * SECOND
    market.swap(order("push", 1_000 * MICRO))
    pushed = market.price(POOL)
    clock.now_ns = start + 40 * SECOND
    market.swap(order("pull", 500 * MICRO, sold=Asset.MUNT))
    settled = market.price(POOL)
    clock.now_ns = start + 100 * SECOND
    close = Fraction(1, 10**15)
    average = market.average_price(POOL, start, start + 100 * SECOND)
    assert abs(average - (30 * 1 + 10 * pushed + 60 * settled) / 100) < close
    assert market.average_price(POOL, start, start + 30 * SECOND) == 1
    assert abs(market.average_price(POOL, start + 35 * SECOND, start + 38 * SECOND) - pushed) < close
    # What happens within one moment has no weight.
    market.swap(order("flash", 500 * MICRO))
    market.swap(order("unflash", 400 * MICRO, sold=Asset.MUNT))
    assert market.average_price(POOL, start, start + 100 * SECOND) == average
    with pytest.raises(MarketError, match="did not exist"):
        market.average_price(POOL, start - 1, start + SECOND)
    with pytest.raises(MarketError, match="is empty"):
        market.average_price(POOL, start, start)


def test_a_clock_set_back_does_not_bend_the_average(market: Market, clock: Clock) -> None:
    start = clock.now_ns
    add(market, "first", 1_000 * MICRO, 1_000 * MICRO)
    clock.now_ns = start - 50 * SECOND
    market.swap(order("push", 1_000 * MICRO))
    clock.now_ns = start + 10 * SECOND
    average = market.average_price(POOL, start, start + 10 * SECOND)
    assert abs(average - market.price(POOL)) < Fraction(1, 10**15)


TRADER = st.sampled_from(["ada", "bo", "cy"])
SIZE = st.integers(1, 3 * 10**9)


class Exchange(RuleBasedStateMachine):
    """Random histories of a pool against a model in rational numbers."""

    def __init__(self, new_place: Callable[[], Place]) -> None:
        super().__init__()
        self.new_place = new_place

    @initialize(ceu=st.integers(1, 10**9), other=st.integers(1, 10**9))
    def open(self, ceu: int, other: int) -> None:
        self.clock = Clock()
        self.ledger = Ledger(self.new_place().url, clock_ns=self.clock)
        self.market = Market(self.ledger)
        fund(self.ledger, "ada", "bo", "cy", amount=10**10)
        self.number = 0
        self.model = Reserves(0, 0, 0)
        self.value: Fraction | None = None
        if ceu * other > 1_000_000:
            add(self.market, "first", ceu, other)
            self.model = Reserves(ceu, other, isqrt(ceu * other))

    def key(self) -> str:
        self.number += 1
        self.clock.now_ns += self.number % 3 * SECOND
        return f"k{self.number}"

    @rule(trader=TRADER, sold=st.sampled_from([Asset.CEU, Asset.MUNT]), given=SIZE)
    def swap(self, trader: str, sold: Asset, given: int) -> None:
        x, y = self.model.ceu, self.model.other
        if sold is Asset.MUNT:
            x, y = y, x
        net = Fraction(997, 1_000) * given
        expected = int(y * net / (x + net)) if self.model.shares else 0
        try:
            trade = self.market.swap(order(self.key(), given, trader=trader, sold=sold))
        except InsufficientFundsError:
            return
        except MarketError:
            assert not expected
            return
        assert trade.received == expected
        x, y = x + given, y - expected
        self.model = Reserves(*((x, y) if sold is Asset.CEU else (y, x)), self.model.shares)

    @rule(provider=TRADER, ceu=SIZE, other=SIZE)
    def deposit(self, provider: str, ceu: int, other: int) -> None:
        try:
            done = add(self.market, self.key(), ceu, other, provider=provider)
        except EconomyError:
            return
        if self.model.shares == 0:
            self.model = Reserves(ceu, other, isqrt(ceu * other))
            return
        x, y, s = self.model.ceu, self.model.other, self.model.shares
        assert done.shares == int(min(Fraction(ceu * s, x), Fraction(other * s, y)))
        assert Fraction(done.shares * x, s) <= done.ceu < Fraction(done.shares * x, s) + 1
        assert Fraction(done.shares * y, s) <= done.other < Fraction(done.shares * y, s) + 1
        self.model = Reserves(x + done.ceu, y + done.other, s + done.shares)

    @rule(provider=TRADER, part=st.fractions(Fraction(1, 100), 1))
    def withdraw(self, provider: str, part: Fraction) -> None:
        shares = int(self.ledger.balance(provider, POOL) * part)
        x, y, s = self.model.ceu, self.model.other, self.model.shares
        try:
            done = self.market.remove(
                POOL,
                key=self.key(),
                provider=provider,
                shares=shares,
                least_ceu=0,
                least_other=0,
                deadline_ns=2**62,
            )
        except EconomyError:
            assert not shares or not shares * x // s or not shares * y // s
            return
        assert (done.ceu, done.other) == (int(Fraction(shares * x, s)), int(Fraction(shares * y, s)))
        self.model = Reserves(x - done.ceu, y - done.other, s - shares)

    @invariant()
    def a_share_never_becomes_worth_less(self) -> None:
        held = self.market.reserves(POOL)
        assert held == self.model
        if held.shares:
            value = Fraction(held.ceu * held.other, held.shares**2)
            assert self.value is None or value >= self.value
            self.value = value

    def teardown(self) -> None:
        # The auditor goes through every step and its pool rule, so that one look at the end sees them all.
        report = self.ledger.verify()
        assert report.ok, str(report.fault)
        with self.ledger.reading() as connection:
            rows = connection.execute(select(schema.balances).where(~schema.balances.c.issuer)).all()
        assert all(row.amount >= 0 for row in rows)
        for asset in (Asset.CEU, Asset.MUNT, POOL):
            assert report.supply[asset] == sum(row.amount for row in rows if row.asset == asset)
        self.ledger.close()


def test_every_random_history_of_a_pool_equals_the_rational_model(new_place: Callable[[], Place]) -> None:
    again = emptied(new_place)

    class Machine(Exchange):
        def __init__(self) -> None:
            super().__init__(again)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=HISTORIES, stateful_step_count=15, deadline=None)
    )
