"""Whatever is changed behind the ledger's back, the auditor finds and names it."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from economy.places import Place
from industriverse.economy import Asset, LedgerError
from industriverse.economy.audit import Fault
from industriverse.economy.ledger import Ledger
from industriverse.economy.money import Leg, Posting

EVIDENCE = "ab" * 32
ONLY_IN_SQLITE = (
    "UPDATE entries SET amount = 'ten' WHERE sequence = 2 AND leg = 1",
    "UPDATE transactions SET key = CAST(x'ff' AS TEXT) WHERE sequence = 4",
    "UPDATE entries SET account = x'ff' WHERE sequence = 4 AND leg = 1",
)


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=1_000)
    for index in range(5):
        ledger.transfer(key=f"t{index}", asset=Asset.CEU, source="ada", target="bo", amount=10 + index)
    legs = (Leg("issuer:PFT", Asset.PFT, -7), Leg("ada", Asset.PFT, 7))
    ledger.post(Posting("mint", "mint", legs, EVIDENCE, {"stream": "n"}))
    return ledger


def test_books_in_order_verify_and_say_what_is_in_being(books: Ledger) -> None:
    report = books.verify()
    assert report.ok
    assert report.fault is None
    assert report.transactions == 7
    assert report.supply == {**dict.fromkeys(Asset, 0), Asset.CEU: 1_000, Asset.PFT: 7}


@pytest.mark.parametrize(
    ("statement", "sequence", "problem"),
    [
        ("UPDATE entries SET amount = 11 WHERE sequence = 2 AND leg = 1", 2, "not match its hash"),
        ("UPDATE entries SET balance = 1 WHERE sequence = 3 AND leg = 1", 3, "not match its hash"),
        ("UPDATE entries SET account = 'ada' WHERE sequence = 4 AND leg = 1", 4, "not match its hash"),
        ("UPDATE entries SET asset = 'MUNT' WHERE sequence = 4", 4, "not match its hash"),
        ("UPDATE entries SET leg = 9 WHERE sequence = 4 AND leg = 1", 4, "not match its hash"),
        ("UPDATE entries SET amount = 'ten' WHERE sequence = 2 AND leg = 1", 2, "wrong type"),
        (
            "UPDATE transactions SET created_ns = created_ns + 1 WHERE sequence = 5",
            5,
            "not match its hash",
        ),
        ("UPDATE transactions SET key = 'other' WHERE sequence = 5", 5, "not match its hash"),
        ("UPDATE transactions SET kind = 'gift' WHERE sequence = 5", 5, "not match its hash"),
        ("UPDATE transactions SET reference = 'cd' WHERE sequence = 7", 7, "not match its hash"),
        ("UPDATE transactions SET details = '{}' WHERE sequence = 7", 7, "not match its hash"),
        ("UPDATE transactions SET content_hash = '' WHERE sequence = 6", 6, "not match its hash"),
        ("UPDATE transactions SET hash = 'x' WHERE sequence = 3", 3, "not match its hash"),
        ("UPDATE transactions SET previous_hash = 'x' WHERE sequence = 3", 3, "does not follow"),
        ("UPDATE transactions SET sequence = 99 WHERE sequence = 3", 3, "it is missing; 4 follows"),
        ("DELETE FROM transactions WHERE sequence = 1", 1, "it is missing; 2 follows"),
        ("DELETE FROM entries WHERE sequence = 6 AND leg = 0", 6, "not match its hash"),
        ("UPDATE transactions SET key = CAST(x'ff' AS TEXT) WHERE sequence = 4", 4, "cannot be read"),
        ("DELETE FROM transactions WHERE sequence = 7", None, "the head says transaction 7"),
        ("UPDATE head SET hash = 'x'", None, "the head says transaction 7"),
        ("DELETE FROM head", None, "the head says 0 things"),
        (
            "INSERT INTO entries VALUES (99, 0, 'ada', 'CEU', 5, 5)",
            None,
            "1 entries belong to no",
        ),
        (
            "UPDATE balances SET amount = 5 WHERE account = 'bo'",
            None,
            "balance of bo in CEU is 5",
        ),
        ("DELETE FROM balances WHERE account = 'bo'", None, "balance of bo in CEU is missing"),
        ("INSERT INTO balances VALUES ('eve', 'CEU', false, 5)", None, "balance of eve in CEU is 5"),
        ("INSERT INTO head VALUES (2, 7, 'x')", None, "the head says 2 things"),
        ("UPDATE entries SET account = x'ff' WHERE sequence = 4 AND leg = 1", 4, "wrong type"),
        ("UPDATE balances SET issuer = true WHERE account = 'bo'", None, "bo is wrongly marked"),
    ],
)
def test_a_change_by_raw_sql_is_found_and_named(
    books: Ledger, place: Place, statement: str, sequence: int | None, problem: str
) -> None:
    if place.sqlite or statement not in ONLY_IN_SQLITE:
        place.run(statement)
    else:
        pytest.skip("PostgreSQL keeps no value of another type than its column")
    report = books.verify()
    assert not report.ok
    assert report.fault is not None
    assert problem in report.fault.problem
    assert report.fault.sequence == sequence


def test_the_first_of_several_faults_is_the_one_named(books: Ledger, place: Place) -> None:
    place.run(
        "UPDATE entries SET amount = 1 WHERE sequence = 6",
        "UPDATE entries SET amount = 1 WHERE sequence = 3",
    )
    report = books.verify()
    assert report.fault is not None
    assert report.fault.sequence == 3
    assert report.transactions == 2
    assert str(report.fault) == "transaction 3: its content does not match its hash"
    assert str(Fault(None, "the head is wrong")) == "the head is wrong"


def test_one_flipped_bit_in_a_hash_is_found_wherever_it_is_kept(tmp_path: Path) -> None:
    ledger_file = tmp_path / "ledger.sqlite"
    with Ledger(ledger_file) as ledger:
        for index in range(5):
            ledger.issue(key=f"k{index}", asset=Asset.CEU, account="ada", amount=5)
        hashed = ledger.find("k2")
    assert hashed is not None
    with closing(sqlite3.connect(ledger_file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = ledger_file.read_bytes()
    places = [place for place in range(len(whole)) if whole.startswith(hashed.hash.encode(), place)]
    # Its own row, the index over hashes, and the row that follows it.
    assert len(places) == 3
    for place in places:
        damaged = bytearray(whole)
        damaged[place + 10] ^= 1
        ledger_file.write_bytes(damaged)
        with Ledger(ledger_file) as ledger:
            report = ledger.verify()
        assert not report.ok


def content_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())


def test_a_bit_flipped_anywhere_in_the_file_changes_nothing_or_is_found(tmp_path: Path) -> None:
    ledger_file = tmp_path / "ledger.sqlite"
    with Ledger(ledger_file) as ledger:
        ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=1_000)
        for index in range(40):
            ledger.transfer(key=f"t{index}", asset=Asset.CEU, source="ada", target="bo", amount=1 + index)
    with closing(sqlite3.connect(ledger_file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = {
            int(row[0])
            for row in raw.execute(
                "SELECT rootpage FROM sqlite_master WHERE tbl_name IN ('transactions', 'entries', 'balances')"
            )
        }
        page_size = int(raw.execute("PRAGMA page_size").fetchone()[0])
    whole, content = ledger_file.read_bytes(), content_of(ledger_file)
    generator = random.Random(20261122)
    found = 0
    for _ in range(300):
        page = generator.choice(sorted(pages)) - 1
        place = page * page_size + generator.randrange(page_size)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << generator.randrange(8)
        ledger_file.write_bytes(damaged)
        try:
            with Ledger(ledger_file) as ledger:
                ok = ledger.verify().ok
        except LedgerError:
            ok = False
        if ok:
            assert content_of(ledger_file) == content
        found += not ok
    # Part of each page is empty; most of the flips hit something.
    assert found >= 40
