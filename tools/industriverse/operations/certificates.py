"""Certificates of this installation: issued once per window, kept as objects, signed with its own key."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from industriverse.eil.proof.envelope import certificate_digest
from industriverse.eil.proof.errors import ChainMismatchError, ProofError
from industriverse.eil.proof.issue import prove
from industriverse.eil.proof.keys import generate_signing_key, load_signing_key, public_key_pem
from industriverse.eil.proof.reference import EquilibriumReference
from industriverse.eil.proof.verify import VerifiedCertificate, verify_certificate
from industriverse.eil.proof.watermark import Watermark
from industriverse.eil.proof.windows import window_bytes
from industriverse.operations.errors import NotFoundError
from industriverse.operations.home import Home
from industriverse.signals import Frame
from industriverse.storage import write_whole

__all__ = ["CertificateStore", "DigestMismatchError", "Issued"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


class DigestMismatchError(ProofError):
    """A certificate lies under the name of another one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and where its files lie.

    Attributes:
        certificate_id: SHA-256 digest by which a following certificate names this one.
        path: The certificate, JSON.
        evidence_path: The raw window that it speaks of.
        owner: Account of whoever had this window certified first, empty if that was before it was noted.
        verified: What verification with the public key says.
        envelope: The certificate itself.
    """

    certificate_id: str
    path: str
    evidence_path: str
    owner: str
    verified: VerifiedCertificate
    envelope: dict[str, Any]


class _Keeper(Protocol):
    def put_bytes(self, content: bytes) -> str: ...


class CertificateStore:
    """Issues, keeps and finds certificates.

    Args:
        home: Holds the keys and the certificates' folder.
        objects: Where evidence and envelopes are kept by content.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, home: Home, objects: _Keeper, *, clock: Callable[[], int]) -> None:
        self._paths = home.paths
        self._objects = objects
        self._clock = clock
        self._paths.certificates.mkdir(parents=True, exist_ok=True)
        self._paths.signing_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._paths.signing_key.exists():
            self._key = load_signing_key(self._paths.signing_key)
        else:
            self._key = generate_signing_key(self._paths.signing_key)
        self.public_key = public_key_pem(self._key)
        self._paths.public_key.write_bytes(self.public_key)

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs what leaves this installation."""
        return self._key

    def issue(
        self,
        window: Frame,
        reference: EquilibriumReference,
        *,
        stream: str,
        alpha: float,
        nonce: bytes | None,
        owner: str,
        watermark: Watermark | None = None,
    ) -> Issued:
        """Certify a window, or return the certificate that this very window has already.

        The window belongs to ``owner`` if nobody had it certified before, whatever level and nonce are asked for.

        Args:
            window: The samples.
            reference: The clean model of the stream.
            stream: Name of the stream.
            alpha: Probability of refusing a clean window.
            nonce: Challenge of whoever will verify; that of the actuator where one was on.
            owner: Who asks.
            watermark: The keyed challenge that was on during the window, None if there was none.

        Raises:
            NotInEquilibriumError: If a check fails.
            ChainMismatchError: If the stream's last certificate is gone or does not follow the one before.
            ProofError: If the window cannot be checked.
        """
        evidence = window_bytes(window)
        chain = self._chain(stream)
        answered = watermark.challenge.nonce if watermark and nonce is None else nonce
        if chain:
            self._check_link(chain, len(chain) - 1)
        evidence_id = self._objects.put_bytes(evidence)
        for certificate_id in reversed(chain):
            known = self.find(certificate_id)
            predicate = known.verified.predicate
            same = predicate.evidence_sha256 == evidence_id and predicate.alpha == alpha
            challenged = (predicate.freshness is None) == (watermark is None)
            if same and challenged and (answered is None or predicate.nonce == answered.hex()):
                return known
        envelope = prove(
            window,
            reference,
            stream=stream,
            alpha=alpha,
            nonce=nonce,
            previous_digest=chain[-1] if chain else None,
            signing_key=self._key,
            clock=self._clock,
            watermark=watermark,
        )
        certificate_id = certificate_digest(envelope)
        window_path = self._paths.certificates / f"{evidence_id}.window"
        if not window_path.exists():
            write_whole(self._owner_path(evidence_id), owner.encode())
            write_whole(window_path, evidence)
        write_whole(self._certificate_path(certificate_id), json.dumps(envelope, indent=1).encode())
        # The chain is what counts: a certificate that a dying process left out of it is issued anew.
        write_whole(self._chain_path(stream), "\n".join([*chain, certificate_id]).encode())
        return self.find(certificate_id)

    def find(self, certificate_id: str) -> Issued:
        """A certificate by its id, verified on the way.

        Raises:
            NotFoundError: If there is none.
            ProofError: If it was changed since it was issued.
        """
        path = self._certificate_path(certificate_id)
        if not _DIGEST.fullmatch(certificate_id) or not path.exists():
            raise NotFoundError(
                f"no certificate {certificate_id[:80]!r}", hint="call eil_prove to issue one, or check the id"
            )
        content = path.read_bytes()
        verified = verify_certificate(content, self.public_key)
        if verified.digest != certificate_id:
            raise DigestMismatchError(
                f"the file of certificate {certificate_id[:16]} holds another certificate, {verified.digest[:16]}",
                hint="restore the file from a backup",
            )
        envelope: dict[str, Any] = json.loads(content)
        evidence = self._paths.certificates / f"{verified.predicate.evidence_sha256}.window"
        noted = self._owner_path(verified.predicate.evidence_sha256)
        owner = noted.read_text() if noted.exists() else ""
        return Issued(certificate_id, str(path), str(evidence), owner, verified, envelope)

    def of_stream(self, stream: str) -> tuple[str, ...]:
        """Ids of a stream's certificates, oldest first."""
        return self._chain(stream)

    def check_chain(self, stream: str) -> tuple[Issued, ...]:
        """Every certificate of a stream, oldest first, each verified to follow the one before.

        What cannot be told from here: certificates cut off at the end. Whoever keeps a later one, or the log in
        which it was entered, can tell.

        Raises:
            ChainMismatchError: If one is missing, in another place, twice there, or of another stream.
            ProofError: If one was changed since it was issued.
        """
        chain = self._chain(stream)
        return tuple(self._check_link(chain, position, stream) for position in range(len(chain)))

    def _check_link(self, chain: tuple[str, ...], position: int, stream: str = "") -> Issued:
        """The certificate at a place of a chain, which has to name the one at the place before."""
        where = f"certificate {position + 1} of {len(chain)}"
        previous = chain[position - 1] if position else None
        try:
            issued = self.find(chain[position])
            if previous is not None:
                self.find(previous)
        except NotFoundError as error:
            raise ChainMismatchError(
                f"{where}, or the one before it, is gone ({error})", hint="restore the folder from a backup"
            ) from error
        predicate = issued.verified.predicate
        if predicate.previous_sha256 != previous:
            named = (predicate.previous_sha256 or "none")[:16]
            raise ChainMismatchError(
                f"{where}, {chain[position][:16]}, follows {named} and stands after {(previous or 'none')[:16]}",
                hint="certificates are missing or were reordered; restore the folder from a backup",
            )
        if stream and predicate.stream != stream:
            raise ChainMismatchError(
                f"{where} is of stream {predicate.stream!r}", hint="restore the folder from a backup"
            )
        return issued

    def _certificate_path(self, certificate_id: str) -> Path:
        return self._paths.certificates / f"{certificate_id}.json"

    def _owner_path(self, evidence_sha256: str) -> Path:
        return self._paths.certificates / f"{evidence_sha256}.owner"

    def _chain_path(self, stream: str) -> Path:
        # Names come from callers; a digest means nothing to the file system and is never too long for it.
        return self._paths.certificates / f"{hashlib.sha256(stream.encode()).hexdigest()[:32]}.chain"

    def _chain(self, stream: str) -> tuple[str, ...]:
        path = self._chain_path(stream)
        return tuple(path.read_text().split()) if path.exists() else ()
