"""Verify certificates offline, with the issuer's public key alone."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from industriverse.eil.proof.checks import CheckName
from industriverse.eil.proof.envelope import certificate_digest, open_envelope
from industriverse.eil.proof.errors import (
    ChainMismatchError,
    EvidenceMismatchError,
    InconsistentCertificateError,
    NonceMismatchError,
)
from industriverse.eil.proof.keys import key_id, load_public_key
from industriverse.eil.proof.statement import (
    CheckRecord,
    EquilibriumPredicate,
    Statement,
    limitation_text,
    parse_statement,
)
from industriverse.eil.proof.watermark import FreshnessResult

__all__ = ["VerifiedCertificate", "verify_certificate", "verify_chain"]

_HINT = "the issuer is faulty or dishonest; do not rely on this certificate"


@dataclass(frozen=True, slots=True)
class VerifiedCertificate:
    """A certificate whose signature, form and arithmetic are right.

    Attributes:
        statement: The signed statement.
        digest: SHA-256 in hex by which a following certificate names this one.
        key_id: Which key signed.
        evidence_checked: Whether the raw window was given and matched.
        chain_checked: Whether the previous certificate was given and matched.
        nonce_checked: Whether a nonce was asked for and matched.
    """

    statement: Statement
    digest: str
    key_id: str
    evidence_checked: bool
    chain_checked: bool
    nonce_checked: bool

    @property
    def predicate(self) -> EquilibriumPredicate:
        """What was checked, and how it came out."""
        return self.statement.predicate

    def summary(self) -> str:
        """The certificate in lines that a person can read, limits included."""
        p = self.predicate
        lines = [f"stream {p.stream}, {p.start} to {p.end}, n = {p.samples}, {len(p.channels)} channels"]
        lines += [f"  {c.name}: p = {c.p_value:.3g} > {p.bonferroni_threshold:.3g}" for c in p.checks]
        if p.freshness is not None:
            answering = ", ".join(p.freshness.answering_channels) or "none alone"
            lines.append(
                f"  challenge on {p.freshness.actuator}, {p.freshness.amplitude_share:.2%} of its range: a replay "
                f"answers so well with p <= {p.freshness.replay_p_value:.3g}; answering: {answering}"
            )
        if p.source is not None:
            lines.append(
                f"  source chain: blocks {p.source.first_sequence} to {p.source.last_sequence} of device key "
                f"{p.source.device_key_id[:16]}…"
            )
        if p.quasi_static_channels:
            drifting = ", ".join(f"{c.name} ({c.low:.4g} to {c.high:.4g})" for c in p.quasi_static_channels)
            lines.append(f"  a bias within these levels would pass for drift: {drifting}")
        lines += [f"  {skipped.name}: could not run, {skipped.reason}" for skipped in p.could_not_run]
        if p.excluded_channels:
            lines.append(f"  not checked: {', '.join(c.name for c in p.excluded_channels)}")
        checked = {
            "evidence": self.evidence_checked,
            "chain": self.chain_checked,
            "nonce": self.nonce_checked,
        }
        lines += [f"  {what}: not compared, none was given" for what, done in checked.items() if not done]
        return "\n".join([*lines, p.limitation])


def verify_certificate(
    envelope: bytes | dict[str, Any],
    public_key_pem: bytes,
    *,
    evidence: bytes | None = None,
    previous: bytes | dict[str, Any] | None = None,
    nonce: bytes | None = None,
) -> VerifiedCertificate:
    """Verify a certificate: signature, form, arithmetic, and whatever else is given to compare with.

    Args:
        envelope: The certificate, as bytes of JSON or as a parsed dict.
        public_key_pem: The issuer's Ed25519 public key.
        evidence: The raw window as ``window_bytes`` wrote it.
        previous: The certificate that this one should follow.
        nonce: The challenge that this one should answer.

    Raises:
        ProofError: The first thing that is wrong, as the subclass that names its kind.
    """
    public_key = load_public_key(public_key_pem)
    statement = parse_statement(open_envelope(envelope, public_key))
    predicate = statement.predicate
    _check_arithmetic(predicate)
    _check_subject(statement)
    if evidence is not None and hashlib.sha256(evidence).hexdigest() != predicate.evidence_sha256:
        raise EvidenceMismatchError(
            "the evidence is not the window that was certified (SHA-256 differs)",
            hint="give the evidence written with this certificate",
        )
    if previous is not None and certificate_digest(previous) != predicate.previous_sha256:
        raise ChainMismatchError(
            "the certificate does not follow the one given as previous",
            hint="look for a missing, reordered or replaced certificate",
        )
    if nonce is not None and predicate.nonce != nonce.hex():
        raise NonceMismatchError(
            "the certificate does not answer this nonce", hint="ask the issuer for a fresh certificate"
        )
    return VerifiedCertificate(
        statement=statement,
        digest=certificate_digest(envelope),
        key_id=key_id(public_key),
        evidence_checked=evidence is not None,
        chain_checked=previous is not None,
        nonce_checked=nonce is not None,
    )


def verify_chain(
    envelopes: Sequence[bytes | dict[str, Any]], public_key_pem: bytes
) -> tuple[VerifiedCertificate, ...]:
    """Verify certificates of one stream, oldest first, each following the one before.

    Raises:
        ProofError: As ``verify_certificate``; ChainMismatchError if the first has a predecessor that is
            absent, or the stream changes.
    """
    verified: list[VerifiedCertificate] = []
    for position, envelope in enumerate(envelopes):
        previous = envelopes[position - 1] if position else None
        certificate = verify_certificate(envelope, public_key_pem, previous=previous)
        if not verified and certificate.predicate.previous_sha256 is not None:
            raise ChainMismatchError(
                "the first certificate names a predecessor that was not given", hint="give the whole chain"
            )
        if verified and certificate.predicate.stream != verified[-1].predicate.stream:
            raise ChainMismatchError(
                f"certificate {position + 1} is of stream {certificate.predicate.stream!r}",
                hint="verify the chain of one stream at a time",
            )
        verified.append(certificate)
    return tuple(verified)


def _check_arithmetic(predicate: EquilibriumPredicate) -> None:
    _check_lists(predicate)
    _check_p_values(predicate)
    _check_limits(predicate)


def _check_lists(predicate: EquilibriumPredicate) -> None:
    names = [check.name for check in predicate.checks] + [skip.name for skip in predicate.could_not_run]
    if sorted(names) != sorted(CheckName):
        raise _contradiction("the checks run and not run are not the five checks, each once")
    if predicate.checks_run != len(predicate.checks):
        raise _contradiction(
            f"checks_run is {predicate.checks_run} and {len(predicate.checks)} checks are listed"
        )
    challenged = CheckName.FRESHNESS in (check.name for check in predicate.checks)
    if predicate.freshness is not None and not challenged:
        raise _contradiction("freshness is recorded and not listed as run")
    if predicate.start > predicate.end:
        raise _contradiction("the window ends before it starts")
    if predicate.source and predicate.source.first_sequence > predicate.source.last_sequence:
        raise _contradiction("the source chain ends before it starts")


def _check_p_values(predicate: EquilibriumPredicate) -> None:
    threshold = predicate.alpha / predicate.checks_run
    if not math.isclose(predicate.bonferroni_threshold, threshold, rel_tol=1e-12):
        raise _contradiction(
            f"bonferroni_threshold {predicate.bonferroni_threshold:g} is not alpha / checks_run "
            f"= {threshold:g}"
        )
    grid = predicate.calibration_windows + 1
    if 1.0 / grid > threshold:
        raise _contradiction(f"{grid - 1} calibration windows cannot refuse anything at this alpha")
    for check in predicate.checks:
        if check.name is CheckName.FRESHNESS:
            _check_freshness(predicate, check)
            continue
        rank = check.p_value * grid
        if not 1.0 - 1e-9 <= rank <= grid + 1e-9 or abs(rank - round(rank)) > 1e-6:
            raise _contradiction(
                f"p-value {check.p_value:g} of {check.name} is no rank among {grid - 1} windows"
            )
    failing = [check.name for check in predicate.checks if check.p_value <= threshold]
    if failing or not predicate.consistent_with_equilibrium:
        said = "consistent" if predicate.consistent_with_equilibrium else "not consistent"
        raise _contradiction(
            f"the verdict is {said!r} and the failing checks are: {', '.join(failing) or 'none'}"
        )


def _check_limits(predicate: EquilibriumPredicate) -> None:
    if predicate.independent_windows > predicate.calibration_windows:
        raise _contradiction("more independent windows than calibration windows")
    certifiable = predicate.certifiable_alpha
    right = min(1.0, predicate.checks_run / (predicate.independent_windows + 1))
    if certifiable is not None and not math.isclose(certifiable, right, rel_tol=1e-12):
        raise _contradiction(f"certifiable_alpha {certifiable:g} is not checks / (windows + 1) = {right:g}")
    expected = limitation_text(
        predicate.alpha,
        predicate.samples,
        replay_p_value=predicate.freshness.replay_p_value if predicate.freshness else None,
        certifiable_alpha=certifiable,
    )
    if predicate.limitation != expected:
        raise _contradiction("the limitation text is not the one that belongs to alpha and n")


def _check_freshness(predicate: EquilibriumPredicate, check: CheckRecord) -> None:
    record = predicate.freshness
    if record is None or predicate.nonce is None:
        raise _contradiction("freshness is listed as run without the record or the nonce of a challenge")
    result = FreshnessResult(
        record.correlation,
        record.expected_correlation,
        record.gain_floor,
        record.live_spread,
        record.replay_spread,
        (),
    )
    pairs = ((check.p_value, result.p_value), (record.replay_p_value, result.replay_p_value))
    # An exponential of a square: a relative error of 1e-15 in its argument grows by the argument.
    if not all(math.isclose(said, right, rel_tol=1e-9) for said, right in pairs):
        raise _contradiction("the p-values of freshness do not follow from the recorded numbers")
    if record.replay_p_value > predicate.bonferroni_threshold:
        raise _contradiction(
            f"the challenge does not tell an answer from a replay (p = {record.replay_p_value:.3g})"
        )
    if record.started > predicate.start:
        raise _contradiction("the challenge started after the window")
    known = {*predicate.channels, *(channel.name for channel in predicate.excluded_channels)}
    if not set(record.answering_channels) <= known:
        raise _contradiction("channels answer that the window does not have")


def _check_subject(statement: Statement) -> None:
    predicate, subject = statement.predicate, statement.subject[0]
    if subject.digest != {"sha256": predicate.evidence_sha256}:
        raise _contradiction("the subject's digest is not the evidence digest")
    if subject.name != f"{predicate.stream}/{predicate.start}/{predicate.end}":
        raise _contradiction("the subject's name is not the stream and its time range")


def _contradiction(message: str) -> InconsistentCertificateError:
    return InconsistentCertificateError(message, hint=_HINT)
