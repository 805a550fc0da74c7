"""DSSE envelopes: a payload, its type, and an Ed25519 signature over both.

Source: Dead Simple Signing Envelope, protocol and envelope specification v1.0
(https://github.com/secure-systems-lab/dsse). Ed25519 after RFC 8032, canonical JSON after RFC 8785. This
reader is stricter than DSSE asks: no unknown fields, standard base64 in its only canonical spelling, exactly
one signature, so that no byte of a certificate can change without being noticed.
"""

import base64
import binascii
import hashlib
import json
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from industriverse.eil.proof.errors import (
    MalformedCertificateError,
    TamperedCertificateError,
    WrongKeyError,
)
from industriverse.eil.proof.keys import key_id

__all__ = [
    "MAX_ENVELOPE_BYTES",
    "PAYLOAD_TYPE",
    "canonical_json",
    "certificate_digest",
    "open_envelope",
    "parse_json",
    "pre_authentication_encoding",
    "seal",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
# A certificate is about 3 kB; anything larger than this is refused unread.
MAX_ENVELOPE_BYTES = 1_000_000
_HINT = "give the certificate file as it was issued"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """``DSSEv1 SP len(type) SP type SP len(payload) SP payload``: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, signing_key: Ed25519PrivateKey) -> dict[str, Any]:
    """Sign an in-toto payload and return the envelope as a JSON-ready dict."""
    signature = signing_key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id(signing_key), "sig": base64.b64encode(signature).decode()}],
    }


def open_envelope(envelope: bytes | dict[str, Any], public_key: Ed25519PublicKey) -> bytes:
    """Verify the signature and return the payload.

    Raises:
        MalformedCertificateError: If the envelope is not well formed.
        WrongKeyError: If it names another key.
        TamperedCertificateError: If the signature does not cover the payload.
    """
    payload, signature, named_key = _parse(envelope)
    expected = key_id(public_key)
    if named_key != expected:
        raise WrongKeyError(
            f"the certificate names key {named_key[:16]}… and the key given is {expected[:16]}…",
            hint="give the public key of the issuer",
        )
    try:
        public_key.verify(signature, pre_authentication_encoding(PAYLOAD_TYPE, payload))
    except InvalidSignature:
        raise TamperedCertificateError(
            "the signature does not match the payload: the certificate was altered after signing",
            hint="do not trust it; ask the issuer for the original",
        ) from None
    return payload


def certificate_digest(envelope: bytes | dict[str, Any]) -> str:
    """SHA-256 in hex of the signed bytes: the link by which the next certificate names this one.

    Raises:
        MalformedCertificateError: If the envelope is not well formed.
    """
    payload, _, _ = _parse(envelope)
    return hashlib.sha256(pre_authentication_encoding(PAYLOAD_TYPE, payload)).hexdigest()


def _parse(envelope: bytes | dict[str, Any]) -> tuple[bytes, bytes, str]:
    fields = parse_json(envelope) if isinstance(envelope, bytes) else envelope
    if not isinstance(fields, dict) or set(fields) != {"payload", "payloadType", "signatures"}:
        raise MalformedCertificateError(
            "a certificate has exactly the fields payload, payloadType and signatures", hint=_HINT
        )
    if fields["payloadType"] != PAYLOAD_TYPE:
        raise MalformedCertificateError(
            f"payloadType is {fields['payloadType']!r} instead of {PAYLOAD_TYPE!r}", hint=_HINT
        )
    signatures = fields["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise MalformedCertificateError("a certificate carries exactly one signature", hint=_HINT)
    signature = signatures[0]
    if not isinstance(signature, dict) or set(signature) != {"keyid", "sig"}:
        raise MalformedCertificateError("a signature has exactly the fields keyid and sig", hint=_HINT)
    if not isinstance(signature["keyid"], str):
        raise MalformedCertificateError("keyid is not text", hint=_HINT)
    return _base64(fields["payload"], "payload"), _base64(signature["sig"], "sig"), signature["keyid"]


def parse_json(raw: bytes) -> Any:
    """Parse JSON whose objects repeat no key.

    Raises:
        MalformedCertificateError: If it is no JSON, too large, or repeats a key.
    """
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise MalformedCertificateError(
            f"{len(raw)} bytes are too many for a certificate (limit {MAX_ENVELOPE_BYTES})", hint=_HINT
        )
    try:
        return json.loads(raw, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedCertificateError(f"the certificate is not JSON ({error})", hint=_HINT) from error


def canonical_json(value: Any) -> bytes:
    """RFC 8785 form of a JSON value.

    Raises:
        MalformedCertificateError: If it has none (integers beyond 2^53, numbers that are not finite).
    """
    try:
        return bytes(rfc8785.dumps(value))
    except (rfc8785.CanonicalizationError, ValueError) as error:
        raise MalformedCertificateError(f"no canonical JSON: {error}", hint=_HINT) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object repeats a key")
    return fields


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _base64(text: object, field: str) -> bytes:
    try:
        if not isinstance(text, str):
            raise ValueError("not text")
        raw = base64.b64decode(text, validate=True)
        if base64.b64encode(raw).decode() != text:
            raise ValueError("not the canonical spelling")
    except (ValueError, binascii.Error) as error:
        raise MalformedCertificateError(f"{field} is not base64 ({error})", hint=_HINT) from error
    return raw
