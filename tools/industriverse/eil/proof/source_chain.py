"""A hash chain at the source: the device signs each block of samples together with the block before.

Where the source can sign, nobody between it and the issuer can drop, reorder, replace or replay a block without
breaking the chain. It says nothing about what happened before the device sampled, nor about a device whose key
was taken. Linking by hashes after Haber & Stornetta, "How to time-stamp a digital document", J. Cryptology 3
(1991); signatures Ed25519 (RFC 8032) over a domain-separated canonical JSON header (RFC 8785).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from industriverse.eil.proof.envelope import canonical_json
from industriverse.eil.proof.errors import SourceChainError
from industriverse.eil.proof.keys import key_id, load_public_key
from industriverse.eil.proof.windows import window_bytes
from industriverse.signals import Frame

__all__ = ["SourceBlock", "SourceChain", "SourceHead", "SourceSigner", "verify_source_chain"]

_CONTEXT = b"industriverse-source-1\n"
_HINT = "trust nothing from this block on; ask the device for its own copy"


@dataclass(frozen=True, slots=True, eq=False)
class SourceBlock:
    """Samples as the device signed them.

    Attributes:
        stream: Name of the stream.
        sequence: Number of the block, from 0.
        frame: The samples.
        previous_sha256: Digest of the block before, None for block 0.
        signature: Ed25519 over ``signed_bytes``.
    """

    stream: str
    sequence: int
    frame: Frame
    previous_sha256: str | None
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """What the signature covers: stream, number, link and the digest of the samples."""
        header: dict[str, Any] = {
            "stream": self.stream,
            "sequence": self.sequence,
            "previous_sha256": self.previous_sha256,
            "samples_sha256": hashlib.sha256(window_bytes(self.frame)).hexdigest(),
        }
        return _CONTEXT + canonical_json(header)

    @property
    def digest(self) -> str:
        """SHA-256 in hex by which the next block names this one."""
        return hashlib.sha256(self.signed_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class SourceHead:
    """Where a verified chain stands.

    Attributes:
        stream: Name of the stream.
        device_key_id: SHA-256 of the device's public key.
        first_sequence: Number of the first block verified.
        last_sequence: Number of the last one.
        head_sha256: Digest of the last one; it fixes every block before it.
    """

    stream: str
    device_key_id: str
    first_sequence: int
    last_sequence: int
    head_sha256: str


class SourceSigner:
    """The device's side: signs blocks in order. One signer a stream.

    Args:
        stream: Name of the stream.
        signing_key: The device's own key.
        after: The last block signed before a restart, None for a new chain.
    """

    def __init__(
        self, stream: str, signing_key: Ed25519PrivateKey, *, after: SourceBlock | None = None
    ) -> None:
        self._stream, self._key, self._last = stream, signing_key, after

    def sign(self, frame: Frame) -> SourceBlock:
        """Sign the next block.

        Raises:
            SourceChainError: If it has no samples or does not come after the last block.
        """
        last = self._last
        sequence = 0 if last is None else last.sequence + 1
        if not len(frame):
            raise SourceChainError(sequence, "no samples", hint="sign at least one")
        if last is not None and frame.timestamps_ns[0] <= last.frame.timestamps_ns[-1]:
            raise SourceChainError(sequence, "it does not come after the last one", hint="sign in time order")
        draft = SourceBlock(self._stream, sequence, frame, None if last is None else last.digest)
        signature = self._key.sign(draft.signed_bytes())
        self._last = SourceBlock(draft.stream, sequence, frame, draft.previous_sha256, signature)
        return self._last


@dataclass(frozen=True, slots=True, eq=False)
class SourceChain:
    """Blocks of a stream and the public key of the device that is said to have signed them."""

    blocks: Sequence[SourceBlock]
    device_public_key_pem: bytes
    previous_sha256: str | None = None

    def head_of(self, window: Frame) -> SourceHead:
        """Verify the chain, and that the window is what the device signed, sample by sample.

        Raises:
            SourceChainError: As ``verify_source_chain``; also for the first block whose samples differ from the
                window's, or if blocks end before the window does.
        """
        head = verify_source_chain(
            self.blocks, self.device_public_key_pem, previous_sha256=self.previous_sha256
        )
        start, stop = int(window.timestamps_ns[0]), int(window.timestamps_ns[-1])
        covered = 0
        for position, block in enumerate(self.blocks):
            signed = _rows_between(block.frame, start, stop)
            if window_bytes(signed) != window_bytes(window.rows(covered, covered + len(signed))):
                raise SourceChainError(position, "its samples are not the window's", hint=_HINT)
            covered += len(signed)
        if covered != len(window):
            raise SourceChainError(
                len(self.blocks) - 1, f"the chain covers {covered} of {len(window)} samples of the window",
                hint="give every block that the window reaches into",
            )  # fmt: skip
        return head


def verify_source_chain(
    blocks: Sequence[SourceBlock], device_public_key_pem: bytes, *, previous_sha256: str | None = None
) -> SourceHead:
    """Verify blocks oldest first, with the device's public key alone.

    Args:
        blocks: Consecutive blocks of one stream.
        device_public_key_pem: The device's Ed25519 public key.
        previous_sha256: Digest of the block before the first one; None if the first one is block 0.

    Raises:
        SourceChainError: For the first broken block, by position.
        KeyFileError: If the public key is none.
    """
    if not blocks:
        raise SourceChainError(0, "there is none", hint="give the device's blocks")
    key = load_public_key(device_public_key_pem)
    sequence = blocks[0].sequence
    if (sequence == 0) != (previous_sha256 is None):
        raise SourceChainError(
            0, f"block number {sequence} and {'no' if previous_sha256 is None else 'a'} predecessor",
            hint="give the chain from block 0, or the digest of the block before",
        )  # fmt: skip
    link, last_ns = previous_sha256, None
    for position, block in enumerate(blocks):
        _check_block(position, block, key)
        if block.stream != blocks[0].stream:
            raise SourceChainError(position, f"it is of stream {block.stream!r}", hint=_HINT)
        if block.sequence != sequence + position:
            raise SourceChainError(
                position, f"it is number {block.sequence} where {sequence + position} is due", hint=_HINT
            )
        if block.previous_sha256 != link:
            raise SourceChainError(position, "it does not follow the block before", hint=_HINT)
        if last_ns is not None and block.frame.timestamps_ns[0] <= last_ns:
            raise SourceChainError(position, "its time goes back", hint=_HINT)
        link, last_ns = block.digest, int(block.frame.timestamps_ns[-1])
    last = blocks[-1]
    return SourceHead(last.stream, key_id(key), sequence, last.sequence, last.digest)


def _check_block(position: int, block: SourceBlock, key: Ed25519PublicKey) -> None:
    if not len(block.frame):
        raise SourceChainError(position, "it holds no samples", hint=_HINT)
    try:
        key.verify(block.signature, block.signed_bytes())
    except InvalidSignature:
        raise SourceChainError(
            position,
            "the device's signature does not cover it: samples, number or link were changed",
            hint=_HINT,
        ) from None


def _rows_between(frame: Frame, start_ns: int, stop_ns: int) -> Frame:
    inside = (frame.timestamps_ns >= start_ns) & (frame.timestamps_ns <= stop_ns)
    return Frame(frame.timestamps_ns[inside], frame.values[inside], frame.channels)
