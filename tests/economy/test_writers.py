"""Writers in processes and threads of their own: none loses a transfer, and a killed one none that it told of."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from economy.places import Place
from industriverse.economy import Asset, LedgerBusyError, LedgerError
from industriverse.economy.errors import InsufficientFundsError
from industriverse.economy.grouping import GroupCommit
from industriverse.economy.ledger import Ledger
from industriverse.economy.money import Leg, Posting, Transaction

WRITER = """
import sys
from industriverse.economy import Asset
from industriverse.economy.ledger import Ledger
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Ledger(url) as ledger:
    for number in range(count):
        ledger.transfer(key=f"{name}-{number}", asset=Asset.CEU, source="ada", target=name, amount=1)
        print(number, flush=True)
"""
TRANSFERS = 1_000
EACH = 25


def start(place: Place, name: str, count: int) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, place.url, name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def fund(place: Place) -> None:
    with Ledger(place.url) as ledger:
        ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=100_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_nine_within_a_thousand_transfers_loses_none_that_was_acknowledged(
    place: Place, seed: int
) -> None:
    fund(place)
    kill_after = random.Random(seed).randrange(1, TRANSFERS // 2)
    process = start(place, "bo", TRANSFERS)
    assert process.stdout is not None
    with process:
        lines = [process.stdout.readline() for _ in range(kill_after)]
        process.send_signal(signal.SIGKILL)
        # Lines that were in the pipe when the kill struck were acknowledged as well.
        lines += process.stdout.readlines()
    acknowledged = [int(line) for line in lines if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    assert kill_after <= len(acknowledged) < TRANSFERS
    with Ledger(place.url) as ledger:
        report = ledger.verify()
        assert report.ok, str(report.fault)
        assert acknowledged == list(range(len(acknowledged)))
        assert all(ledger.find(f"bo-{number}") for number in acknowledged)
        # One more may be on disk that could not be told of.
        assert ledger.balance("bo", Asset.CEU) - len(acknowledged) in (0, 1)
    # Doing all of it again does only what is missing.
    with start(place, "bo", TRANSFERS) as again:
        assert again.stdout is not None
        assert len(again.stdout.readlines()) == TRANSFERS
    with Ledger(place.url) as ledger:
        assert ledger.balance("bo", Asset.CEU) == TRANSFERS
        assert ledger.verify().transactions == TRANSFERS + 1


def writers_lose_nothing(place: Place, count: int) -> None:
    fund(place)
    names = [f"writer-{number}" for number in range(count)]
    processes = [start(place, name, EACH) for name in names]
    told = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    assert told == [[str(number) for number in range(EACH)]] * count
    with Ledger(place.url) as ledger:
        assert [ledger.balance(name, Asset.CEU) for name in names] == [EACH] * count
        assert ledger.balance("ada", Asset.CEU) == 100_000 - count * EACH
        report = ledger.verify()
    assert report.ok, str(report.fault)
    assert report.transactions == 1 + count * EACH


def test_two_processes_that_write_at_once_lose_nothing(place: Place) -> None:
    writers_lose_nothing(place, 2)


def test_eight_processes_that_write_at_once_lose_nothing(place: Place) -> None:
    writers_lose_nothing(place, 8)


def posting(key: str, amount: int = 1) -> Posting:
    return Posting(key, "transfer", (Leg("ada", Asset.CEU, -amount), Leg("bo", Asset.CEU, amount)))


def post_at_once(ledger: Ledger, group: GroupCommit, postings: Sequence[Posting]) -> dict[str, object]:
    """What became of each posting, by key; all wait in one queue before the first is written."""
    became: dict[str, object] = {}

    def work(one: Posting) -> None:
        try:
            became[one.key] = group.post(one)
        except Exception as error:
            became[one.key] = error

    threads = [threading.Thread(target=work, args=(one,)) for one in postings]
    with group.turn:
        for thread in threads:
            thread.start()
        while len(group._waiting) < len(postings):
            pass
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return became


def test_one_transfer_that_cannot_be_fails_alone_in_its_batch(ledger: Ledger) -> None:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=100)
    sizes: list[int] = []

    def write(postings: Sequence[Posting]) -> Sequence[Transaction | Exception]:
        sizes.append(len(postings))
        return ledger._post_together(postings)

    batch = [posting(f"t{number}", 1_000 if number == 3 else 1) for number in range(8)]
    became = post_at_once(ledger, GroupCommit(write), batch)
    assert sizes == [8]
    assert isinstance(became.pop("t3"), InsufficientFundsError)
    assert all(isinstance(outcome, Transaction) for outcome in became.values())
    assert len(became) == ledger.balance("bo", Asset.CEU) == 7
    assert ledger.find("t3") is None
    assert ledger.verify().ok


def test_a_failure_of_the_database_reaches_every_one_who_waits_and_nobody_after(ledger: Ledger) -> None:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=100)
    broken = [True]

    def write(postings: Sequence[Posting]) -> Sequence[Transaction | Exception]:
        if broken[0]:
            raise LedgerBusyError("the ledger was locked", hint="try again")
        return ledger._post_together(postings)

    group = GroupCommit(write)
    became = post_at_once(ledger, group, [posting(f"t{number}") for number in range(8)])
    assert len(became) == 8
    assert all(isinstance(error, LedgerBusyError) for error in became.values())
    # Each thread raises an exception of its own: two that raise one would write into each other's traceback.
    assert len({id(error) for error in became.values()}) == 8
    assert ledger.balance("bo", Asset.CEU) == 0
    broken[0] = False
    assert group.post(posting("t0")).sequence == 2


def test_what_the_database_itself_refuses_in_a_batch_fails_alone(ledger: Ledger, place: Place) -> None:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=100)
    evidence = "ab" * 32
    mint = (Leg("issuer:PFT", Asset.PFT, -5), Leg("ada", Asset.PFT, 5))
    ledger.post(Posting("mint:1", "mint", mint, evidence))
    batch = [posting("t0"), Posting("mint:2", "mint", mint, evidence), posting("t1")]
    became = post_at_once(ledger, ledger._group, batch)
    assert isinstance(became["mint:2"], LedgerError)
    assert isinstance(became["t0"], Transaction)
    assert isinstance(became["t1"], Transaction)
    assert ledger.verify().transactions == 4
    ledger.close()
    with Ledger(place.url) as again:
        assert again.balance("bo", Asset.CEU) == 2
