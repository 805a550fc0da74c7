"""Errors of proof of equilibrium: each names the field that failed and what to do."""

from collections.abc import Sequence

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "ChainMismatchError",
    "ChallengeError",
    "ChallengeUndecidedError",
    "EvidenceMismatchError",
    "InconsistentCertificateError",
    "KeyFileError",
    "MalformedCertificateError",
    "NonceMismatchError",
    "NotInEquilibriumError",
    "ProofError",
    "ReferenceFitError",
    "ReferenceFormatError",
    "SourceChainError",
    "TamperedCertificateError",
    "UnknownPredicateError",
    "WatermarkError",
    "WatermarkFitError",
    "WindowError",
    "WrongKeyError",
]


class ProofError(IndustriverseError):
    """Root of every failure to issue or to verify a certificate."""


class ReferenceFitError(ProofError):
    """The clean data cannot carry an equilibrium reference."""


class ReferenceFormatError(ProofError):
    """A reference file is not one, or its contents do not match its digest."""


class WindowError(ProofError):
    """A window cannot be compared with the reference (length, channels, gaps or missing values)."""


class ChallengeError(ProofError):
    """A keyed challenge is impossible or would be guessable."""


class WatermarkFitError(ProofError):
    """The commissioning run does not show the excitation well enough to test for it."""


class WatermarkError(ProofError):
    """A watermark does not belong to the window, the nonce or the certificate."""


class KeyFileError(ProofError):
    """A key file is missing, malformed or readable by others."""


class MalformedCertificateError(ProofError):
    """The bytes are not a DSSE envelope around an in-toto statement in canonical JSON."""


class WrongKeyError(ProofError):
    """The certificate names another key than the one given."""


class TamperedCertificateError(ProofError):
    """The signature does not cover these bytes."""


class UnknownPredicateError(ProofError):
    """The statement is not of a type or predicate that this version understands."""


class InconsistentCertificateError(ProofError):
    """The signed numbers contradict each other."""


class EvidenceMismatchError(ProofError):
    """The evidence given is not the window that was certified."""


class ChainMismatchError(ProofError):
    """The certificate does not follow the one given as its predecessor."""


class NonceMismatchError(ProofError):
    """The certificate does not answer the verifier's nonce."""


class NotInEquilibriumError(ProofError):
    """A window was refused: at least one check is inconsistent with the reference. Nothing was signed.

    Args:
        failing: ``(check, p-value)`` of every failing check.
        threshold: The Bonferroni threshold that each p-value had to exceed.
        stream: Name of the stream.
    """

    def __init__(self, failing: Sequence[tuple[str, float]], threshold: float, stream: str) -> None:
        self.failing = tuple(failing)
        self.threshold = threshold
        named = ", ".join(f"{name} (p = {p:.3g})" for name, p in failing)
        super().__init__(
            f"no certificate for stream {stream!r}: {named} at or below the threshold {threshold:.3g}",
            hint="look at the tickets of this stream and prove a later window",
        )


class ChallengeUndecidedError(ProofError):
    """A window answers its challenge no worse than a live one and no better than a replay. Nothing was signed.

    Args:
        replay_p_value: What the replay test came to.
        threshold: What it had to come to at most.
        stream: Name of the stream.
    """

    def __init__(self, replay_p_value: float, threshold: float, stream: str) -> None:
        self.replay_p_value = replay_p_value
        self.threshold = threshold
        super().__init__(
            f"no certificate for stream {stream!r}: a replay would answer the challenge as well with probability "
            f"up to {replay_p_value:.3g}, and {threshold:.3g} is allowed",
            hint="prove a longer window (WatermarkModel.samples_needed) or excite with a larger share of the range",
        )


class SourceChainError(ProofError):
    """The chain that the device signed is broken.

    Args:
        position: Position of the first broken block in what was given, from 0.
        message: What is wrong with it.
        hint: What to do.
    """

    def __init__(self, position: int, message: str, *, hint: str) -> None:
        self.position = position
        super().__init__(f"block {position} of the source chain: {message}", hint=hint)
