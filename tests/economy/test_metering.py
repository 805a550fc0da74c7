"""What calls cost is booked once, and nobody spends faster than their budget."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from economy.places import Place
from industriverse.economy import MICRO, AmountError, Asset, PostingError
from industriverse.economy.budgets import GENEROUS, Bucket, Budget, Budgets, ceu_text, exceeded, price_of
from industriverse.economy.joules import energy_source
from industriverse.economy.journal import ChargeJournal, Charges
from industriverse.economy.ledger import Ledger
from industriverse.economy.metering import COMPUTE_ACCOUNT, bucket_of, settle
from industriverse.economy.rules import budget_account

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND
SMALL = Budget(10 * MICRO, 2 * MICRO)
BUDGETS = Budgets(SMALL, {"boss": GENEROUS})


def charges(principal: str, steps: int) -> Charges:
    found = Charges(principal)
    found.add("nvp_forecast", steps, 7, "estimated")
    return found


def test_a_thousand_steps_cost_one_unit_and_one_step_a_thousandth() -> None:
    assert price_of(1_000) == MICRO
    assert price_of(1) == MICRO // 1_000
    assert [ceu_text(micro) for micro in (0, 1, MICRO, 1_500_000)] == ["0", "0.000001", "1", "1.5"]


def test_what_was_spent_and_what_flowed_in_are_both_in_the_books(ledger: Ledger) -> None:
    buckets = settle(ledger, "b1", [charges("ada", 4_000), charges("boss", 1)], BUDGETS, START)
    assert buckets["ada"].level == 6 * MICRO == ledger.balance(budget_account("ada"), Asset.CEU)
    settle(ledger, "b2", [charges("ada", 1_000)], BUDGETS, START + SECOND)
    assert ledger.balance(budget_account("ada"), Asset.CEU) == 7 * MICRO
    assert ledger.balance(COMPUTE_ACCOUNT, Asset.CEU) == 5 * MICRO + 1_000
    assert bucket_of(ledger, "ada", SMALL, START + SECOND).level == 7 * MICRO
    report = ledger.verify()
    assert report.ok, str(report.fault)


def test_a_batch_is_booked_once_however_often_it_comes(ledger: Ledger) -> None:
    for _ in range(3):
        settle(ledger, "b1", [charges("ada", 4_000)], BUDGETS, START)
    assert ledger.balance(COMPUTE_ACCOUNT, Asset.CEU) == 4 * MICRO
    assert ledger.verify().transactions == 1


def test_a_smaller_budget_takes_what_is_above_it_back(ledger: Ledger) -> None:
    settle(ledger, "b1", [charges("ada", 1_000)], BUDGETS, START)
    settle(ledger, "b2", [charges("ada", 1_000)], Budgets(Budget(3 * MICRO, 1)), START)
    assert ledger.balance(budget_account("ada"), Asset.CEU) == 2 * MICRO
    assert ledger.verify().ok


def test_debt_is_paid_before_anything_flows_in(ledger: Ledger) -> None:
    settle(ledger, "b1", [charges("ada", 14_000)], BUDGETS, START)
    assert ledger.balance(budget_account("ada"), Asset.CEU) == 0
    assert bucket_of(ledger, "ada", SMALL, START + 2 * SECOND).level == 0
    assert bucket_of(ledger, "ada", SMALL, START + 3 * SECOND).level == 2 * MICRO


def test_nobody_but_the_meter_touches_a_budget(ledger: Ledger) -> None:
    settle(ledger, "b1", [charges("ada", 1)], BUDGETS, START)
    for source, target in (("budget:ada", "ada"), ("ada", "budget:ada")):
        with pytest.raises(PostingError, match="by the meter alone"):
            ledger.transfer(key="t", asset=Asset.CEU, source=source, target=target, amount=1)


@pytest.mark.parametrize("principal", ["x" * 300, "line\nbreak", "nul\0", "half \ud800", "ü & 'quotes'"])
def test_whatever_a_principal_is_called_it_has_one_budget(ledger: Ledger, principal: str) -> None:
    settle(ledger, "b1", [charges(principal, 1_000)], BUDGETS, START)
    settle(ledger, "b2", [charges(principal, 1_000)], BUDGETS, START)
    assert bucket_of(ledger, principal, SMALL, START).level == 8 * MICRO
    assert ledger.verify().ok


def test_a_refusal_says_how_much_is_needed_when_it_refills_and_what_would_fit() -> None:
    bucket = Bucket(MICRO, START)
    error = exceeded("ada", SMALL, bucket, 4 * MICRO, START, cheaper="eil_regime would fit now")
    assert (error.needed, error.available, error.ready_ns) == (4 * MICRO, MICRO, START + 3 * SECOND // 2)
    assert str(error) == (
        "ada needs 4 CEU and its budget holds 1; 2 CEU flow in each second; ready in 1.5 s; eil_regime would fit now"
    )
    bucket.fill(SMALL, (error.ready_ns or 0) - 1)
    assert bucket.level < 4 * MICRO
    bucket.fill(SMALL, error.ready_ns or 0)
    assert bucket.level == 4 * MICRO


def test_a_charge_larger_than_the_bucket_is_told_that_it_never_fits() -> None:
    error = exceeded("ada", SMALL, Bucket(MICRO, START), 11 * MICRO, START)
    assert error.ready_ns is None
    assert "never holds more than 10; ask for fewer steps" in str(error)


def test_a_clock_set_back_neither_fills_nor_drains() -> None:
    bucket = Bucket(5 * MICRO, START)
    bucket.fill(SMALL, START - 3_600 * SECOND)
    assert bucket == Bucket(5 * MICRO, START)


@pytest.mark.parametrize("steps", [0, -5, 10**12 + 1, 1.0, True])
def test_steps_that_are_no_positive_integer_are_refused(steps: int) -> None:
    with pytest.raises(AmountError):
        price_of(steps)


def test_a_budget_without_capacity_is_refused() -> None:
    with pytest.raises(AmountError, match="refill_per_s is 0"):
        Budget(1, 0)


@given(
    refill=st.integers(1, 3_000_000),
    calls=st.lists(st.tuples(st.integers(0, 700_000_000), st.integers(1, 2_000_000)), min_size=1),
)
def test_in_the_long_run_nobody_gets_more_than_capacity_and_what_flowed_in(
    refill: int, calls: list[tuple[int, int]]
) -> None:
    budget = Budget(MICRO, refill)
    bucket, now_ns, spent = Bucket(MICRO, START), START, 0
    for wait_ns, amount in calls:
        now_ns += wait_ns
        # Looking must not cost: rounding may never eat the time that has passed.
        bucket.fill(budget, now_ns - wait_ns // 2)
        bucket.fill(budget, now_ns)
        bucket.take(budget, amount)
        spent += amount
        owed_until_ns = max(now_ns, bucket.updated_ns)
        assert spent + bucket.level <= MICRO + (owed_until_ns - START) * refill // SECOND + 1


@settings(max_examples=15, deadline=None)
@given(calls=st.lists(st.tuples(st.sampled_from(["ada", "bo"]), st.integers(1, 9_000)), max_size=12))
def test_the_balance_of_a_budget_is_the_level_of_its_bucket(
    new_place: Callable[[], Place], calls: list[tuple[str, int]]
) -> None:
    with Ledger(new_place().url) as ledger:
        for number, (principal, steps) in enumerate(calls):
            now_ns = START + number * SECOND // 3
            bucket = settle(ledger, f"b{number}", [charges(principal, steps)], BUDGETS, now_ns)[principal]
            assert ledger.balance(budget_account(principal), Asset.CEU) == bucket.level
        assert ledger.balance(COMPUTE_ACCOUNT, Asset.CEU) == sum(price_of(steps) for _, steps in calls)
        assert ledger.verify().ok


def test_a_journal_gives_back_whole_lines_alone(tmp_path: Path) -> None:
    journal = ChargeJournal(tmp_path / "charges")
    journal.append("ada", "x", 5, 1, "estimated")
    journal.append("ada", "y", 2, 1, "estimated")
    assert not list(journal.batches()), "an open file is not booked"
    journal.rotate()
    ((batch, (found,)),) = journal.batches()
    assert (found.principal, found.steps, found.calls) == ("ada", {"x": 5, "y": 2}, 2)
    path = tmp_path / "charges" / f"{batch}.charges"
    path.write_bytes(path.read_bytes()[:-3])
    ((_, (torn,)),) = ChargeJournal(tmp_path / "charges").batches()
    assert torn.steps == {"x": 5}
    journal.forget(batch)
    assert not list(journal.batches())


def test_joules_come_from_the_packages_counter_where_it_can_be_read(tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (tmp_path / "intel-rapl:0:0").mkdir()
    (zone / "max_energy_range_uj").write_text("10000000\n")
    (zone / "energy_uj").write_text("9000000\n")
    source = energy_source(tmp_path)
    assert source.name.startswith("rapl (package)")
    assert not source.estimated
    (zone / "energy_uj").write_text("1500000\n")
    before = energy_source(tmp_path / "none").read()
    assert source.read() == pytest.approx(2.5, abs=1e-3) or "nvml" in source.name
    assert before >= 0.0


def test_joules_without_a_counter_are_marked_as_an_estimate(tmp_path: Path) -> None:
    source = energy_source(tmp_path / "none")
    assert source.estimated or "nvml" in source.name
    first = source.read()
    sum(number * number for number in range(200_000))
    assert source.read() > first or "nvml" in source.name
