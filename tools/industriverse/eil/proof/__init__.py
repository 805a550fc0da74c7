"""Proof of Equilibrium: receipts, verifiable offline, that a window is like its clean reference."""

from industriverse.eil.proof.checks import CheckName, CheckResult
from industriverse.eil.proof.envelope import certificate_digest
from industriverse.eil.proof.errors import (
    ChainMismatchError,
    EvidenceMismatchError,
    InconsistentCertificateError,
    KeyFileError,
    MalformedCertificateError,
    NonceMismatchError,
    NotInEquilibriumError,
    ProofError,
    ReferenceFitError,
    ReferenceFormatError,
    TamperedCertificateError,
    UnknownPredicateError,
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
from industriverse.eil.proof.reference import EquilibriumReference
from industriverse.eil.proof.verify import VerifiedCertificate, verify_certificate, verify_chain
from industriverse.eil.proof.windows import frame_from_window_bytes, window_bytes

__all__ = [
    "ChainMismatchError",
    "CheckName",
    "CheckResult",
    "EquilibriumReference",
    "EvidenceMismatchError",
    "InconsistentCertificateError",
    "KeyFileError",
    "MalformedCertificateError",
    "NonceMismatchError",
    "NotInEquilibriumError",
    "ProofError",
    "ReferenceFitError",
    "ReferenceFormatError",
    "TamperedCertificateError",
    "UnknownPredicateError",
    "VerifiedCertificate",
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
    "verify_certificate",
    "verify_chain",
    "window_bytes",
]
