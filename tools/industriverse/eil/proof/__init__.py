"""Proof of Equilibrium: receipts, verifiable offline, that a window is like its clean reference."""

from industriverse.eil.proof.challenge import Actuator, Challenge
from industriverse.eil.proof.checks import CheckName, CheckResult
from industriverse.eil.proof.envelope import certificate_digest
from industriverse.eil.proof.errors import (
    ChainMismatchError,
    ChallengeError,
    ChallengeUndecidedError,
    EvidenceMismatchError,
    InconsistentCertificateError,
    KeyFileError,
    MalformedCertificateError,
    NonceMismatchError,
    NotInEquilibriumError,
    ProofError,
    ReferenceFitError,
    ReferenceFormatError,
    SourceChainError,
    TamperedCertificateError,
    UnknownPredicateError,
    WatermarkError,
    WatermarkFitError,
    WindowError,
    WrongKeyError,
)
from industriverse.eil.proof.issue import prove
from industriverse.eil.proof.keys import (
    generate_signing_key,
    key_id,
    load_public_key,
    load_signing_key,
    public_key_pem,
)
from industriverse.eil.proof.recheck import recheck_freshness, recheck_source
from industriverse.eil.proof.reference import EquilibriumReference
from industriverse.eil.proof.source_chain import (
    SourceBlock,
    SourceChain,
    SourceHead,
    SourceSigner,
    verify_source_chain,
)
from industriverse.eil.proof.verify import VerifiedCertificate, verify_certificate, verify_chain
from industriverse.eil.proof.watermark import FreshnessResult, Watermark, WatermarkModel
from industriverse.eil.proof.windows import frame_from_window_bytes, window_bytes

__all__ = [
    "Actuator",
    "ChainMismatchError",
    "Challenge",
    "ChallengeError",
    "ChallengeUndecidedError",
    "CheckName",
    "CheckResult",
    "EquilibriumReference",
    "EvidenceMismatchError",
    "FreshnessResult",
    "InconsistentCertificateError",
    "KeyFileError",
    "MalformedCertificateError",
    "NonceMismatchError",
    "NotInEquilibriumError",
    "ProofError",
    "ReferenceFitError",
    "ReferenceFormatError",
    "SourceBlock",
    "SourceChain",
    "SourceChainError",
    "SourceHead",
    "SourceSigner",
    "TamperedCertificateError",
    "UnknownPredicateError",
    "VerifiedCertificate",
    "Watermark",
    "WatermarkError",
    "WatermarkFitError",
    "WatermarkModel",
    "WindowError",
    "WrongKeyError",
    "certificate_digest",
    "frame_from_window_bytes",
    "generate_signing_key",
    "key_id",
    "load_public_key",
    "load_signing_key",
    "prove",
    "public_key_pem",
    "recheck_freshness",
    "recheck_source",
    "verify_certificate",
    "verify_chain",
    "verify_source_chain",
    "window_bytes",
]
