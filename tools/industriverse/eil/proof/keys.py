"""Signing keys: Ed25519, in a file that only its owner can read. There is never a default key."""

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from industriverse.eil.proof.errors import KeyFileError

__all__ = [
    "generate_signing_key",
    "key_id",
    "load_public_key",
    "load_signing_key",
    "public_key_pem",
    "read_private_file",
    "write_private_file",
]


def generate_signing_key(path: Path | str) -> Ed25519PrivateKey:
    """Create a signing key and write it to ``path`` as unencrypted PKCS 8 PEM with mode 0600.

    Raises:
        KeyFileError: If the file exists (a key is never overwritten) or cannot be created.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private_file(path, pem)
    return key


def write_private_file(path: Path | str, content: bytes) -> None:
    """Write a secret to a new file with mode 0600.

    Raises:
        KeyFileError: If the file exists or cannot be created.
    """
    try:
        descriptor = os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists and a key is never overwritten", hint="choose another path or load this key"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"cannot create the key file {path} ({error.strerror})", hint="choose a writable folder"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_private_file(path: Path | str) -> bytes:
    """Read a secret from a file that neither group nor others can reach.

    Raises:
        KeyFileError: If the file is missing or its mode is open to group or others.
    """
    try:
        with Path(path).open("rb") as file:
            # The mode is read from the open file: checking the path first would leave a gap to swap it.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except OSError as error:
        raise KeyFileError(
            f"cannot read the key file {path} ({error.strerror})", hint="generate the key first"
        ) from error
    if mode & 0o077:
        raise KeyFileError(
            f"the key file {path} has mode {mode:04o} and others can reach it", hint=f"run: chmod 600 {path}"
        )
    return content


def load_signing_key(path: Path | str) -> Ed25519PrivateKey:
    """Load a signing key from a file with mode 0600 or stricter.

    Raises:
        KeyFileError: If the file is missing, open to group or others, or no Ed25519 key.
    """
    pem = read_private_file(path)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"{path} holds no unencrypted private key in PEM", hint="generate a signing key"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds a key that is not Ed25519", hint="generate a signing key")
    return key


def public_key_pem(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The public key as SubjectPublicKeyInfo PEM, safe to hand to anyone."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """Read a public key in PEM.

    Raises:
        KeyFileError: If the bytes are not an Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            "the key is not a public key in PEM", hint="give the file written beside the signing key"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError("the public key is not Ed25519", hint="give the issuer's Ed25519 public key")
    return key


def key_id(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """SHA-256 in hex of the public key's SubjectPublicKeyInfo DER."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
