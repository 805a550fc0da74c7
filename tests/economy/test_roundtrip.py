"""On PostgreSQL an ordinary transfer is one round trip, and whatever is not ordinary is decided as ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine

from economy.places import Place
from industriverse.economy import Asset, IdempotencyError, InsufficientFundsError, LedgerBusyError, database
from industriverse.economy.ledger import Ledger
from industriverse.economy.merkle import TILE
from industriverse.economy.roundtrip import RoundTrip

STRANGE = ('ä"\\', "日本 /n", "\U0001d11e clef", "{}',$1%s--")


@pytest.fixture
def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    if place.sqlite:
        pytest.skip("SQLite runs within the program and has no round trips")
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.2)
    with Ledger(place.url) as ledger:
        for account in ("ada", "bo", *STRANGE):
            ledger.issue(key=f"start {account}", asset=Asset.CEU, account=account, amount=1_000)
        yield ledger


def pay(ledger: Ledger, key: str, source: str = "ada", target: str = "bo", amount: int = 1) -> Any:
    return ledger.transfer(key=key, asset=Asset.CEU, source=source, target=target, amount=amount)


def decided(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that the round trip leaves to the ordinary path from now on."""
    left: list[str] = []
    append = RoundTrip.append

    def watched(self: RoundTrip, postings: Any, clock_ns: int) -> Any:
        outcomes = append(self, postings, clock_ns)
        left.extend(one.key for one, outcome in zip(postings, outcomes, strict=True) if outcome is None)
        return outcomes

    monkeypatch.setattr(RoundTrip, "append", watched)
    return left


def test_only_what_is_out_of_the_ordinary_is_left_to_the_ordinary_path(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = decided(ledger, monkeypatch)
    first = pay(ledger, "a")
    assert left == []
    assert pay(ledger, "a") == first
    with pytest.raises(IdempotencyError, match=f"transaction {first.sequence}"):
        pay(ledger, "a", amount=2)
    with pytest.raises(InsufficientFundsError) as caught:
        pay(ledger, "much", amount=5_000)
    assert (caught.value.needed, caught.value.available) == (5_000, 999)
    pay(ledger, "new", target="cy")
    assert left == ["a", "a", "much", "new"]
    ledger.issue(key="more", asset=Asset.CEU, account="bo", amount=7)
    assert left == ["a", "a", "much", "new"]
    assert ledger.verify().ok


def test_the_server_hashes_any_text_as_the_auditor_does(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = decided(ledger, monkeypatch)
    for number, name in enumerate(STRANGE):
        ledger.transfer(
            key=f"{name} {number}",
            asset=Asset.CEU,
            source=name,
            target="bo",
            amount=3,
            reference=name,
            details={name: name, "b": True, "n": -1},
        )
    assert left == []
    report = ledger.verify()
    assert report.ok, str(report.fault)


def test_a_full_tile_of_the_log_is_kept_whichever_path_completes_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = decided(ledger, monkeypatch)
    for number in range(TILE):
        pay(ledger, f"t{number}")
    assert len(left) == 1
    with ledger.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM merkle_tiles").scalar_one() == 1
    assert ledger.verify().ok


def test_a_transfer_whose_connection_was_cut_is_made_once(ledger: Ledger, place: Place) -> None:
    pay(ledger, "before")
    engine = create_engine(place.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as other:
        other.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND query LIKE 'COMMIT%%' AND datname = current_database()"
        )
    engine.dispose()
    done = pay(ledger, "after")
    assert pay(ledger, "after") == done
    assert ledger.balance("bo", Asset.CEU) == 1_002


def test_who_waits_too_long_for_the_chain_is_told_so(ledger: Ledger, place: Place) -> None:
    engine = create_engine(place.url)
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE head IN EXCLUSIVE MODE")
        with pytest.raises(LedgerBusyError, match="when other writers are done"):
            pay(ledger, "late")
        other.rollback()
    engine.dispose()
    assert ledger.find("late") is None
    assert pay(ledger, "late").key == "late"


def test_two_ledgers_on_one_database_never_fork_the_chain(ledger: Ledger, place: Place) -> None:
    with Ledger(place.url) as other:
        for number in range(20):
            pay((ledger, other)[number % 2], f"n{number}")
    report = ledger.verify()
    assert report.ok, str(report.fault)
    assert report.transactions == 2 + len(STRANGE) + 20
