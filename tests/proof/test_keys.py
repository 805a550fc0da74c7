import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from industriverse.eil.proof import (
    KeyFileError,
    generate_signing_key,
    key_id,
    load_public_key,
    load_signing_key,
    public_key_pem,
)


def test_a_generated_key_is_private_to_its_owner_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    previous = os.umask(0)
    try:
        key = generate_signing_key(path)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_id(load_signing_key(path)) == key_id(key) == key_id(load_public_key(public_key_pem(key)))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    generate_signing_key(tmp_path / "signing.pem")
    with pytest.raises(KeyFileError, match="never overwritten"):
        generate_signing_key(tmp_path / "signing.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "signing.pem"
    generate_signing_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"has mode {mode:04o}.*chmod 600"):
        load_signing_key(path)


def test_a_missing_malformed_or_foreign_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot read the key file"):
        load_signing_key(tmp_path / "absent.pem")
    with pytest.raises(KeyFileError, match="cannot create the key file"):
        generate_signing_key(tmp_path / "absent" / "signing.pem")
    path = tmp_path / "foreign.pem"
    path.touch(mode=0o600)
    path.write_bytes(b"no key")
    with pytest.raises(KeyFileError, match="holds no unencrypted private key"):
        load_signing_key(path)
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(foreign.private_bytes(*pkcs8))
    with pytest.raises(KeyFileError, match="not Ed25519"):
        load_signing_key(path)
    public = foreign.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(KeyFileError, match="not Ed25519"):
        load_public_key(public)
