"""What a verifier with more than the public key can repeat: the answer to the challenge, the device's chain.

The party that shares the actuator's secret derives the session itself. A third party may do so once the session
key is disclosed; it then relies on the issuer for one thing, that the key was fixed before the window was sampled.
"""

import hashlib

from industriverse.eil.proof.errors import EvidenceMismatchError, SourceChainError, WatermarkError
from industriverse.eil.proof.issue import freshness_record, source_record
from industriverse.eil.proof.source_chain import SourceChain
from industriverse.eil.proof.verify import VerifiedCertificate
from industriverse.eil.proof.watermark import Watermark
from industriverse.eil.proof.windows import frame_from_window_bytes, window_bytes
from industriverse.signals import Frame

__all__ = ["recheck_freshness", "recheck_source"]


def recheck_freshness(certificate: VerifiedCertificate, evidence: bytes, watermark: Watermark) -> None:
    """Repeat the test of the challenge on the raw window and compare with what was certified.

    Args:
        certificate: A verified certificate.
        evidence: The raw window as ``window_bytes`` wrote it.
        watermark: The model, and the challenge as the verifier derives it or as it was disclosed.

    Raises:
        WatermarkError: If the certificate records no challenge, another one, or other numbers.
        EvidenceMismatchError: If the evidence is not the certified window.
    """
    said = certificate.predicate.freshness
    if said is None:
        raise WatermarkError(
            "the certificate records no challenge", hint="ask for one issued under a challenge"
        )
    if certificate.predicate.nonce != watermark.challenge.nonce.hex():
        raise WatermarkError("the certificate answers another nonce", hint="give the challenge of this nonce")
    window = _window(certificate, evidence)
    threshold = certificate.predicate.bonferroni_threshold
    found = freshness_record(watermark.check(window), watermark, threshold).model_dump()
    differing = [name for name, value in said.model_dump().items() if not _same(value, found[name])]
    if differing:
        raise WatermarkError(
            f"the test of the challenge does not repeat: {', '.join(differing)} differ",
            hint="the session key, the model or the issuer is not the one it should be; do not rely on freshness",
        )


def recheck_source(certificate: VerifiedCertificate, evidence: bytes, chain: SourceChain) -> None:
    """Verify the device's own chain and compare its head with what was certified.

    Raises:
        SourceChainError: If the chain is broken, holds another window or has another head.
        EvidenceMismatchError: If the evidence is not the certified window.
    """
    found = source_record(chain.head_of(_window(certificate, evidence)))
    if certificate.predicate.source != found:
        raise SourceChainError(
            len(chain.blocks) - 1,
            "the head is not the one in the certificate",
            hint="give the blocks it names",
        )


def _window(certificate: VerifiedCertificate, evidence: bytes) -> Frame:
    window = frame_from_window_bytes(evidence)
    said = certificate.statement.subject[0].digest["sha256"]
    if hashlib.sha256(window_bytes(window)).hexdigest() != said:
        raise EvidenceMismatchError(
            "the evidence is not the window that was certified (SHA-256 differs)",
            hint="give the evidence written with this certificate",
        )
    return window


def _same(said: object, found: object) -> bool:
    # Another machine's linear algebra may differ in the last digits.
    if isinstance(said, float) and isinstance(found, float):
        return abs(said - found) <= 1e-6 * max(abs(said), abs(found))
    return said == found
