import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from industriverse.shield import (
    PlanBusyError,
    PlanNotFoundError,
    PlanStateError,
    PlanStatus,
    ShieldStore,
    StoreError,
    close_incident,
)
from shield.tank import INCIDENT, NOW, evidence, plan_of, ticket


@pytest.fixture
def store(tmp_path: Path) -> ShieldStore:
    return ShieldStore(tmp_path / "shield.sqlite")


def test_tickets_and_incidents_come_back_as_they_were(store: ShieldStore, tmp_path: Path) -> None:
    first = ticket("t1", 5, evidence("a.x", 1.0), evidence("b.y", 2.0))
    second = ticket("t0", 3, evidence("a.x", 1.0), stream="other")
    assert store.add_ticket(first)
    assert store.add_ticket(second)
    assert not store.add_ticket(first)
    again = ShieldStore(tmp_path / "shield.sqlite")
    assert again.tickets() == (second, first)
    assert again.tickets(stream="plant") == (first,)
    store.put_incident(INCIDENT)
    assert again.incidents(open_only=True) == (INCIDENT,)
    closed = close_incident(INCIDENT, NOW + 1)
    store.put_incident(closed)
    assert again.incidents() == (closed,)
    assert again.incidents(open_only=True) == ()


def test_a_plan_comes_back_drafted_with_its_actions_pending(store: ShieldStore) -> None:
    plan = plan_of("valve-1", "valve-2")
    store.add_plan(plan)
    store.add_plan(plan)
    record = store.plan(plan.id)
    assert record.plan == plan
    assert record.status is PlanStatus.DRAFTED
    assert [a.idempotency_key for a in record.actions] == [f"{plan.id}/0", f"{plan.id}/1"]
    assert store.plans() == store.plans(incident="incident-1") == (record,)
    assert store.plans(incident="other") == ()


def test_an_approval_records_who_and_when_once(store: ShieldStore) -> None:
    plan = plan_of("valve-1")
    store.add_plan(plan)
    store.approve(plan.id, by="ada", at_ns=NOW)
    store.approve(plan.id, by="eve", at_ns=NOW + 1)
    record = store.plan(plan.id)
    assert (record.status, record.approved_by, record.approved_ns) == (PlanStatus.APPROVED, "ada", NOW)
    with pytest.raises(PlanStateError, match="names nobody"):
        store.approve(plan.id, by="", at_ns=NOW)


@pytest.mark.parametrize(
    ("path", "forbidden"),
    [
        ([], PlanStatus.EXECUTED),
        ([], PlanStatus.REVERTED),
        ([PlanStatus.EXECUTING], PlanStatus.APPROVED),
        ([PlanStatus.EXECUTING, PlanStatus.EXECUTED], PlanStatus.EXECUTING),
        ([PlanStatus.EXECUTING, PlanStatus.EXECUTED, PlanStatus.REVERTED], PlanStatus.EXECUTING),
        ([PlanStatus.EXECUTING, PlanStatus.FAILED], PlanStatus.EXECUTING),
    ],
)
def test_a_plan_takes_no_forbidden_step(
    store: ShieldStore, path: list[PlanStatus], forbidden: PlanStatus
) -> None:
    plan = plan_of("valve-1")
    store.add_plan(plan)
    for status in path:
        store.set_status(plan.id, status)
    with pytest.raises(PlanStateError, match=f"cannot become {forbidden}"):
        store.set_status(plan.id, forbidden)
    assert store.plan(plan.id).status is (path[-1] if path else PlanStatus.DRAFTED)


def test_unknown_plans_and_actions_are_named(store: ShieldStore) -> None:
    with pytest.raises(PlanNotFoundError, match="no plan 'plan-x'"):
        store.plan("plan-x")
    with pytest.raises(PlanNotFoundError, match="no plan 'plan-x'"):
        store.approve("plan-x", by="ada", at_ns=NOW)


def test_only_one_holder_executes_at_a_time(store: ShieldStore, tmp_path: Path) -> None:
    other = ShieldStore(tmp_path / "shield.sqlite")
    with store.exclusive_execution(), pytest.raises(PlanBusyError), other.exclusive_execution():
        pass
    with other.exclusive_execution():
        pass


def test_a_file_that_is_no_shield_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be looked at" * 50)
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        connection.execute("CREATE TABLE tickets (x)")
    for name in ("text.sqlite", "other.sqlite", "absent/shield.sqlite"):
        with pytest.raises(StoreError, match=r"(cannot open the shield store|is not a shield store)"):
            ShieldStore(tmp_path / name)


def test_the_database_is_written_with_a_log_and_full_synchronisation(
    store: ShieldStore, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "shield.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store._transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
