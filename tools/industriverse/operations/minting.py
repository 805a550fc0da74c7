"""What stands between certificates and tokens: this installation's verifier for the mint."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from industriverse.economy.money import Asset
from industriverse.eil.proof.verify import verify_certificate
from industriverse.eil.proof.windows import frame_from_window_bytes
from industriverse.operations.amounts import TREASURY
from industriverse.operations.errors import NotAllowedError, NotFoundError
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time
from industriverse.signals import Frame

if TYPE_CHECKING:
    from industriverse.economy.ledger import Ledger
    from industriverse.economy.minting import Mint, ProofMint

__all__ = ["mint_certificate", "minted_for", "own_envelope"]


def _mint(services: Services) -> "ProofMint":
    from industriverse.economy.minting import ProofMint, VerifiedEvidence

    def verifier(envelope: bytes) -> VerifiedEvidence:
        key = services.certificates.public_key
        predicate = verify_certificate(envelope, key).predicate
        evidence = _evidence(services, predicate.evidence_sha256)
        verify_certificate(envelope, key, evidence=evidence)
        return VerifiedEvidence(
            evidence_sha256=predicate.evidence_sha256,
            stream=predicate.stream,
            alpha=predicate.alpha,
            samples=predicate.samples,
            checks_passed=len(predicate.checks),
            checks_run=predicate.checks_run,
            issued_ns=parse_time(predicate.issued, "issued"),
            start_ns=parse_time(predicate.start, "start"),
            end_ns=parse_time(predicate.end, "end"),
            channels=len(predicate.channels),
            moving_channels=_moving(frame_from_window_bytes(evidence), predicate.channels),
        )

    return ProofMint(services.ledger, verifier, clock_ns=services.clock)


def _evidence(services: Services, evidence_sha256: str) -> bytes:
    path = services.home.paths.certificates / f"{evidence_sha256}.window"
    if not path.exists():
        raise NotFoundError("the window of the certificate is not kept here", hint="restore it from a backup")
    return path.read_bytes()


def _moving(window: Frame, names: Sequence[str]) -> int:
    """How many channels do not hold one value all through a window."""
    columns = (window.column(name) for name in names)
    return sum(len(np.unique(column[np.isfinite(column)])) > 1 for column in columns)


def minted_for(ledger: "Ledger", evidence_sha256: str, owner: str) -> int:
    """Micro-PFT that an owner got for a piece of evidence; 0 if none were minted."""
    transaction = ledger.find(f"mint:{evidence_sha256}")
    if transaction is None:
        return 0
    page = ledger.entries(account=owner, asset=Asset.PFT, limit=500)
    while page.entries:
        for entry in page.entries:
            if entry.sequence == transaction.sequence:
                return entry.amount
        page = ledger.entries(account=owner, asset=Asset.PFT, limit=500, cursor=page.next_cursor)
    return 0


def own_envelope(services: Services, certificate_id: str, owner: str) -> bytes:
    """A certificate of this installation, for the account of whoever had its window certified first.

    Nobody is noted for certificates from before owners were; they belong to whoever owns the installation.

    Raises:
        NotFoundError: If there is no such certificate.
        NotAllowedError: If it is somebody else's.
    """
    issued = services.certificates.find(certificate_id)
    if (issued.owner or TREASURY) != owner:
        raise NotAllowedError(
            f"the window of certificate {certificate_id[:16]} was certified for another caller first",
            hint="prove a window of your own with eil_prove",
        )
    return Path(issued.path).read_bytes()


def mint_certificate(services: Services, certificate_id: str, owner: str) -> "Mint":
    """Mint PFT for a certificate of this installation, into its owner's account.

    Raises:
        NotFoundError: If there is no such certificate.
        NotAllowedError: If it is not the owner who asks.
        EconomyError: If it does not verify, has expired or its evidence was minted before.
    """
    return _mint(services).mint(own_envelope(services, certificate_id, owner), owner)
