"""Inference costs CEU, and nobody spends faster than their budget."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from economy.places import Place
from industriverse.economy import (
    MICRO,
    AmountError,
    Asset,
    BudgetExceededError,
    IdempotencyError,
    InsufficientFundsError,
)
from industriverse.economy.ledger import Ledger
from industriverse.economy.metering import COMPUTE_ACCOUNT, Budget, EnergyMeter, price_of

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_767_225_600 * SECOND

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(ledger: Ledger, clock: Clock) -> EnergyMeter:
    ledger.issue(key="grant", asset=Asset.CEU, account="ada", amount=100 * MICRO)
    return EnergyMeter(ledger, Budget(10 * MICRO, 2 * MICRO), clock_ns=clock)


def test_a_thousand_steps_cost_one_unit_and_one_step_a_thousandth(meter: EnergyMeter) -> None:
    assert price_of(1_000) == MICRO
    assert price_of(1) == MICRO // 1_000
    charge = meter.charge("ada", 1_500, key="call-1", operation="nvp_forecast")
    assert (charge.steps, charge.amount, charge.held) == (1_500, 1_500_000, 98_500_000)
    assert meter.ledger.balance(COMPUTE_ACCOUNT, Asset.CEU) == 1_500_000
    assert meter.ledger.supply(Asset.CEU) == 100 * MICRO


def test_a_call_charged_twice_is_paid_once_and_drawn_once(meter: EnergyMeter) -> None:
    first = meter.charge("ada", 4_000, key="call-1", operation="x")
    assert meter.charge("ada", 4_000, key="call-1", operation="x") == first
    assert meter.available("ada") == 6 * MICRO
    with pytest.raises(IdempotencyError):
        meter.charge("ada", 4_001, key="call-1", operation="x")


def test_a_refusal_says_how_much_is_needed_and_when_it_refills(meter: EnergyMeter, clock: Clock) -> None:
    meter.charge("ada", 9_000, key="call-1", operation="x")
    with pytest.raises(BudgetExceededError) as caught:
        meter.charge("ada", 4_000, key="call-2", operation="x")
    error = caught.value
    assert (error.needed, error.available) == (4 * MICRO, MICRO)
    assert error.ready_ns == clock.now_ns + 3 * SECOND // 2
    assert str(error) == ("ada needs 4 CEU and its budget holds 1; 2 CEU flow in each second; ready in 1.5 s")
    clock.now_ns = error.ready_ns - 1
    with pytest.raises(BudgetExceededError):
        meter.charge("ada", 4_000, key="call-2", operation="x")
    clock.now_ns = error.ready_ns
    assert meter.charge("ada", 4_000, key="call-2", operation="x").held == 87 * MICRO


def test_a_charge_larger_than_the_bucket_is_told_that_it_never_fits(meter: EnergyMeter) -> None:
    with pytest.raises(BudgetExceededError, match="never holds more than 10; ask for fewer steps") as caught:
        meter.charge("ada", 10_001, key="call-1", operation="x")
    assert caught.value.ready_ns is None


def test_an_empty_account_is_refused_and_its_bucket_left_alone(meter: EnergyMeter) -> None:
    with pytest.raises(InsufficientFundsError, match="bo holds 0 micro-CEU"):
        meter.charge("bo", 1_000, key="call-1", operation="x")
    assert meter.available("bo") == 10 * MICRO
    assert meter.ledger.verify().ok


def test_the_bucket_outlives_the_process_and_is_shared(
    meter: EnergyMeter, place: Place, clock: Clock
) -> None:
    meter.charge("ada", 9_000, key="call-1", operation="x")
    with Ledger(place.url) as other:
        again = EnergyMeter(other, meter.default, clock_ns=clock)
        assert again.available("ada") == MICRO


def test_a_principal_has_its_own_budget_and_a_smaller_one_takes_effect_at_once(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.issue(key="grant", asset=Asset.CEU, account="ada", amount=MICRO)
    wide = EnergyMeter(ledger, Budget(MICRO, 1), {"ada": Budget(50 * MICRO, 1)}, clock)
    wide.charge("ada", 1, key="call-1", operation="x")
    assert wide.available("ada") == 50 * MICRO - 1_000
    assert EnergyMeter(ledger, Budget(MICRO, 1), clock_ns=clock).available("ada") == MICRO


def test_a_clock_set_back_neither_fills_nor_drains(meter: EnergyMeter, clock: Clock) -> None:
    meter.charge("ada", 5_000, key="call-1", operation="x")
    clock.now_ns -= 3_600 * SECOND
    assert meter.available("ada") == 5 * MICRO


@pytest.mark.parametrize("steps", [0, -5, 10**12 + 1, 1.0, True])
def test_steps_that_are_no_positive_integer_are_refused(steps: int) -> None:
    with pytest.raises(AmountError):
        price_of(steps)


def test_a_budget_without_capacity_is_refused() -> None:
    with pytest.raises(AmountError, match="refill_per_s is 0"):
        Budget(1, 0)


@settings(max_examples=20, deadline=None)
@given(
    refill=st.integers(1, 3_000_000),
    calls=st.lists(st.tuples(st.integers(0, 700_000_000), st.integers(1, 900)), min_size=1, max_size=25),
)
def test_what_is_spent_never_exceeds_capacity_plus_what_flowed_in(
    new_place: Callable[[], Place], refill: int, calls: list[tuple[int, int]]
) -> None:
    clock = Clock()
    start = clock.now_ns
    capacity = MICRO
    with Ledger(new_place().url) as ledger:
        ledger.issue(key="grant", asset=Asset.CEU, account="ada", amount=10**12)
        meter = EnergyMeter(ledger, Budget(capacity, refill), clock_ns=clock)
        spent = 0
        for index, (wait_ns, steps) in enumerate(calls):
            clock.now_ns += wait_ns
            # Looking must not cost: rounding may never eat the time that has passed.
            meter.available("ada")
            try:
                spent += meter.charge("ada", steps, key=f"call-{index}", operation="x").amount
            except BudgetExceededError as error:
                # Every call here fits into a full bucket, so each refusal names a time.
                clock.now_ns = max(clock.now_ns, error.ready_ns or 0)
                spent += meter.charge("ada", steps, key=f"call-{index}", operation="x").amount
            assert spent <= capacity + (clock.now_ns - start) * refill // SECOND
        assert ledger.balance(COMPUTE_ACCOUNT, Asset.CEU) == spent
