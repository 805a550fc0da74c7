"""Issue certificates: check a window, and sign only what is consistent with equilibrium."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from industriverse.eil.proof.checks import CheckName, CheckResult
from industriverse.eil.proof.envelope import seal
from industriverse.eil.proof.errors import NotInEquilibriumError, ProofError, ReferenceFitError
from industriverse.eil.proof.reference import EquilibriumReference
from industriverse.eil.proof.statement import (
    CheckRecord,
    CouldNotRun,
    EquilibriumPredicate,
    ExcludedChannel,
    Statement,
    Subject,
    limitation_text,
    utc_text,
)
from industriverse.eil.proof.windows import window_bytes
from industriverse.signals import Frame

__all__ = ["FRESHNESS_NOT_RUN", "prove"]

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

    Returns:
        A DSSE envelope as a JSON-ready dict.

    Raises:
        NotInEquilibriumError: If a check fails; no certificate is signed for a disturbed window.
        ReferenceFitError: If the reference has too few calibration windows for any check to fail at alpha.
        WindowError: If the window cannot be compared with the reference.
        ProofError: If alpha or stream is out of range.
    """
    if not 0.0 < alpha < 1.0:
        raise ProofError(f"alpha = {alpha} is not between 0 and 1", hint="0.05 or 0.01 are usual")
    if not stream:
        raise ProofError("the stream has no name", hint="name the stream that the window comes from")
    results = reference.check(window)
    threshold = alpha / len(results)
    if 1.0 / (reference.calibration_windows + 1) > threshold:
        raise ReferenceFitError(
            f"{reference.calibration_windows} calibration windows cannot refuse anything "
            f"at alpha = {alpha:g}",
            hint=f"raise alpha or give clean data for at least {int(np.ceil(1.0 / threshold)) - 1} windows",
        )
    failing = [(str(result.name), result.p_value) for result in results if result.p_value <= threshold]
    if failing:
        raise NotInEquilibriumError(failing, threshold, stream)
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
        could_not_run=[CouldNotRun(name=CheckName.FRESHNESS, reason=FRESHNESS_NOT_RUN)],
        reversal_refusal_rate=reference.reversal_refusal_rate(threshold),
        calibration_windows=reference.calibration_windows,
        independent_windows=reference.independent_windows,
        evidence_sha256=evidence,
        reference_sha256=reference.digest,
        nonce=nonce.hex() if nonce else None,
        previous_sha256=previous_digest,
        consistent_with_equilibrium=True,
        limitation=limitation_text(alpha, len(window)),
    )
    name = f"{stream}/{predicate.start}/{predicate.end}"
    statement = Statement(subject=[Subject(name=name, digest={"sha256": evidence})], predicate=predicate)
    return seal(statement.payload(), signing_key)


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
