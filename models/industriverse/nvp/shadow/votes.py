"""Signed votes: who predicted what in which round, so that a lie has an author."""

import hashlib
from dataclasses import dataclass, field

import rfc8785
import torch
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from torch import Tensor

from industriverse.nvp.field_errors import CouncilError

__all__ = ["Round", "Vote", "cast", "prediction_digest", "verify"]

# First member of every signed message: a signature made for another purpose never fits a vote.
_PURPOSE = "industriverse.nvp.shadow.vote.v1"


@dataclass(frozen=True)
class Round:
    """What is voted on.

    Args:
        stream: Name of the stream.
        nonce: Fresh random hex chosen by whoever opens the round; votes with another are refused.
        question: SHA-256 of the present state and the frames asked for.
        frame: Number of the frame in the stream.
    """

    stream: str
    nonce: str
    question: str
    frame: int


@dataclass(frozen=True)
class Vote:
    """A member's prediction with its signature.

    Args:
        member: Name under which the public key is registered.
        round: The round answered.
        prediction: Field, any shape.
        signature: Ed25519 over the canonical JSON of member, round and digest of the prediction.
    """

    member: str
    round: Round
    prediction: Tensor = field(repr=False)
    signature: bytes = field(repr=False)


def prediction_digest(prediction: Tensor) -> str:
    """SHA-256 over precision, shape and little-endian values of a tensor, hex."""
    array = prediction.detach().contiguous().cpu().numpy()
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    head = f"{array.dtype.str}|{'x'.join(str(size) for size in array.shape)}|".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def _message(member: str, about: Round, digest: str) -> bytes:
    return bytes(
        rfc8785.dumps(
            {
                "purpose": _PURPOSE,
                "member": member,
                "stream": about.stream,
                "nonce": about.nonce,
                "question": about.question,
                "frame": about.frame,
                "prediction": digest,
            }
        )
    )


def cast(member: str, about: Round, prediction: Tensor, key: Ed25519PrivateKey) -> Vote:
    """Signs a prediction."""
    signature = key.sign(_message(member, about, prediction_digest(prediction)))
    return Vote(member, about, prediction, signature)


def verify(vote: Vote, about: Round, key: Ed25519PublicKey) -> None:
    """Raises unless the vote answers this round, is finite and was signed by this key.

    Raises:
        CouncilError: With the member and the reason.
    """
    if vote.round.nonce != about.nonce:
        raise CouncilError(f"vote of {vote.member} answers another round", hint="replayed votes do not count")
    if vote.round != about:
        raise CouncilError(f"vote of {vote.member} answers another question", hint="ask the member again")
    try:
        key.verify(vote.signature, _message(vote.member, vote.round, prediction_digest(vote.prediction)))
    except InvalidSignature as error:
        raise CouncilError(
            f"vote of {vote.member} has a wrong signature", hint="check the registered public key"
        ) from error
    if not bool(torch.isfinite(vote.prediction).all()):
        raise CouncilError(f"vote of {vote.member} has NaN or infinite values", hint="repair the member")
