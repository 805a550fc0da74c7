"""A proof token for each verified certificate, exactly once."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from economy.places import Place
from industriverse.economy import (
    MICRO,
    AccountError,
    Asset,
    EvidenceError,
    ExpiredProofError,
    LedgerError,
    OverlappingProofError,
    ReplayedProofError,
    UnverifiedProofError,
    minting,
    schema,
)
from industriverse.economy.ledger import Ledger
from industriverse.economy.minting import ProofMint, VerifiedEvidence, quality
from industriverse.economy.money import Leg, Posting
from industriverse.physics.errors import IndustriverseError

NOW_NS = 1_767_225_600_000_000_000
HOUR_NS = 3_600_000_000_000
GOOD = VerifiedEvidence("ab" * 32, "network-3", 0.05, 1_000, 5, 5, NOW_NS - HOUR_NS, 10, 19)


def envelope(**fields: object) -> bytes:
    content = {
        "stream": "network-3",
        "alpha": 0.05,
        "samples": 1_000,
        "passed": 5,
        "run": 5,
        "window": (10, 19),
    }
    content |= {"channels": 3, "moving": 3, **fields}
    content.setdefault("issued_ns", NOW_NS - HOUR_NS)
    body = json.dumps(content, sort_keys=True)
    return f"{hashlib.sha256(body.encode()).hexdigest()} {body}".encode()


def verify_checksum(content: bytes) -> VerifiedEvidence:
    """A small but real verifier: the envelope carries the hash of its body."""
    digest, _, body = content.decode().partition(" ")
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        raise IndustriverseError("the hash does not match", hint="ask for the certificate again")
    fields = json.loads(body)
    return VerifiedEvidence(
        digest,
        fields["stream"],
        fields["alpha"],
        fields["samples"],
        fields["passed"],
        fields["run"],
        fields["issued_ns"],
        fields["window"][0],
        fields["window"][1],
        fields["channels"],
        fields["moving"],
    )


@pytest.fixture
def mint(ledger: Ledger) -> ProofMint:
    return ProofMint(ledger, verify_checksum, clock_ns=lambda: NOW_NS)


def test_a_verified_certificate_mints_by_the_published_rule(mint: ProofMint) -> None:
    minted = mint.mint(envelope(run=4, passed=4, samples=500, alpha=0.01), "ada")
    assert minted.amount == MICRO * 4 // 5 // 2 // 5
    assert mint.ledger.balance("ada", Asset.PFT) == mint.ledger.supply(Asset.PFT) == minted.amount
    assert mint.ledger.verify().ok


def test_second_mint_of_the_same_evidence_is_refused(mint: ProofMint) -> None:
    first = mint.mint(envelope(), "ada")
    for owner in ("ada", "eve"):
        with pytest.raises(ReplayedProofError, match="was minted in transaction 1") as caught:
            mint.mint(envelope(), owner)
        assert caught.value.sequence == first.sequence
    assert mint.ledger.supply(Asset.PFT) == MICRO


def test_the_database_refuses_a_second_mint_under_another_key(mint: ProofMint) -> None:
    minted = mint.mint(envelope(), "ada")
    legs = (Leg("issuer:PFT", Asset.PFT, -5), Leg("eve", Asset.PFT, 5))
    with pytest.raises(LedgerError, match=r"(?i)unique constraint"):
        mint.ledger.post(Posting("another key", "mint", legs, minted.evidence.evidence_sha256))
    assert mint.ledger.balance("eve", Asset.PFT) == 0
    assert mint.ledger.verify().ok


def test_a_tampered_certificate_mints_nothing_and_says_why(mint: ProofMint) -> None:
    tampered = envelope().replace(b"1000", b"9000")
    with pytest.raises(
        UnverifiedProofError,
        match="the certificate does not verify: the hash does not match; ask for the certificate again",
    ):
        mint.mint(tampered, "ada")
    assert mint.ledger.supply(Asset.PFT) == 0


@pytest.mark.parametrize(
    "fields", [{"passed": 4}, {"passed": 0, "run": 0}, {"samples": 0}, {"alpha": 1e-9}, {"passed": 0}]
)
def test_a_certificate_that_proves_nothing_mints_nothing(mint: ProofMint, fields: dict[str, object]) -> None:
    with pytest.raises(UnverifiedProofError, match="that proves too little"):
        mint.mint(envelope(**fields), "ada")


def test_a_window_moved_by_one_sample_is_not_minted_again(mint: ProofMint) -> None:
    first = mint.mint(envelope(window=(100, 200)), "ada")
    for window in ((101, 201), (99, 199), (100, 200), (120, 130), (50, 300), (200, 300), (0, 100)):
        with pytest.raises(OverlappingProofError, match="a part of this window") as caught:
            mint.mint(envelope(window=window, samples=999), "ada")
        assert caught.value.sequence == first.sequence
    mint.mint(envelope(window=(201, 301)), "ada")
    mint.mint(envelope(window=(0, 99)), "ada")
    mint.mint(envelope(window=(100, 200), stream="another"), "ada")
    assert mint.ledger.supply(Asset.PFT) == 4 * MICRO
    report = mint.ledger.verify()
    assert report.ok, str(report.fault)


def test_the_database_refuses_windows_that_overlap_whoever_asks(
    mint: ProofMint, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint.mint(envelope(window=(100, 200)), "ada")
    mint.ledger.issue(key="i", asset=Asset.CEU, account="ada", amount=1)
    values = {"sequence": 2, "stream": "network-3", "start_ns": 150, "end_ns": 250}
    with pytest.raises(LedgerError, match="windows of minted proofs overlap"):
        mint.ledger.write(lambda w: w.connection.execute(insert(schema.mint_windows).values(values)))
    # A writer that the rule's own check missed is undone as a whole.
    monkeypatch.setattr(minting, "_require_apart", lambda _writer, _evidence: None)
    with pytest.raises(LedgerError, match="windows of minted proofs overlap"):
        mint.mint(envelope(window=(199, 260)), "ada")
    assert mint.ledger.supply(Asset.PFT) == MICRO
    assert mint.ledger.verify().ok


def test_the_auditor_finds_a_window_that_was_forgotten_or_moved(mint: ProofMint, place: Place) -> None:
    mint.mint(envelope(window=(100, 200)), "ada")
    place.run("UPDATE mint_windows SET start_ns = 150")
    assert "the windows minted for 'network-3' are not those of its mints" in str(mint.ledger.verify().fault)
    place.run("DELETE FROM mint_windows")
    assert "the windows minted for" in str(mint.ledger.verify().fault)


def test_threads_that_present_windows_moved_by_a_sample_mint_one_of_them(mint: ProofMint) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def present(number: int) -> None:
        start.wait()
        try:
            mint.mint(envelope(window=(100 + number, 200 + number)), "ada")
            outcomes.append("minted")
        except OverlappingProofError:
            outcomes.append("refused")

    threads = [threading.Thread(target=present, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["minted"] + ["refused"] * 5


def test_a_constant_field_proves_nothing_and_a_dead_line_proves_less(mint: ProofMint) -> None:
    with pytest.raises(UnverifiedProofError, match="none of the 3 checked channels ever moves"):
        mint.mint(envelope(moving=0), "ada")
    assert mint.mint(envelope(moving=2), "ada").amount == MICRO * 2 // 3


@pytest.mark.parametrize(
    "fields",
    [
        {"passed": 6, "run": 5},
        {"run": 6},
        {"alpha": 1.5},
        {"samples": -1},
        {"window": (20, 10)},
        {"moving": 4},
        {"channels": 0, "moving": 0},
    ],
)
def test_a_certificate_that_contradicts_itself_mints_nothing(
    mint: ProofMint, fields: dict[str, object]
) -> None:
    with pytest.raises(UnverifiedProofError, match="does not verify"):
        mint.mint(envelope(**fields), "ada")


def test_old_certificates_and_those_from_the_future_are_expired(mint: ProofMint) -> None:
    with pytest.raises(ExpiredProofError, match="is 86401 s old; present it within 86400 s"):
        mint.mint(envelope(issued_ns=NOW_NS - 24 * HOUR_NS - 1_000_000_000), "ada")
    with pytest.raises(ExpiredProofError, match="in the future"):
        mint.mint(envelope(issued_ns=NOW_NS + HOUR_NS), "ada")
    mint.mint(envelope(issued_ns=NOW_NS + 60_000_000_000), "ada")


@pytest.mark.parametrize("owner", ["", "issuer:PFT", "two\nlines"])
def test_an_owner_must_be_an_account(mint: ProofMint, owner: str) -> None:
    with pytest.raises(AccountError):
        mint.mint(envelope(), owner)


def test_malformed_evidence_is_refused() -> None:
    with pytest.raises(EvidenceError, match="no SHA-256"):
        replace(GOOD, evidence_sha256="AB" * 32)
    with pytest.raises(EvidenceError, match="alpha is nan"):
        replace(GOOD, alpha=float("nan"))


@given(
    alpha=st.floats(1e-6, 0.999),
    samples=st.integers(0, 10**7),
    run=st.integers(0, 5),
    data=st.data(),
)
def test_the_rule_pays_at_most_one_token_and_never_less_for_a_stronger_proof(
    alpha: float, samples: int, run: int, data: st.DataObject
) -> None:
    passed = data.draw(st.integers(0, run))
    evidence = replace(GOOD, alpha=alpha, samples=samples, checks_run=run, checks_passed=passed)
    paid = quality(evidence)
    assert 0 <= paid <= MICRO
    if passed < run:
        assert paid == 0
    assert quality(replace(evidence, samples=samples + 1)) >= paid
    assert quality(GOOD) == MICRO


def test_threads_that_present_one_certificate_mint_it_once(mint: ProofMint) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def present(owner: str) -> None:
        start.wait()
        try:
            mint.mint(envelope(), owner)
            outcomes.append("minted")
        except ReplayedProofError:
            outcomes.append("replayed")

    threads = [threading.Thread(target=present, args=(f"owner-{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["minted"] + ["replayed"] * 7
    assert mint.ledger.supply(Asset.PFT) == MICRO
    assert mint.ledger.verify().ok


PRESENTER = """
import sys
from industriverse.economy import ReplayedProofError
from industriverse.economy.ledger import Ledger
from industriverse.economy.minting import ProofMint, VerifiedEvidence
sys.stdin.readline()
minted = 0
with Ledger(sys.argv[1]) as ledger:
    for index in range(20):
        evidence = VerifiedEvidence(f"{index:064x}", "n", 0.05, 1000, 5, 5, 10**18, 10 * index, 10 * index + 9)
        mint = ProofMint(ledger, lambda _: evidence, clock_ns=lambda: 10**18)
        try:
            mint.mint(b"", sys.argv[2])
            minted += 1
        except ReplayedProofError:
            continue
print(minted)
"""


def test_processes_that_present_the_same_certificates_mint_each_once(place: Place) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PRESENTER, place.url, f"owner-{index}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for index in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    minted = [int(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(minted) == 20
    with Ledger(place.url) as ledger:
        assert ledger.supply(Asset.PFT) == 20 * MICRO
        assert ledger.verify().ok
