"""``industriverse incident``: export to other tools, verify offline."""

from pathlib import Path

import click

from industriverse.eil.proof.keys import load_public_key
from industriverse.operations.desk import export_incident
from industriverse.operations.home import Home, default_home
from industriverse.operations.services import Services
from industriverse.shield.errors import ExchangeError
from industriverse.shield.exchange import open_bundle

__all__ = ["export_to_file", "verify_file"]


def export_to_file(incident_id: str, *, home: Path | None, form: str, out: Path | None) -> None:
    """Write one incident in one form.

    Raises:
        IndustriverseError: If there is no such incident, another process owns the home, or the file cannot be written.
    """
    import time

    with Home(home or default_home()) as owned:
        services = Services(owned, clock=time.time_ns)
        try:
            content = export_incident(services, incident_id, form)
        finally:
            services.close()
    if out is None:
        click.echo(content)
        return
    try:
        out.write_text(content + "\n", encoding="utf-8")
    except OSError as error:
        raise ExchangeError(f"cannot write {out} ({error.strerror})", hint="give a writable path") from None
    click.echo(f"{form} of {incident_id}: {out}", err=True)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExchangeError(
            f"cannot read the {what} {path} ({error.strerror})", hint="check the path"
        ) from None


def verify_file(file: Path, key: Path) -> None:
    """Verify a bundle and say what it holds.

    Raises:
        IndustriverseError: The first thing that is wrong.
    """
    forms = open_bundle(_read(file, "bundle").strip(), load_public_key(_read(key, "public key")))
    click.echo(f"VALID bundle of {forms['ocsf']['finding_info']['uid']}: {', '.join(sorted(forms))}")
    click.echo(forms["ocsf"]["finding_info"]["title"])
