"""Signed checkpoints: what the ledger was at a size, in a few lines that anyone can keep.

The form is that of the transparency log ecosystem, so that witnesses and tools of others can read it: the
text follows https://c2sp.org/tlog-checkpoint, the signature https://c2sp.org/signed-note. One extension line
holds the hash of all balances, so that an auditor can start from a checkpoint.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from industriverse.economy.errors import CheckpointError

__all__ = ["Checkpoint", "SigningKey", "open_note", "parse_note", "sign_note"]

# Signature type of Ed25519 in a key id, https://c2sp.org/signed-note.
_ED25519 = b"\x01"
_DASH = "—"
_MAX_NOTE = 10_000
_ORIGIN = re.compile(r"[!-*,-~]{1,100}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_STATE = re.compile(r"state sha256:([0-9a-f]{64})")


class SigningKey(Protocol):
    """What signs: an Ed25519 private key of ``cryptography``, or a device that holds one."""

    def sign(self, data: bytes, /) -> bytes:
        """The Ed25519 signature of the data, 64 bytes."""
        ...

    def public_key(self) -> Ed25519PublicKey:
        """The key by which others check it."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    Attributes:
        origin: Name of the log: visible ASCII without ``+``, also the name of its key.
        size: How many transactions it covers.
        root: Root of the Merkle tree over them, 32 bytes.
        state: SHA-256 (hex) of all balances, contracts and minted evidence after the last of them.

    Raises:
        CheckpointError: If a field is out of range.
    """

    origin: str
    size: int
    root: bytes
    state: str

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise CheckpointError(
                f"origin {self.origin!r:.120} is no name of a log",
                hint="give 1 to 100 visible ASCII characters without '+'",
            )
        if self.size < 0 or len(self.root) != 32 or not _STATE.fullmatch(f"state sha256:{self.state}"):
            raise CheckpointError(
                f"size {self.size}, root of {len(self.root)} bytes and state {self.state!r:.80} do not fit",
                hint="use SHA-256",
            )

    @property
    def text(self) -> str:
        """The lines that are signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\nstate sha256:{self.state}\n"


def sign_note(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The checkpoint as a signed note."""
    name = checkpoint.origin
    signature = key.sign(checkpoint.text.encode())
    line = base64.b64encode(_key_id(name, key.public_key()) + signature).decode()
    return f"{checkpoint.text}\n{_DASH} {name} {line}\n"


def open_note(note: str, key: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint in a signed note, after its signature was checked.

    Raises:
        CheckpointError: If the note is malformed or holds no good signature by this key.
    """
    checkpoint = parse_note(note)
    known = _key_id(checkpoint.origin, key)
    for line in note.removeprefix(f"{checkpoint.text}\n").splitlines():
        name, _, encoded = line.removeprefix(f"{_DASH} ").partition(" ")
        signed = _decode(encoded)
        # Signatures by other keys are other people's business: a note may carry those of witnesses.
        if name != checkpoint.origin or signed[:4] != known:
            continue
        try:
            key.verify(signed[4:], checkpoint.text.encode())
        except InvalidSignature:
            raise CheckpointError(
                f"the signature of {name} at size {checkpoint.size} is wrong",
                hint="do not trust this checkpoint",
            ) from None
        return checkpoint
    raise CheckpointError(
        f"the checkpoint of {checkpoint.origin} is not signed by this key",
        hint="ask for the log's public key",
    )


def parse_note(note: str) -> Checkpoint:
    """The checkpoint in a note whose signature is not checked.

    Raises:
        CheckpointError: If it is malformed.
    """
    text, gap, signatures = note[:_MAX_NOTE].partition("\n\n")
    lines = text.split("\n")
    state = _STATE.fullmatch(lines[3]) if len(lines) == 4 else None
    if not gap or not signatures.startswith(f"{_DASH} ") or not state or not _SIZE.fullmatch(lines[1]):
        raise CheckpointError(f"{note!r:.80} is no checkpoint", hint="give the whole note as it was signed")
    checkpoint = Checkpoint(lines[0], int(lines[1]), _decode(lines[2]), state[1])
    if not note.startswith(f"{checkpoint.text}\n"):
        raise CheckpointError(f"{note!r:.80} is not in canonical form", hint="give the note as it was signed")
    return checkpoint


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]


def _decode(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""
    # One text for one content: bits that the last letter does not need have to be zero.
    if base64.b64encode(content).decode() != text:
        raise CheckpointError(f"{text!r:.80} is not Base64", hint="give the note as it was signed")
    return content
