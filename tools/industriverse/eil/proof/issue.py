"""Issue certificates: check a window, and sign only what is consistent with equilibrium."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from industriverse.eil.proof.checks import CheckName, CheckResult
from industriverse.eil.proof.envelope import seal
from industriverse.eil.proof.errors import (
    ChallengeUndecidedError,
    NotInEquilibriumError,
    ProofError,
    ReferenceFitError,
    WatermarkError,
)
from industriverse.eil.proof.reference import EquilibriumReference
from industriverse.eil.proof.source_chain import SourceChain, SourceHead
from industriverse.eil.proof.statement import (
    CheckRecord,
    CouldNotRun,
    EquilibriumPredicate,
    ExcludedChannel,
    FreshnessRecord,
    QuasiStaticChannel,
    SourceRecord,
    Statement,
    Subject,
    limitation_text,
    utc_text,
)
from industriverse.eil.proof.watermark import FreshnessResult, Watermark
from industriverse.eil.proof.windows import window_bytes
from industriverse.signals import Frame

__all__ = ["FRESHNESS_NOT_RUN", "freshness_record", "prove", "source_record"]

FRESHNESS_NOT_RUN = (
    "no keyed challenge was injected into the process, so a replay of clean data cannot be told from live "
    "data; nonce and previous digest date the signature, not the samples"
)


def prove(
    window: Frame,
    reference: EquilibriumReference,
    *,
    stream: str,
    alpha: float,
    nonce: bytes | None,
    previous_digest: str | None,
    signing_key: Ed25519PrivateKey,
    clock: Callable[[], int],
    watermark: Watermark | None = None,
    source: SourceChain | None = None,
    require_certifiable: bool = False,
) -> dict[str, Any]:
    """Certify that a window is consistent with the reference, or refuse.

    Args:
        window: Exactly ``reference.window`` samples.
        reference: The clean model of the stream.
        stream: Name of the stream.
        alpha: Probability of refusing a clean window over all checks together, in (0, 1).
        nonce: Challenge of whoever will verify; it shows that the signature is not older than the challenge.
        previous_digest: ``certificate_digest`` of the stream's previous certificate, None for the first.
        signing_key: The issuer's key.
        clock: Returns nanoseconds since 1970-01-01 UTC.
        watermark: The keyed challenge that was on during the window; with it freshness is the fifth check. Its
            nonce is the certificate's.
        source: The device's signed chain, which has to hold the window sample by sample.
        require_certifiable: Refuse if the reference rests on too few independent windows for alpha. Otherwise
            the certificate says so.

    Returns:
        A DSSE envelope as a JSON-ready dict.

    Raises:
        NotInEquilibriumError: If a check fails; no certificate is signed for a disturbed window.
        ReferenceFitError: If the reference has too few calibration windows for any check to fail at alpha.
        WindowError: If the window cannot be compared with the reference.
        WatermarkError: If the challenge is not the window's or has another nonce.
        SourceChainError: If the device's chain is broken or holds another window.
        ProofError: If alpha or stream is out of range.
    """
    _check_request(stream, alpha, nonce, watermark)
    results = reference.check(window)
    fresh = None if watermark is None else watermark.check(window)
    head = None if source is None else source.head_of(window)
    if head is not None and head.stream != stream:
        raise ProofError(
            f"the device signed stream {head.stream!r}, not {stream!r}", hint="give the chain of this stream"
        )
    if fresh is not None:
        results += (fresh.as_check(),)
    threshold = alpha / len(results)
    certifiable = reference.certifiable_alpha(len(results))
    _check_resolution(reference, alpha, threshold, certifiable if require_certifiable else 0.0)
    failing = [(str(result.name), result.p_value) for result in results if result.p_value <= threshold]
    if failing:
        raise NotInEquilibriumError(failing, threshold, stream)
    if fresh is not None and not fresh.is_fresh(threshold):
        raise ChallengeUndecidedError(fresh.replay_p_value, threshold, stream)
    evidence = hashlib.sha256(window_bytes(window)).hexdigest()
    predicate = EquilibriumPredicate(
        stream=stream,
        start=utc_text(int(window.timestamps_ns[0])),
        end=utc_text(int(window.timestamps_ns[-1])),
        issued=utc_text(clock()),
        samples=len(window),
        missing_samples=int(np.isnan(window.values).sum()),
        channels=list(reference.channels),
        excluded_channels=_excluded(window, reference),
        alpha=alpha,
        checks_run=len(results),
        bonferroni_threshold=threshold,
        checks=_records(results),
        could_not_run=[] if fresh else [CouldNotRun(name=CheckName.FRESHNESS, reason=FRESHNESS_NOT_RUN)],
        reversal_refusal_rate=reference.reversal_refusal_rate(threshold),
        calibration_windows=reference.calibration_windows,
        independent_windows=reference.independent_windows,
        evidence_sha256=evidence,
        reference_sha256=reference.digest,
        nonce=_nonce(nonce, watermark),
        previous_sha256=previous_digest,
        certifiable_alpha=certifiable,
        quasi_static_channels=_quasi_static(reference),
        freshness=freshness_record(fresh, watermark, threshold) if fresh and watermark else None,
        source=source_record(head) if head else None,
        consistent_with_equilibrium=True,
        limitation=limitation_text(
            alpha,
            len(window),
            replay_p_value=fresh.replay_p_value if fresh else None,
            certifiable_alpha=certifiable,
        ),
    )
    name = f"{stream}/{predicate.start}/{predicate.end}"
    statement = Statement(subject=[Subject(name=name, digest={"sha256": evidence})], predicate=predicate)
    return seal(statement.payload(), signing_key)


def _check_request(stream: str, alpha: float, nonce: bytes | None, watermark: Watermark | None) -> None:
    if not 0.0 < alpha < 1.0:
        raise ProofError(f"alpha = {alpha} is not between 0 and 1", hint="0.05 or 0.01 are usual")
    if not stream:
        raise ProofError("the stream has no name", hint="name the stream that the window comes from")
    if watermark is not None and nonce and nonce != watermark.challenge.nonce:
        raise WatermarkError(
            "the certificate would answer one nonce and the actuator another",
            hint="start the actuator's challenge with the verifier's nonce",
        )


def _check_resolution(
    reference: EquilibriumReference, alpha: float, threshold: float, certifiable: float
) -> None:
    needed = int(np.ceil(1.0 / threshold)) - 1
    if 1.0 / (reference.calibration_windows + 1) > threshold:
        raise ReferenceFitError(
            f"{reference.calibration_windows} calibration windows cannot refuse anything "
            f"at alpha = {alpha:g}",
            hint=f"raise alpha or give clean data for at least {needed} windows",
        )
    if certifiable > alpha:
        raise ReferenceFitError(
            f"{reference.independent_windows} independent clean windows certify alpha = {certifiable:.3g} at best, "
            f"not {alpha:g}",
            # The earlier half of the clean data fixes the coordinates; only the later half counts.
            hint=f"give clean data for {2 * needed} windows, or allow a larger alpha",
        )


def _quasi_static(reference: EquilibriumReference) -> list[QuasiStaticChannel] | None:
    drifting = reference.quasi_static
    return [QuasiStaticChannel(name=n, low=low, high=high) for n, low, high in drifting] or None


def _nonce(nonce: bytes | None, watermark: Watermark | None) -> str | None:
    answered = watermark.challenge.nonce if watermark else nonce
    return answered.hex() if answered else None


def freshness_record(fresh: FreshnessResult, watermark: Watermark, threshold: float) -> FreshnessRecord:
    """The numbers of a freshness check as a certificate states them."""
    return FreshnessRecord(
        actuator=watermark.challenge.actuator.name,
        amplitude_share=watermark.challenge.actuator.share,
        started=utc_text(watermark.challenge.start_ns),
        session_key_sha256=watermark.challenge.commitment,
        model_sha256=watermark.model.digest,
        correlation=fresh.correlation,
        expected_correlation=fresh.expected,
        gain_floor=fresh.gain_floor,
        live_spread=fresh.live_spread,
        replay_spread=fresh.replay_spread,
        replay_p_value=fresh.replay_p_value,
        answering_channels=list(fresh.answering(threshold)),
    )


def source_record(head: SourceHead) -> SourceRecord:
    """The head of a device's chain as a certificate states it."""
    return SourceRecord(
        device_key_id=head.device_key_id,
        first_sequence=head.first_sequence,
        last_sequence=head.last_sequence,
        head_sha256=head.head_sha256,
    )


def _records(results: Sequence[CheckResult]) -> list[CheckRecord]:
    return [
        CheckRecord(
            name=result.name,
            p_value=result.p_value,
            score=result.score,
            quantity=result.quantity,
            measured=result.measured,
            expected=result.expected,
        )
        for result in results
    ]


def _excluded(window: Frame, reference: EquilibriumReference) -> list[ExcludedChannel]:
    known = dict(reference.excluded)
    checked = set(reference.channels)
    listed = [ExcludedChannel(name=name, reason=reason) for name, reason in reference.excluded]
    unknown = [name for name in window.names if name not in checked and name not in known]
    return listed + [ExcludedChannel(name=name, reason="not in the reference") for name in unknown]
