"""What stands between certificates and tokens: this installation's verifier for the mint."""

from collections.abc import Callable, Sequence
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
    from industriverse.economy.validation import Queued

__all__ = ["mint_certificate", "minted_for", "own_envelope", "proof_mint", "queue_certificate"]


def proof_mint(
    ledger: "Ledger", certificates: Path, public_key: bytes, clock_ns: Callable[[], int]
) -> "ProofMint":
    """The mint of an installation: what it signed, on windows that it keeps, is what it trusts.

    Args:
        ledger: Where PFT are booked.
        certificates: Folder of the certificates' windows.
        public_key: Key of the installation, PEM.
        clock_ns: Wall clock, nanoseconds since 1970-01-01 UTC.
    """
    from industriverse.economy.minting import ProofMint, VerifiedEvidence

    def verifier(envelope: bytes) -> VerifiedEvidence:
        predicate = verify_certificate(envelope, public_key).predicate
        evidence = _evidence(certificates, predicate.evidence_sha256)
        verify_certificate(envelope, public_key, evidence=evidence)
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

    return ProofMint(ledger, verifier, clock_ns=clock_ns)


def _mint(services: Services) -> "ProofMint":
    folder, key = services.home.paths.certificates, services.certificates.public_key
    return proof_mint(services.ledger, folder, key, services.clock)


def _evidence(folder: Path, evidence_sha256: str) -> bytes:
    path = folder / f"{evidence_sha256}.window"
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


def queue_certificate(
    services: Services, certificate_id: str, owner: str, *, again: bool = False
) -> "Queued":
    """Put a certificate into the queue of the mint, try whatever is due there, and tell where it stands.

    Args:
        services: The stores.
        certificate_id: The certificate.
        owner: Account of the caller.
        again: Whether to take it back from the dead letters.

    Raises:
        NotFoundError: If there is no such certificate.
        NotAllowedError: If it is not the owner who asks.
        QueueError: If it is to be taken back and is no dead letter.
    """
    from industriverse.economy.validation import ProofQueue

    queue = ProofQueue(_mint(services), clock_ns=services.clock)
    queued = queue.submit(own_envelope(services, certificate_id, owner), owner)
    if again:
        queue.retry(queued.id)
    queue.run()
    return queue.read(queued.id)
