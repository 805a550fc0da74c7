"""Looking after the Atlas of an installation: check, export, import, back up, restore."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from industriverse.atlas.backup import BackupReport, back_up, restore
from industriverse.atlas.checking import CheckReport, Drift, Finding, check
from industriverse.atlas.errors import AtlasUnreachableError
from industriverse.atlas.exchange import export_graph, import_graph
from industriverse.atlas.model import Proof
from industriverse.atlas.objects import ObjectStore
from industriverse.operations.recording import proof_of
from industriverse.operations.services import Services

__all__ = ["back_up_atlas", "check_atlas", "export_atlas", "import_atlas", "restore_atlas"]

Progress = Callable[[str, int], None]

_SETTLE_S = 60.0
_WINDOW = ".window"


def _settled(services: Services) -> None:
    memory = services.memory
    if not memory.settle(_SETTLE_S):
        raise AtlasUnreachableError(
            f"the outbox cannot be emptied: {memory.waiting or 'it takes too long'}",
            hint="bring the graph and the object store back and try again",
        )


class _Windows(ObjectStore):
    """The windows that certificates speak of, kept beside them too: a second place to take lost objects from."""

    def __init__(self, folder: Path) -> None:
        self._place = folder

    def get_bytes(self, key: str) -> bytes:
        """The bytes of a window.

        Raises:
            ObjectMissingError: If there is no such window.
        """
        from industriverse.atlas.errors import ObjectMissingError

        try:
            return (self._place / f"{key}{_WINDOW}").read_bytes()
        except FileNotFoundError:
            raise ObjectMissingError(f"there is no window {key}", hint="restore it from a backup") from None


def _windows(services: Services) -> dict[str, str]:
    """Evidence of the certificates, by key: it must be among the objects."""
    folder = services.home.paths.certificates
    return {path.stem: "a certificate" for path in sorted(folder.glob(f"*{_WINDOW}"))}


def _proofs(services: Services) -> Iterator[Proof]:
    """Certificates that were issued here; those for which the ledger minted are among them."""
    for path in sorted(services.home.paths.certificates.glob("*.json")):
        yield proof_of(services.certificates.find(path.stem))


def _minted(services: Services) -> list[str]:
    """Evidence for which the ledger minted; what the ledger says can be compared, never repaired."""
    from sqlalchemy import select

    from industriverse.economy import schema

    keys = schema.transactions.c.key
    with services.ledger.reading() as connection:
        found = connection.execute(select(keys).where(keys.startswith("mint:"))).scalars()
        return sorted(key.removeprefix("mint:") for key in found)


def check_atlas(
    services: Services, *, repair: bool, backup: Path | None = None, progress: Progress | None = None
) -> CheckReport:
    """Compare graph, objects, archive, outbox, certificates and ledger; repair what can be.

    Args:
        services: The stores.
        repair: Whether to change anything.
        backup: Folder of a backup to take lost objects from.
        progress: Told what was looked at and how many of it so far.

    Raises:
        AtlasUnreachableError: If a store does not answer.
        ProofError: If a certificate was changed since it was issued.
    """
    _settled(services)
    memory, certificates = services.memory, services.home.paths.certificates
    if repair:
        memory.outbox.retry_refused()
        _settled(services)
    sources: list[ObjectStore] = [_Windows(certificates)]
    if backup is not None:
        sources.append(ObjectStore(backup / "objects"))
    proofs = tuple(_proofs(services))
    report = check(
        memory.atlas,
        memory.objects,
        memory.outbox,
        repair=repair,
        sources=sources,
        held=_windows(services),
        records=proofs,
        progress=progress,
    )
    known = {proof.evidence_sha256 for proof in proofs}
    unproved = [
        Finding(Drift.MISSING_RECORD, f"certificate of {key}", "the ledger minted for it")
        for key in _minted(services)
        if key not in known
    ]
    return replace(report, findings=(*report.findings, *unproved))


def export_atlas(services: Services, path: Path, *, progress: Progress | None = None) -> dict[str, int]:
    """Write the graph as a script of Cypher; returns how many records of each kind."""
    _settled(services)
    return export_graph(services.atlas, path, progress=progress)


def import_atlas(services: Services, path: Path, *, progress: Progress | None = None) -> dict[str, int]:
    """Read such a script into the graph; returns how many records of each kind."""
    _settled(services)
    return import_graph(path, services.atlas, progress=progress)


def back_up_atlas(services: Services, folder: Path, *, progress: Progress | None = None) -> BackupReport:
    """Write graph and objects into a folder; only what is new is copied into that of an earlier backup."""
    _settled(services)
    return back_up(services.atlas, services.objects, folder, progress=progress)


def restore_atlas(services: Services, folder: Path, *, progress: Progress | None = None) -> BackupReport:
    """Bring a backup back; nothing that is there is removed."""
    _settled(services)
    return restore(folder, services.atlas, services.objects, progress=progress)
