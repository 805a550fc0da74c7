"""The whole Atlas in one folder: graph as Cypher, objects as files, a manifest over both."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from industriverse.atlas.errors import ExchangeError
from industriverse.atlas.exchange import export_graph, import_graph
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore
from industriverse.storage import write_whole

__all__ = ["BackupReport", "back_up", "restore"]

Progress = Callable[[str, int], None]

_GRAPH = "graph.cypher"
_OBJECTS = "objects"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds.

    Attributes:
        records: How many of each kind.
        objects: How many objects.
        copied: How many of them this run had to copy.
    """

    records: dict[str, int]
    objects: int
    copied: int


def back_up(
    atlas: GraphAtlas, objects: ObjectStore, folder: Path | str, *, progress: Progress | None = None
) -> BackupReport:
    """Write a backup; into the folder of an earlier one only what is new is copied.

    The graph is written first: an object is stored before the graph refers to it, so that every object that
    the file names is there to be copied afterwards.

    Raises:
        ObjectCorruptError: If an object is damaged: repair first (`atlas check --repair`).
        AtlasError: If a store refuses.
    """
    place = Path(folder)
    target = ObjectStore(place / _OBJECTS)
    # Without its manifest a folder is no backup; it comes back when everything else is in place.
    (place / _MANIFEST).unlink(missing_ok=True)
    records = export_graph(atlas, place / _GRAPH, progress=progress)
    held = {info.key for info in target.objects()}
    keys = sorted(info.key for info in objects.objects())
    copied = 0
    for key in keys:
        if key not in held or not target.intact(key):
            target.put_bytes(objects.get_bytes(key))
            copied += 1
            if progress:
                progress("Object", copied)
    _write_manifest(place, {"records": records, "objects": keys, "graph_sha256": _digest(place / _GRAPH)})
    return BackupReport(records, len(keys), copied)


def restore(
    folder: Path | str, atlas: GraphAtlas, objects: ObjectStore, *, progress: Progress | None = None
) -> BackupReport:
    """Bring a backup into a graph and an object store; nothing that is there is removed.

    Raises:
        ExchangeError: If the backup is incomplete or was changed; nothing is written then.
        ObjectCorruptError: If an object in it is damaged.
    """
    place = Path(folder)
    try:
        manifest = json.loads((place / _MANIFEST).read_text())
        intact = manifest["graph_sha256"] == _digest(place / _GRAPH)
        keys = list(manifest["objects"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExchangeError(f"{place} is no complete backup: {error}", hint="back up again") from error
    if not intact:
        raise ExchangeError(f"{place / _GRAPH} was changed after the backup", hint="take another backup")
    source = ObjectStore(place / _OBJECTS)
    copied = 0
    for key in keys:
        if key not in objects:
            objects.put_bytes(source.get_bytes(key))
            copied += 1
            if progress:
                progress("Object", copied)
    return BackupReport(import_graph(place / _GRAPH, atlas, progress=progress), len(keys), copied)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(place: Path, content: dict[str, object]) -> None:
    write_whole(place / _MANIFEST, json.dumps(content).encode())
