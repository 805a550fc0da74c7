"""PFT: tokens that come into being by a verified certificate, once per evidence, and in no other way."""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import insert, select

from industriverse.economy import schema
from industriverse.economy.errors import (
    AccountError,
    EvidenceError,
    ExpiredProofError,
    OverlappingProofError,
    ReplayedProofError,
    UnverifiedProofError,
)
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.money import MICRO, Asset, Leg, Posting, check_account, is_issuer, issuer_of
from industriverse.physics.errors import IndustriverseError

__all__ = ["Mint", "ProofMint", "VerifiedEvidence", "Verifier", "quality"]

_FULL_CHECKS = 5
_FULL_SAMPLES = 1_000
_FULL_ALPHA_PPM = 50_000
_PPM = 1_000_000
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_NANOSECONDS = 1_000_000_000
_DAY_NS = 86_400 * _NANOSECONDS
# Clocks of honest machines differ by this much at most.
_SKEW_NS = 300 * _NANOSECONDS


@dataclass(frozen=True, slots=True)
class VerifiedEvidence:
    """What a verifier vouches for after it has checked a certificate's signature and content.

    Attributes:
        evidence_sha256: Hash of the evidence that was signed, 64 lower-case hex digits.
        stream: The stream whose equilibrium is proved.
        alpha: Level of the test, 0 < alpha < 1: how often it would reject a healthy window.
        samples: Samples in the window.
        checks_passed: How many of the checks passed.
        checks_run: How many of the five checks could be run.
        issued_ns: When the certificate was signed, nanoseconds since 1970-01-01 UTC.
        start_ns: Time of the window's first sample, nanoseconds since 1970-01-01 UTC.
        end_ns: Time of its last sample.
        channels: How many channels were checked.
        moving_channels: How many of them move in the window: a dead line looks calm and proves nothing.

    Raises:
        EvidenceError: If a field contradicts itself or another one.
    """

    evidence_sha256: str
    stream: str
    alpha: float
    samples: int
    checks_passed: int
    checks_run: int
    issued_ns: int
    start_ns: int
    end_ns: int
    channels: int = 1
    moving_channels: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.evidence_sha256, str) or not _SHA256_HEX.fullmatch(self.evidence_sha256):
            raise EvidenceError(
                f"evidence hash {self.evidence_sha256!r:.80} is no SHA-256", hint="give 64 hex digits"
            )
        if not math.isfinite(self.alpha) or not 0.0 < self.alpha < 1.0:
            raise EvidenceError(f"alpha is {self.alpha!r}", hint="a test level lies between 0 and 1")
        counts = (
            self.samples,
            self.checks_passed,
            self.checks_run,
            self.issued_ns,
            self.channels,
            self.moving_channels,
        )
        if any(type(count) is not int or count < 0 for count in counts):
            raise EvidenceError(
                f"a count of the evidence is not a whole number: {counts}", hint="give integers"
            )
        if type(self.start_ns) is not int or type(self.end_ns) is not int or not self.start_ns < self.end_ns:
            raise EvidenceError(
                f"the window begins at {self.start_ns!r:.40} and ends at {self.end_ns!r:.40}",
                hint="give the times of its first and last sample",
            )
        if not self.moving_channels <= self.channels or not self.channels:
            raise EvidenceError(
                f"{self.moving_channels} of {self.channels} channels move",
                hint="at most those that there are",
            )
        if not self.checks_passed <= self.checks_run <= _FULL_CHECKS:
            raise EvidenceError(
                f"{self.checks_passed} checks passed of {self.checks_run} run",
                hint=f"at most those that were run, and at most {_FULL_CHECKS}",
            )


Verifier = Callable[[bytes], VerifiedEvidence]


@dataclass(frozen=True, slots=True)
class Mint:
    """What was minted.

    Attributes:
        amount: Micro-PFT.
        owner: Who got them.
        evidence: What they were minted for.
        sequence: The ledger transaction.
    """

    amount: int
    owner: str
    evidence: VerifiedEvidence
    sequence: int


def quality(evidence: VerifiedEvidence) -> int:
    """The published rule: how many micro-PFT a proof is worth.

    ``1 PFT · (checks run / 5) · min(1, samples / 1000) · min(1, alpha / 0.05) · (channels that move / channels)``,
    rounded down, in integers with alpha rounded to millionths; and nothing at all unless every check that was run
    has passed. A check that could not be run proves nothing; a short window proves little; a test at a small
    level hardly ever rejects, so that passing it says little; and a channel that holds one value all through the
    window is a dead line, which looks calm.
    """
    if evidence.checks_run == 0 or evidence.checks_passed < evidence.checks_run:
        return 0
    alpha_ppm = min(round(evidence.alpha * _PPM), _FULL_ALPHA_PPM)
    numerator = MICRO * evidence.checks_run * min(evidence.samples, _FULL_SAMPLES) * alpha_ppm
    denominator = _FULL_CHECKS * _FULL_SAMPLES * _FULL_ALPHA_PPM
    return numerator * evidence.moving_channels // (denominator * evidence.channels)


@dataclass(frozen=True)
class ProofMint:
    """Mints PFT for certificates.

    The amount is that of :func:`quality`. One evidence hash mints once, for ever: the ledger's idempotency
    key and a unique index of its database both say so, whatever runs at the same time. Windows of one stream for
    which was minted never overlap, so that one moved by a sample is worth nothing; the database refuses that too.

    Args:
        ledger: Where PFT are booked.
        verifier: Checks an envelope and returns what it proves, or raises an ``IndustriverseError``. It is
            given from outside, so that the economy trusts no particular kind of proof.
        max_age_ns: How old a certificate may be.
        clock_ns: Wall clock, nanoseconds since 1970-01-01 UTC.
    """

    ledger: Ledger
    verifier: Verifier
    max_age_ns: int = _DAY_NS
    clock_ns: Callable[[], int] = time.time_ns

    def mint(self, envelope: bytes, owner: str) -> Mint:
        """Mint what a certificate is worth, into the owner's account.

        Raises:
            UnverifiedProofError: If the verifier refuses the envelope, or it proves too little.
            ExpiredProofError: If the certificate is too old, or from the future.
            ReplayedProofError: If its evidence was minted before.
            OverlappingProofError: If a part of its window was.
            AccountError: If the owner is no account name.
        """
        if is_issuer(check_account(owner)):
            raise AccountError(f"{owner} cannot own a proof", hint="name the owner's account")
        evidence = self.evidence(envelope)
        return self.ledger.write(lambda writer: self.mint_within(writer, evidence, owner))

    def evidence(self, envelope: bytes) -> VerifiedEvidence:
        """What an envelope proves, if it is worth something now; takes no part in a transaction.

        Raises:
            UnverifiedProofError: If the verifier refuses the envelope, or it proves too little.
            ExpiredProofError: If the certificate is too old, or from the future.
        """
        evidence = self._verified(envelope)
        self._require_fresh(evidence)
        if evidence.moving_channels == 0:
            raise UnverifiedProofError(
                f"none of the {evidence.channels} checked channels ever moves in the window",
                hint="a dead line looks calm: check the sensors, or leave them out of the reference",
            )
        if quality(evidence) == 0:
            raise UnverifiedProofError(
                f"{evidence.checks_passed} of {evidence.checks_run} checks passed on {evidence.samples} "
                f"samples at alpha {evidence.alpha:g}: that proves too little",
                hint="pass every check that is run, on enough samples, at a level near 0.05",
            )
        return evidence

    def mint_within(self, writer: Writer, evidence: VerifiedEvidence, owner: str) -> Mint:
        """Mint within a write transaction that does more.

        Raises:
            ReplayedProofError: If the evidence was minted before.
            OverlappingProofError: If a part of the window was.
        """
        amount = quality(evidence)
        posting = Posting(
            f"mint:{evidence.evidence_sha256}",
            "mint",
            (Leg(issuer_of(Asset.PFT), Asset.PFT, -amount), Leg(owner, Asset.PFT, amount)),
            evidence.evidence_sha256,
            {
                "stream": evidence.stream,
                "alpha_ppm": round(evidence.alpha * _PPM),
                "samples": evidence.samples,
                "checks_run": evidence.checks_run,
                "issued_ns": evidence.issued_ns,
                "start_ns": evidence.start_ns,
                "end_ns": evidence.end_ns,
            },
        )
        before = writer.find(posting.key)
        if before is not None:
            raise ReplayedProofError(
                f"evidence {evidence.evidence_sha256} was minted in transaction {before.sequence}",
                sequence=before.sequence,
                hint="prove a new window",
            )
        _require_apart(writer, evidence)
        transaction = writer.post(posting)
        window = {"stream": evidence.stream, "start_ns": evidence.start_ns, "end_ns": evidence.end_ns}
        values = {"sequence": transaction.sequence, **window}
        writer.connection.execute(insert(schema.mint_windows).values(values))
        return Mint(amount, owner, evidence, transaction.sequence)

    def _verified(self, envelope: bytes) -> VerifiedEvidence:
        try:
            return self.verifier(envelope)
        except IndustriverseError as error:
            raise UnverifiedProofError(
                f"the certificate does not verify: {error.message}", hint=error.hint
            ) from error

    def _require_fresh(self, evidence: VerifiedEvidence) -> None:
        age_ns = self.clock_ns() - evidence.issued_ns
        if age_ns > self.max_age_ns:
            raise ExpiredProofError(
                f"the certificate is {age_ns / _NANOSECONDS:.0f} s old",
                hint=f"present it within {self.max_age_ns / _NANOSECONDS:.0f} s",
            )
        if age_ns < -_SKEW_NS:
            raise ExpiredProofError(
                f"the certificate was issued {-age_ns / _NANOSECONDS:.0f} s in the future",
                hint="check the clocks",
            )


def _require_apart(writer: Writer, evidence: VerifiedEvidence) -> None:
    table = schema.mint_windows
    query = (
        select(table)
        .where(table.c.stream == evidence.stream)
        .where(table.c.start_ns <= evidence.end_ns, table.c.end_ns >= evidence.start_ns)
        .limit(1)
    )
    row = writer.connection.execute(query).one_or_none()
    if row is not None:
        raise OverlappingProofError(
            f"a part of this window of {evidence.stream!r:.80} was minted in transaction {row.sequence}",
            sequence=row.sequence,
            hint="prove a window that begins after the last one that was minted ends",
        )
