"""``industriverse atlas``: check, export, import, back up and restore what the platform remembers."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from industriverse.operations.services import Services
    from industriverse.operations.upkeep import Progress

__all__ = ["atlas"]

_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="INDUSTRIVERSE_HOME",
    help="Folder of the platform's state. Default: INDUSTRIVERSE_HOME or your user data folder.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")


@contextmanager
def _opened(home: Path | None) -> "Iterator[Services]":
    from industriverse.operations.home import Home, default_home
    from industriverse.operations.services import Services

    with Home(home or default_home()) as opened:
        services = Services(opened, clock=time.time_ns)
        try:
            yield services
        finally:
            services.close()


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A line on standard error that counts along; nothing where nobody watches."""
    from rich.console import Console
    from rich.status import Status

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _what, _number: None
        return
    with Status("starting", console=console) as status:
        yield lambda what, number: status.update(f"{what}: {number}")


def _tell(outcome: dict[str, object], line: str, as_json: bool) -> None:
    click.echo(json.dumps(outcome) if as_json else line)


def _counted(records: dict[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in records.items() if number) or "nothing"


@click.group()
def atlas() -> None:
    """Look after the Energy Atlas. No server may run on the same home meanwhile."""


@atlas.command("check")
@_home
@click.option("--repair", is_flag=True, help="Put right what can be.")
@click.option(
    "--backup",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a backup to take lost objects from.",
)
@_json
def atlas_check(home: Path | None, repair: bool, backup: Path | None, as_json: bool) -> None:
    """Find where graph, objects, outbox, certificates and ledger disagree; exit code 2 if any is left so."""
    from industriverse.operations.upkeep import check_atlas

    with _opened(home) as services, _progress() as progress:
        report = check_atlas(services, repair=repair, backup=backup, progress=progress)
    findings = [
        {"drift": one.drift.value, "subject": one.subject, "detail": one.detail, "repaired": one.repaired}
        for one in report.findings
    ]
    lines = [
        f"{one['drift']}: {one['subject']} ({one['detail']}){', repaired' if one['repaired'] else ''}"
        for one in findings
    ]
    summary = (
        f"{'clean' if report.clean else 'NOT clean'}: {report.objects} objects, {report.references} references, "
        f"{report.entries} entries compared, {report.pending} waiting"
    )
    outcome: dict[str, object] = {
        "clean": report.clean,
        "findings": findings,
        "objects": report.objects,
        "references": report.references,
        "entries": report.entries,
        "pending": report.pending,
    }
    _tell(outcome, "\n".join([*lines, summary]), as_json)
    if not report.clean:
        sys.exit(2)


def _exchange(
    home: Path | None,
    path: Path,
    work: "Callable[..., dict[str, int]]",
    words: str,
    as_json: bool,
) -> None:
    with _opened(home) as services, _progress() as progress:
        records = work(services, path, progress=progress)
    _tell({"records": records, "file": str(path)}, f"{words} {path}: {_counted(records)}", as_json)


@atlas.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_home
@_json
def atlas_export(file: Path, home: Path | None, as_json: bool) -> None:
    """Write the graph to FILE as a script of Cypher that any engine can read."""
    from industriverse.operations.upkeep import export_atlas

    _exchange(home, file, export_atlas, "exported to", as_json)


@atlas.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_home
@_json
def atlas_import(file: Path, home: Path | None, as_json: bool) -> None:
    """Read an export from FILE into the graph; what is there is written over, nothing is removed."""
    from industriverse.operations.upkeep import import_atlas

    _exchange(home, file, import_atlas, "imported from", as_json)


@atlas.command("backup")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_home
@_json
def atlas_backup(folder: Path, home: Path | None, as_json: bool) -> None:
    """Write graph and objects into FOLDER; into an earlier backup only what is new is copied."""
    from industriverse.operations.upkeep import back_up_atlas

    with _opened(home) as services, _progress() as progress:
        report = back_up_atlas(services, folder, progress=progress)
    line = (
        f"backed up to {folder}: {_counted(report.records)}, {report.objects} objects ({report.copied} new)"
    )
    _tell({"records": report.records, "objects": report.objects, "copied": report.copied}, line, as_json)


@atlas.command("restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_home
@_json
def atlas_restore(folder: Path, home: Path | None, as_json: bool) -> None:
    """Bring the backup in FOLDER back; nothing that is there is removed."""
    from industriverse.operations.upkeep import restore_atlas

    with _opened(home) as services, _progress() as progress:
        report = restore_atlas(services, folder, progress=progress)
    line = f"restored {folder}: {_counted(report.records)}, {report.objects} objects ({report.copied} were missing)"
    _tell({"records": report.records, "objects": report.objects, "copied": report.copied}, line, as_json)


@atlas.command("roles")
@click.option("--database", default="neo4j", show_default=True, help="Database of the Atlas.")
def atlas_roles(database: str) -> None:
    """Print Cypher that makes the roles reader, writer and owner on a Neo4j server with access control."""
    from industriverse.atlas.roles import role_statements

    for statement in role_statements(database):
        click.echo(f"{statement};")


@atlas.command("keep")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="What FILE is a version of.")
@click.option("--newest", default=5, show_default=True, type=click.IntRange(min=1), help="Versions to keep.")
@_home
@_json
def atlas_keep(file: Path, name: str, newest: int, home: Path | None, as_json: bool) -> None:
    """Keep FILE as a version of a model; an array in a .npy file becomes a field of which ranges can be read."""
    from industriverse.operations.versions import keep_version

    with _opened(home) as services:
        model = keep_version(services, file, name=name, newest=newest)
    outcome: dict[str, object] = {"id": model.id, "family": model.family, "object": model.checkpoint}
    _tell(outcome, f"kept as {model.id} ({model.family}), object {model.checkpoint}", as_json)


@atlas.command("fetch")
@click.argument("version")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_home
@_json
def atlas_fetch(version: str, file: Path, home: Path | None, as_json: bool) -> None:
    """Write a kept VERSION, by its id, into FILE; its bytes are checked against their hash."""
    from industriverse.operations.versions import fetch_version

    with _opened(home) as services:
        model = fetch_version(services, version, file)
    _tell({"id": model.id, "family": model.family, "file": str(file)}, f"{model.id} is in {file}", as_json)
