"""Proofs wait for the mint, are tried again while it may help, and are never lost or doubled."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from economy.places import Place
from industriverse.economy import MICRO, AccountError, Asset, QueueError
from industriverse.economy.ledger import Ledger
from industriverse.economy.minting import ProofMint, VerifiedEvidence
from industriverse.economy.validation import ProofQueue, ProofState
from industriverse.physics.errors import IndustriverseError

SECOND = 1_000_000_000
NOW = 1_767_225_600 * SECOND


class Clock:
    def __init__(self) -> None:
        self.now_ns = NOW

    def __call__(self) -> int:
        return self.now_ns


class Verifier:
    """A verifier whose key file can be out of reach."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def __call__(self, envelope: bytes) -> VerifiedEvidence:
        if self.failure is not None:
            raise self.failure
        try:
            fields = json.loads(envelope)
        except ValueError:
            raise IndustriverseError("no certificate\0", hint="give one") from None
        digest = hashlib.sha256(envelope).hexdigest()
        return VerifiedEvidence(
            digest, digest, 0.05, 1_000, fields["passed"], 5, fields.get("at", NOW), 10, 19
        )


def proof(name: str, passed: int = 5, **fields: object) -> bytes:
    return json.dumps({"name": name, "passed": passed, **fields}).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


@pytest.fixture
def queue(place: Place, clock: Clock, verifier: Verifier) -> Iterator[ProofQueue]:
    with Ledger(place.url, clock_ns=clock) as ledger:
        yield ProofQueue(ProofMint(ledger, verifier, clock_ns=clock), attempts=3, clock_ns=clock)
        assert ledger.verify().ok


def test_a_good_proof_is_minted_and_says_so(queue: ProofQueue) -> None:
    waiting = queue.submit(proof("a"), "ada")
    assert (waiting.state, waiting.attempts) == (ProofState.WAITING, 0)
    assert queue.submit(proof("a"), "ada") == waiting
    (done,) = queue.run()
    assert (done.id, done.state, done.sequence, done.reason) == (waiting.id, ProofState.MINTED, 1, "")
    assert queue.run() == ()
    assert queue.submit(proof("a"), "ada") == queue.read(waiting.id) == done
    assert queue.mint.ledger.balance("ada", Asset.PFT) == MICRO


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (b"\xff", "the certificate does not verify: no certificate?"),
        (proof("weak", passed=4), "proves too little"),
        (proof("contradiction", passed=6), "6 checks passed of 5 run"),
        (proof("old", at=NOW - 90_000 * SECOND), "is 90000 s old"),
        (proof("early", at=NOW + 3_600 * SECOND), "in the future"),
    ],
)
def test_a_proof_that_is_refused_is_a_dead_letter_with_the_reason(
    queue: ProofQueue, envelope: bytes, reason: str
) -> None:
    queue.submit(envelope, "ada")
    (done,) = queue.run()
    assert (done.state, done.attempts) == (ProofState.DEAD, 1)
    assert reason in done.reason
    assert queue.find(ProofState.DEAD) == (done,)
    assert queue.mint.ledger.supply(Asset.PFT) == 0


def test_the_same_evidence_for_two_owners_is_minted_for_the_first(queue: ProofQueue) -> None:
    queue.submit(proof("a"), "ada")
    queue.submit(proof("a"), "eve")
    states = sorted((done.state, done.reason.partition(" in ")[0]) for done in queue.run())
    digest = hashlib.sha256(proof("a")).hexdigest()
    assert states == [(ProofState.DEAD, f"evidence {digest} was minted"), (ProofState.MINTED, "")]
    assert queue.mint.ledger.supply(Asset.PFT) == MICRO


def test_a_passing_failure_is_tried_again_later_and_later(
    queue: ProofQueue, verifier: Verifier, clock: Clock
) -> None:
    queue.submit(proof("a"), "ada")
    verifier.failure = OSError("the key file is away")
    (first,) = queue.run()
    assert (first.state, first.reason) == (ProofState.WAITING, "OSError: the key file is away")
    assert first.due_ns == clock.now_ns + SECOND
    assert queue.run() == ()
    clock.now_ns += SECOND
    (second,) = queue.run()
    assert (second.attempts, second.due_ns) == (2, clock.now_ns + 2 * SECOND)
    verifier.failure = None
    clock.now_ns += 2 * SECOND
    (third,) = queue.run()
    assert third.state is ProofState.MINTED


def test_after_its_last_attempt_a_proof_is_a_dead_letter_that_can_be_taken_back(
    queue: ProofQueue, verifier: Verifier, clock: Clock
) -> None:
    proof_id = queue.submit(proof("a"), "ada").id
    verifier.failure = RuntimeError("no")
    with pytest.raises(QueueError, match="is waiting"):
        queue.retry(proof_id)
    for _ in range(3):
        queue.run()
        clock.now_ns += 10 * SECOND
    assert queue.counts() == {ProofState.WAITING: 0, ProofState.MINTED: 0, ProofState.DEAD: 1}
    assert queue.read(proof_id).reason == "RuntimeError: no"
    verifier.failure = None
    assert queue.retry(proof_id).attempts == 0
    assert queue.run()[0].state is ProofState.MINTED


def test_what_is_no_proof_is_refused_at_the_door(queue: ProofQueue) -> None:
    with pytest.raises(QueueError, match="0 bytes"):
        queue.submit(b"", "ada")
    with pytest.raises(QueueError, match="1000001 bytes"):
        queue.submit(b"x" * 1_000_001, "ada")
    with pytest.raises(AccountError):
        queue.submit(proof("a"), "two\nlines")
    with pytest.raises(QueueError, match="no such proof"):
        queue.read("x")


def test_workers_side_by_side_mint_each_proof_once(queue: ProofQueue) -> None:
    for number in range(12):
        queue.submit(proof(f"p{number}"), "ada")
    done: list[str] = []
    threads = [
        threading.Thread(target=lambda: done.extend(item.id for item in queue.run())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(set(done)) == 12
    assert queue.mint.ledger.supply(Asset.PFT) == 12 * MICRO


WORKER = """
import sys, time
from industriverse.economy.ledger import Ledger
from industriverse.economy.minting import ProofMint
from industriverse.economy.validation import ProofQueue
def hang(envelope):
    print("verifying", flush=True)
    time.sleep(600)
with Ledger(sys.argv[1]) as ledger:
    now = lambda: int(sys.argv[2])
    ProofQueue(ProofMint(ledger, hang, clock_ns=now), attempts=3, clock_ns=now).run()
"""


def kill_a_worker(place: Place, now_ns: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WORKER, place.url, str(now_ns)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "verifying\n"
        worker.send_signal(signal.SIGKILL)


def test_the_proof_of_a_killed_worker_is_given_to_another(
    queue: ProofQueue, place: Place, clock: Clock
) -> None:
    queue.submit(proof("a"), "ada")
    kill_a_worker(place, clock.now_ns)
    assert queue.run() == ()
    clock.now_ns += 60 * SECOND
    (done,) = queue.run()
    assert (done.state, done.attempts) == (ProofState.MINTED, 2)


def test_a_proof_that_kills_its_workers_ends_among_the_dead(
    queue: ProofQueue, place: Place, clock: Clock
) -> None:
    queue.submit(proof("a"), "ada")
    for _ in range(3):
        kill_a_worker(place, clock.now_ns)
        clock.now_ns += 60 * SECOND
    (done,) = queue.run()
    assert (done.state, done.reason) == (ProofState.DEAD, "no worker survived 3 attempts")


def test_a_slow_worker_does_not_undo_what_a_faster_one_did(
    new_place: Callable[[], Place], clock: Clock
) -> None:
    with Ledger(new_place().url, clock_ns=clock) as ledger:
        fast = ProofQueue(ProofMint(ledger, Verifier(), clock_ns=clock), clock_ns=clock)

        def overtaken(envelope: bytes) -> VerifiedEvidence:
            clock.now_ns += 61 * SECOND
            assert fast.run()[0].state is ProofState.MINTED
            raise OSError("too late")

        slow = ProofQueue(ProofMint(ledger, overtaken, clock_ns=clock), clock_ns=clock)
        slow.submit(proof("a"), "ada")
        assert slow.run()[0].state is ProofState.MINTED
        assert ledger.supply(Asset.PFT) == MICRO
