"""What stays true in every history of the books, and when a writer is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from economy.places import HISTORIES, Place, emptied
from industriverse.economy import (
    Asset,
    EconomyError,
    IdempotencyError,
    InsufficientFundsError,
    PostingError,
    schema,
)
from industriverse.economy.ledger import Ledger
from industriverse.economy.minting import ProofMint, VerifiedEvidence, quality
from industriverse.economy.money import issuer_of

SETTINGS = settings(max_examples=HISTORIES, stateful_step_count=20, deadline=None)
HOLDERS = ("ada", "bo", "cy")
ASSETS = st.sampled_from([Asset.CEU, Asset.MUNT])
HOLDER = st.sampled_from(HOLDERS)
AMOUNT = st.integers(1, 2_000)
# Key, asset, source (empty for an issue), payee and amount of a transaction that was written.
Done = tuple[str, Asset, str, str, int]


class Books(RuleBasedStateMachine):
    """Random histories against a dictionary of balances."""

    done = Bundle("done")

    def __init__(self, new_place: Callable[[], Place]) -> None:
        super().__init__()
        self.new_place = new_place

    @initialize()
    def open(self) -> None:
        self.place = self.new_place()
        self.ledger = Ledger(self.place.url)
        self.model: dict[tuple[str, Asset], int] = {}
        self.minted: set[int] = set()
        self.keys = self.opened_at = 0

    def next_key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    def add(self, account: str, asset: Asset, amount: int) -> None:
        self.model[account, asset] = self.model.get((account, asset), 0) + amount

    @rule(target=done, asset=ASSETS, account=HOLDER, amount=AMOUNT)
    def issue(self, asset: Asset, account: str, amount: int) -> Done:
        key = self.next_key()
        self.ledger.issue(key=key, asset=asset, account=account, amount=amount)
        self.add(account, asset, amount)
        return key, asset, "", account, amount

    @rule(target=done, asset=ASSETS, source=HOLDER, payee=HOLDER, amount=AMOUNT)
    def transfer(self, asset: Asset, source: str, payee: str, amount: int) -> MultipleResults[Done]:
        key = self.next_key()
        try:
            self.ledger.transfer(key=key, asset=asset, source=source, target=payee, amount=amount)
        except InsufficientFundsError as error:
            held = self.model.get((source, asset), 0)
            if not held == error.available < amount == error.needed:
                raise
            return multiple()
        except PostingError:
            assert source == payee
            return multiple()
        assert source != payee
        self.add(source, asset, -amount)
        self.add(payee, asset, amount)
        return multiple((key, asset, source, payee, amount))

    @rule(transaction=done)
    def replay(self, transaction: Done) -> None:
        key, asset, source, target, amount = transaction
        before = self.head()
        for changed in (0, 1):
            try:
                if source:
                    self.ledger.transfer(
                        key=key, asset=asset, source=source, target=target, amount=amount + changed
                    )
                else:
                    self.ledger.issue(key=key, asset=asset, account=target, amount=amount + changed)
                assert not changed
            except IdempotencyError:
                assert changed
        assert self.head() == before

    def head(self) -> tuple[int, str]:
        with self.ledger.reading() as connection:
            row = connection.execute(select(schema.head)).one()
        return row.sequence, row.hash

    @rule(number=st.integers(0, 5), owner=HOLDER, passed=st.integers(0, 5))
    def mint(self, number: int, owner: str, passed: int) -> None:
        evidence = VerifiedEvidence(
            f"{number:064x}", "n", 0.05, 700, passed, 5, 10**18, 10 * number, 10 * number + 9
        )
        try:
            ProofMint(self.ledger, lambda _: evidence, clock_ns=lambda: 10**18).mint(b"", owner)
        except EconomyError:
            assert passed < 5 or number in self.minted
        else:
            assert number not in self.minted
            self.minted.add(number)
            self.add(owner, Asset.PFT, quality(evidence))

    # Opening tells nothing new about books in which nothing was written since the last time.
    @precondition(lambda self: self.keys > self.opened_at)
    @rule()
    def reopen(self) -> None:
        self.opened_at = self.keys
        self.ledger.close()
        self.ledger = Ledger(self.place.url)

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        with self.ledger.reading() as connection:
            rows = connection.execute(select(schema.balances)).all()
        kept = {(row.account, Asset(row.asset)): row.amount for row in rows}
        held = {place: amount for place, amount in kept.items() if place[0] in HOLDERS}
        assert held == self.model
        assert all(amount >= 0 for amount in held.values())
        for asset in Asset:
            supply = sum(amount for (_, of), amount in held.items() if of == asset)
            assert -kept.get((issuer_of(asset), asset), 0) == supply

    def teardown(self) -> None:
        # What was written stays written, so that the end of a history tells whether any step of it was wrong.
        report = self.ledger.verify()
        assert report.ok, str(report.fault)
        assert (report.transactions, report.head) == self.head()
        for asset in Asset:
            held = {holder: self.ledger.balance(holder, asset) for holder in HOLDERS}
            assert held == {holder: self.model.get((holder, asset), 0) for holder in HOLDERS}
            assert self.ledger.supply(asset) == report.supply[asset] == sum(held.values())
        self.ledger.close()


def test_every_random_history_keeps_the_books_in_order(new_place: Callable[[], Place]) -> None:
    again = emptied(new_place)

    class Machine(Books):
        def __init__(self) -> None:
            super().__init__(again)

    run_state_machine_as_test(Machine, settings=SETTINGS)


WRITER = """
import sys
from industriverse.economy import Asset
from industriverse.economy.ledger import Ledger
with Ledger(sys.argv[1]) as ledger:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=1_000_000)
    number = int(sys.argv[2])
    while True:
        ledger.transfer(key=f"t{number}", asset=Asset.CEU, source="ada", target="bo", amount=number % 7 + 1)
        print(number, flush=True)
        number += 1
"""


def kill_writer_after(place: Place, first: int, lines: int) -> list[int]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, place.url, str(first)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    with process:
        seen = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        # Lines that were in the pipe when the kill struck were acknowledged as well.
        seen += process.stdout.readlines()
    return [int(line) for line in seen if line.endswith("\n")]


def test_after_kill_nine_the_books_verify_and_hold_every_acknowledged_transfer(place: Place) -> None:
    acknowledged: list[int] = []
    rounds = (30, 1, 75)
    for round_number, lines in enumerate(rounds):
        acknowledged += kill_writer_after(place, round_number * 10_000, lines)
    assert len(acknowledged) >= sum(rounds)
    with Ledger(place.url) as ledger:
        report = ledger.verify()
        assert report.ok, str(report.fault)
        assert all(ledger.find(f"t{number}") for number in acknowledged)
        # The issue, what was acknowledged, and at most one transfer a round that was on disk but not said.
        assert 1 + len(acknowledged) <= report.transactions <= 1 + len(acknowledged) + len(rounds)
        before = ledger.balance("bo", Asset.CEU)
        for number in acknowledged[:20]:
            ledger.transfer(
                key=f"t{number}", asset=Asset.CEU, source="ada", target="bo", amount=number % 7 + 1
            )
        assert ledger.balance("bo", Asset.CEU) == before
