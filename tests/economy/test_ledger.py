"""The ledger moves what is there, once, and forgets nothing."""

import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.exc import IntegrityError

from economy.places import Place
from industriverse.economy import (
    AccountError,
    AmountError,
    Asset,
    Entry,
    IdempotencyError,
    InsufficientFundsError,
    LedgerClosedError,
    LedgerConflictError,
    LedgerError,
    PostingError,
    schema,
)
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.money import Leg, Posting


def move(ledger: Ledger, key: str, amount: int = 10, source: str = "ada", target: str = "bo") -> int:
    return ledger.transfer(key=key, asset=Asset.CEU, source=source, target=target, amount=amount).sequence


@pytest.fixture
def funded(ledger: Ledger) -> Ledger:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=1_000)
    return ledger


def test_a_transfer_moves_the_amount_and_keeps_the_supply(funded: Ledger) -> None:
    move(funded, "t1", 300)
    assert funded.balance("ada", Asset.CEU) == 700
    assert funded.balance("bo", Asset.CEU) == 300
    assert funded.balance("bo", Asset.PFT) == funded.balance("nobody", Asset.CEU) == 0
    assert funded.supply(Asset.CEU) == 1_000
    assert funded.verify().ok


def test_the_same_key_and_content_gives_the_first_result_and_moves_nothing(funded: Ledger) -> None:
    first = funded.transfer(key="t1", asset=Asset.CEU, source="ada", target="bo", amount=10)
    again = funded.transfer(key="t1", asset=Asset.CEU, source="ada", target="bo", amount=10)
    assert again == first == funded.find("t1")
    assert funded.balance("bo", Asset.CEU) == 10
    assert funded.find("unknown") is None


def test_the_same_key_with_other_content_is_refused(funded: Ledger) -> None:
    move(funded, "t1", 10)
    with pytest.raises(
        IdempotencyError, match=r"key 't1' was used before for other content \(transaction 2\)"
    ):
        move(funded, "t1", 11)
    with pytest.raises(IdempotencyError):
        move(funded, "t1", 10, target="cy")
    assert funded.balance("bo", Asset.CEU) == 10


def test_nobody_pays_what_they_do_not_hold(funded: Ledger) -> None:
    with pytest.raises(
        InsufficientFundsError, match="ada holds 1000 micro-CEU and would pay 1001; 1 more are needed"
    ):
        move(funded, "t1", 1_001)
    assert funded.find("t1") is None
    assert move(funded, "t1", 1_000) == 2


@pytest.mark.parametrize("amount", [0, -1, 2**62 + 1, 1.5, True, "5", None])
def test_an_amount_that_is_no_positive_integer_is_refused(funded: Ledger, amount: Any) -> None:
    with pytest.raises(AmountError, match="not a positive whole number"):
        move(funded, "t1", amount)
    with pytest.raises(AmountError):
        funded.issue(key="more", asset=Asset.CEU, account="ada", amount=amount)


@pytest.mark.parametrize(
    "account", ["", "x" * 201, "line\nbreak", "issuer:CEU", "issuer:GOLD", "\ud800", None]
)
def test_an_account_that_is_malformed_or_reserved_is_refused(funded: Ledger, account: Any) -> None:
    with pytest.raises(AccountError):
        move(funded, "t1", target=account)
    with pytest.raises(AccountError):
        move(funded, "t1", source=account)


def test_hostile_names_are_names(funded: Ledger) -> None:
    name = "bo'); DROP TABLE entries; --"
    move(funded, "'; DELETE FROM balances; --", 10, target=name)
    assert funded.balance(name, Asset.CEU) == 10
    assert [entry.account for entry in funded.entries(account=name).entries] == [name]
    assert funded.verify().ok


def test_a_transaction_of_many_legs_balances_in_every_asset(funded: Ledger) -> None:
    funded.issue(key="units", asset=Asset.MUNT, account="bo", amount=50)
    swap = (
        Leg("ada", Asset.CEU, -100),
        Leg("bo", Asset.CEU, 97),
        Leg("pool", Asset.CEU, 3),
        Leg("bo", Asset.MUNT, -5),
        Leg("ada", Asset.MUNT, 5),
    )
    funded.post(Posting("swap", "trade", swap, "order-1", {"fee": 3}))
    assert funded.balance("pool", Asset.CEU) == 3
    assert funded.balance("ada", Asset.MUNT) == 5
    with pytest.raises(PostingError, match="the legs in CEU sum to -1"):
        Posting("bad", "trade", (Leg("ada", Asset.CEU, -4), Leg("bo", Asset.CEU, 3)))
    with pytest.raises(PostingError, match="occurs twice"):
        Posting("bad", "trade", (Leg("ada", Asset.CEU, -4), Leg("ada", Asset.CEU, 4)))


def test_proof_tokens_cannot_be_issued_without_a_proof(ledger: Ledger) -> None:
    with pytest.raises(PostingError, match="by minting alone"):
        ledger.issue(key="free", asset=Asset.PFT, account="ada", amount=5)
    legs = (Leg("issuer:PFT", Asset.PFT, -5), Leg("ada", Asset.PFT, 5))
    with pytest.raises(PostingError, match="names its evidence"):
        Posting("free", "mint", legs, "not a hash")
    assert ledger.supply(Asset.PFT) == 0


def test_supply_beyond_the_range_of_integers_is_refused(ledger: Ledger) -> None:
    ledger.issue(key="all", asset=Asset.CEU, account="ada", amount=2**62)
    with pytest.raises(PostingError, match="more than there is"):
        ledger.issue(key="more", asset=Asset.CEU, account="bo", amount=1)
    assert ledger.verify().supply[Asset.CEU] == 2**62


def test_entries_are_paged_in_order_and_a_cursor_sees_what_comes_later(funded: Ledger) -> None:
    for index in range(5):
        move(funded, f"t{index}", 10)
    seen: list[Entry] = []
    cursor = ""
    while page := funded.entries(cursor=cursor, limit=3).entries:
        seen += page
        cursor = f"{page[-1].sequence}.{page[-1].leg}"
    assert [(entry.sequence, entry.leg) for entry in seen] == [
        (n, leg) for n in range(1, 7) for leg in (0, 1)
    ]
    assert funded.entries(cursor=cursor).next_cursor == cursor
    move(funded, "late", 7)
    assert [entry.amount for entry in funded.entries(cursor=cursor).entries] == [-7, 7]
    balances = [entry.balance for entry in funded.entries(account="bo", asset=Asset.CEU).entries]
    assert balances == [10, 20, 30, 40, 50, 57]
    assert funded.entries(account="bo", asset=Asset.PFT).entries == ()
    for bad in ("1", "1.2.3", "-1.0", "1.0; DROP TABLE entries", "٣.٣" * 9):
        with pytest.raises(PostingError, match="cursor"):
            funded.entries(cursor=bad)
    with pytest.raises(PostingError, match="limit is 0"):
        funded.entries(limit=0)


def test_an_exception_in_a_write_transaction_undoes_all_of_it(funded: Ledger) -> None:
    legs = (Leg("ada", Asset.CEU, -10), Leg("bo", Asset.CEU, 10))

    def post_and_fail() -> None:
        with funded.writer() as writer:
            writer.post(Posting("t1", "transfer", legs))
            assert writer.balance("bo", Asset.CEU) == 10
            raise RuntimeError("change of mind")

    with pytest.raises(RuntimeError, match="change of mind"):
        post_and_fail()
    assert funded.balance("bo", Asset.CEU) == 0
    assert funded.verify().transactions == 1


def test_the_database_itself_refuses_to_rewrite_history(funded: Ledger, place: Place) -> None:
    move(funded, "t1")
    engine = create_engine(place.url)
    refused = [
        ("UPDATE entries SET amount = 11 WHERE amount = 10", "append-only"),
        ("DELETE FROM entries", "append-only"),
        ("UPDATE transactions SET created_ns = 0", "append-only"),
        ("DELETE FROM transactions", "append-only"),
        ("UPDATE balances SET amount = -1 WHERE account = 'ada'", "nobody_below_zero"),
    ]
    if not place.sqlite:
        refused.append(("TRUNCATE transactions, entries, merkle_tiles, checkpoints CASCADE", "append-only"))
    for statement, problem in refused:
        with engine.begin() as raw, pytest.raises(IntegrityError, match=problem):
            raw.exec_driver_sql(statement)
    engine.dispose()
    assert funded.verify().ok


def test_a_ledger_opened_again_goes_on_where_it_was(place: Place) -> None:
    with Ledger(place.url) as first:
        first.issue(key="start", asset=Asset.CEU, account="ada", amount=100)
        end = first.verify().head
    with Ledger(place.path if place.sqlite else place.url) as second:
        assert second.verify().head == end
        assert move(second, "t1") == 2
    if place.sqlite:
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    with pytest.raises(LedgerClosedError, match="the ledger is closed"):
        second.balance("ada", Asset.CEU)


def test_a_place_where_no_ledger_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "text").write_text("this is no database, however long it may be " * 50)
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    with pytest.raises(LedgerError, match="file is not a database"):
        Ledger(tmp_path / "text")
    for url in ("sqlite://", "sqlite:///:memory:", "oracle://scott:tiger@host/db"):
        with pytest.raises(LedgerError, match="cannot live in") as caught:
            Ledger(url)
        assert "tiger" not in str(caught.value)
    with pytest.raises(LedgerError, match="no database URL"):
        Ledger("://")


def test_threads_and_connections_lose_no_transfer(funded: Ledger, place: Place) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            with Ledger(place.url) as own:
                for index in range(15):
                    move(funded if index % 2 else own, f"{worker}-{index}", 1, target=f"w{worker}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [funded.balance(f"w{worker}", Asset.CEU) for worker in range(8)] == [15] * 8
    assert funded.balance("ada", Asset.CEU) == 1_000 - 120
    report = funded.verify()
    assert report.ok
    assert report.transactions == 121


def test_a_write_to_which_the_database_gave_way_is_done_again(funded: Ledger, place: Place) -> None:
    if place.sqlite:
        pytest.skip("SQLite lets nobody write beside a writer, so that there is nothing to give way to")
    engine = create_engine(place.url)
    with engine.begin() as raw:
        raw.exec_driver_sql("INSERT INTO buckets VALUES ('ada', 1, 0)")
    tries: list[int] = []

    def work(writer: Writer) -> int:
        level = int(writer.connection.execute(select(schema.buckets.c.level)).scalar_one())
        tries.append(level)
        if len(tries) == 1:
            # Another program, which knows nothing of our lock, is quicker.
            with engine.begin() as raw:
                raw.exec_driver_sql("UPDATE buckets SET level = 7")
        writer.connection.execute(update(schema.buckets).values(level=level + 1))
        return level + 1

    assert funded.write(work) == 8
    assert tries == [1, 7]
    engine.dispose()


def test_a_write_that_is_never_given_way_to_ends_with_the_conflict(funded: Ledger) -> None:
    tries: list[Writer] = []

    def work(writer: Writer) -> None:
        tries.append(writer)
        raise LedgerConflictError("another program was writing")

    with pytest.raises(LedgerConflictError):
        funded.write(work)
    assert len(tries) == 8


def test_time_in_the_books_does_not_run_backwards(place: Place) -> None:
    times = iter([100, 50, 200])
    with Ledger(place.url, clock_ns=lambda: next(times)) as ledger:
        created = [
            ledger.issue(key=f"k{number}", asset=Asset.CEU, account="ada", amount=1).created_ns
            for number in range(3)
        ]
    assert created == [100, 100, 200]


def test_a_record_without_legs_is_chained_and_moves_nothing(funded: Ledger) -> None:
    record = funded.post(Posting("seen", "note", (), "pump-3", {"what": "inspected"}))
    assert record.sequence == 2
    assert funded.verify().ok
    with pytest.raises(PostingError, match="or none for a record"):
        Posting("one", "note", (Leg("ada", Asset.CEU, -1),))
