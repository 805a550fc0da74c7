"""``industriverse proof verify``: the check that a stranger can make."""

import json
from pathlib import Path

import click

from industriverse.eil.proof.errors import ProofError
from industriverse.eil.proof.verify import verify_certificate

__all__ = ["verify_file"]


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProofError(f"cannot read the {what} {path} ({error.strerror})", hint="check the path") from None


def verify_file(file: Path, key: Path, *, evidence: Path | None, as_json: bool) -> None:
    """Verify a certificate file and print what it says.

    Raises:
        ProofError: The first thing that is wrong.
    """
    verified = verify_certificate(
        _read(file, "certificate"),
        _read(key, "public key"),
        evidence=None if evidence is None else _read(evidence, "evidence"),
    )
    if as_json:
        click.echo(json.dumps({"valid": True, **verified.statement.model_dump(mode="json", by_alias=True)}))
        return
    click.echo(f"VALID certificate {verified.digest}, signed by key {verified.key_id}")
    click.echo(verified.summary())
