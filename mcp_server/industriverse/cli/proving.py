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
