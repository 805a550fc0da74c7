"""A keyed challenge: the secret excitation by which an actuator marks what its process does next.

Verifier and actuator share a secret. The verifier draws a nonce; both derive a session key and from it one sign
for each sample, HMAC-SHA256 (RFC 2104) over a counter. The actuator adds that sign times a fixed amplitude to
its command. Whoever replays or invents telemetry without the session key does not know the signs.

Sources: physical watermarking, Mo & Sinopoli, "Secure control against replay attacks", Allerton (2009); dynamic
watermarking, Satchidanandan & Kumar, "Dynamic watermarking: active defense of networked cyber-physical systems",
Proceedings of the IEEE 105 (2017). Signs in place of Gaussian excitation bound the disturbance and give the test
of the response an exact null.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.proof.errors import ChallengeError

__all__ = ["Actuator", "Challenge"]

_CONTEXT = b"industriverse-watermark-1"
_BITS_PER_BLOCK = 256
_MIN_SECRET_BYTES = 16
_MIN_NONCE_BYTES = 8
# More than this is no watermark any more but a manoeuvre.
_MAX_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Actuator:
    """An actuator that adds the excitation to its command.

    Attributes:
        name: Which actuator.
        low: Lower end of its range, in its unit.
        high: Upper end of its range.
        share: Amplitude of the excitation as a share of the range, at most 0.25.

    Raises:
        ChallengeError: If range or share are impossible.
    """

    name: str
    low: float
    high: float
    share: float

    def __post_init__(self) -> None:
        if not self.name:
            raise ChallengeError("the actuator has no name", hint="name it as in the plant's commands")
        if not np.isfinite(self.high - self.low) or self.high <= self.low:
            raise ChallengeError(
                f"actuator {self.name!r} has the range {self.low:g} to {self.high:g}", hint="give low < high"
            )
        if not 0.0 < self.share <= _MAX_SHARE:
            raise ChallengeError(
                f"the excitation of {self.name!r} takes {self.share:g} of the range",
                hint=f"choose a share above 0 and at most {_MAX_SHARE:g}",
            )

    @property
    def amplitude(self) -> float:
        """Largest and only size of the excitation, in the actuator's unit."""
        return self.share * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One session of excitation. Keep it secret until its windows are sealed.

    Attributes:
        actuator: Who adds the excitation.
        nonce: The verifier's challenge, never used twice with one secret.
        start_ns: Time of the first excited sample, nanoseconds since 1970-01-01 UTC.
        interval_s: Seconds between samples.
        session_key: 32 bytes from which the signs follow. Disclosed afterwards it lets a third party repeat the
            test, without the shared secret.
    """

    actuator: Actuator
    nonce: bytes
    start_ns: int
    interval_s: float
    session_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.session_key) != hashlib.sha256().digest_size:
            raise ChallengeError(
                f"the session key has {len(self.session_key)} bytes", hint="use Challenge.from_secret"
            )
        if not self.interval_s > 0.0:
            raise ChallengeError(f"interval_s = {self.interval_s} is not positive", hint="give seconds")

    @classmethod
    def from_secret(
        cls, secret: bytes, nonce: bytes, actuator: Actuator, *, start_ns: int, interval_s: float
    ) -> "Challenge":
        """Derive the session from the secret that verifier and actuator share.

        Raises:
            ChallengeError: If secret or nonce are too short to be unknown or unique.
        """
        if len(secret) < _MIN_SECRET_BYTES:
            raise ChallengeError(
                f"a secret of {len(secret)} bytes can be guessed",
                hint="draw 32 bytes with secrets.token_bytes",
            )
        if len(nonce) < _MIN_NONCE_BYTES:
            raise ChallengeError(
                f"a nonce of {len(nonce)} bytes may repeat", hint="draw 16 bytes with secrets.token_bytes"
            )
        # The terms of the session are part of its key: another start or amplitude is another excitation.
        terms = f"{actuator.name}\n{actuator.amplitude!r}\n{start_ns}\n{interval_s!r}\n".encode()
        message = _CONTEXT + len(nonce).to_bytes(4, "big") + nonce + terms
        key = hmac.new(secret, message, hashlib.sha256).digest()
        return cls(actuator, nonce, start_ns, interval_s, key)

    @property
    def commitment(self) -> str:
        """SHA-256 of the session key in hex: binds a certificate to the session without disclosing it."""
        return hashlib.sha256(self.session_key).hexdigest()

    def excitation(self, first: int, count: int) -> NDArray[np.float64]:
        """What the actuator adds at samples ``first`` to ``first + count`` of the session, its unit, (count,).

        Before the session (negative samples) nothing is added.
        """
        if count < 1:
            raise ChallengeError(f"an excitation of {count} samples", hint="ask for one or more")
        signs = np.zeros(count)
        begin, end = max(first, 0), first + count
        if end > begin:
            blocks = range(begin // _BITS_PER_BLOCK, (end - 1) // _BITS_PER_BLOCK + 1)
            stream = b"".join(
                hmac.new(self.session_key, block.to_bytes(8, "big"), hashlib.sha256).digest()
                for block in blocks
            )
            bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8))
            offset = begin - blocks.start * _BITS_PER_BLOCK
            signs[begin - first :] = 2.0 * bits[offset : offset + end - begin] - 1.0
        return self.actuator.amplitude * signs

    def sample_of(self, time_ns: int) -> int:
        """Number of the sample at a time, counted from the start of the session.

        Raises:
            ChallengeError: If the time falls between samples: excitation and response would not be aligned.
        """
        position = (time_ns - self.start_ns) / (self.interval_s * 1e9)
        nearest = round(position)
        if abs(position - nearest) > 0.25:
            raise ChallengeError(
                f"a sample lies {position - nearest:+.2f} intervals off the grid of the challenge",
                hint="start the challenge at the time of a sample",
            )
        return nearest
