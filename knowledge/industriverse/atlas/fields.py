"""Fields over time, shape (t, …), as Zarr v3 arrays whose every file is a content-addressed object.

The key of a field is that of a small manifest, which names the file of each path by its hash: so a field is as
immutable as any object, equal fields have equal keys, and equal shards are stored once. Chunks hold 100 steps,
shards 2,000; a range of time reads the chunks that it touches and no more.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from industriverse.atlas.errors import AtlasError, ObjectCorruptError, RecordError
from industriverse.atlas.objects import ObjectStore

if TYPE_CHECKING:
    from zarr import Array
    from zarr.abc.store import Store

__all__ = ["CHUNK_STEPS", "SHARD_STEPS", "Manifest", "manifest_of", "open_field", "put_field"]

CHUNK_STEPS = 100
SHARD_STEPS = 2_000
_MARK = '{"industriverse.field": 1, '


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a field.

    Attributes:
        files: Object key and size in bytes, by path.
    """

    files: dict[str, tuple[str, int]]

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the objects that hold the field, without the manifest's own."""
        return frozenset(key for key, _ in self.files.values())


def put_field(
    objects: ObjectStore, blocks: Iterable[NDArray[Any]], *, attributes: dict[str, str] | None = None
) -> str:
    """Store a field and return its key; memory holds one shard at a time.

    Args:
        objects: Where it goes.
        blocks: Consecutive steps, each of shape (n, …) with n >= 1, equal in type and in all but the first axis.
        attributes: What the numbers mean: quantity, unit, stream.

    Raises:
        RecordError: If there is no block, or blocks do not fit each other.
        AtlasError: If the zarr package is missing, or the disk or the server refuses.
    """
    with tempfile.TemporaryDirectory(prefix="industriverse-field-") as name:
        folder = Path(name)
        _write(folder, blocks, attributes or {})
        files = {}
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            files[path.relative_to(folder).as_posix()] = [objects.put_file(path), path.stat().st_size]
    # The manifest comes last: a field is whole or absent.
    return objects.put_bytes(f'{_MARK}"files": {json.dumps(files)}}}'.encode())


def open_field(objects: ObjectStore, key: str) -> "Array[Any]":
    """A field for reading: slices of it are NumPy arrays.

    Whole files are checked against their hash; parts of shards cannot be, as with ``get_range``.

    Raises:
        ObjectMissingError: If there is no such object.
        ObjectCorruptError: If it is no field.
        AtlasError: If the zarr package is missing.
    """
    zarr = _zarr()
    manifest = manifest_of(objects, key)
    if manifest is None:
        raise ObjectCorruptError(f"object {key} is no field", hint="check the key")
    array: Array[Any] = zarr.open_array(_store(objects, manifest), mode="r")
    return array


def manifest_of(objects: ObjectStore, key: str) -> Manifest | None:
    """The files of a field, None if the object is something else.

    Raises:
        ObjectMissingError: If there is no such object.
        ObjectCorruptError: If it claims to be a field and is damaged.
    """
    head = next(iter(objects.stream(key)), b"")
    if not head.startswith(_MARK.encode()):
        return None
    try:
        content = json.loads(objects.get_bytes(key))
        return Manifest({path: (str(one), int(size)) for path, (one, size) in content["files"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ObjectCorruptError(
            f"field {key} is damaged: {error}", hint="restore it from a backup"
        ) from error


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise AtlasError(
            "fields need the zarr package", hint="pip install 'industriverse[fields]'"
        ) from error
    return zarr


def _write(folder: Path, blocks: Iterable[NDArray[Any]], attributes: dict[str, str]) -> None:
    zarr = _zarr()
    array: Any = None
    held: list[NDArray[Any]] = []
    for block in blocks:
        if block.ndim < 1 or not len(block) or (held and _kind(block) != _kind(held[0])):
            raise RecordError(
                f"a block of shape {block.shape} and type {block.dtype} does not fit",
                hint="give blocks of equal type and shape beyond the first axis",
            )
        if array is None:
            array = zarr.create_array(
                zarr.storage.LocalStore(folder),
                shape=(0, *block.shape[1:]),
                chunks=(CHUNK_STEPS, *block.shape[1:]),
                shards=(SHARD_STEPS, *block.shape[1:]),
                dtype=block.dtype,
                compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
                attributes=attributes,
            )
        held.append(np.ascontiguousarray(block))
        if sum(map(len, held)) >= SHARD_STEPS:
            # Only whole shards are written before the end, so that none is written twice.
            steps = np.concatenate(held)
            whole = len(steps) // SHARD_STEPS * SHARD_STEPS
            array.append(steps[:whole])
            held = [steps[whole:]]
    if array is None:
        raise RecordError("the field has no step", hint="give at least one block")
    if len(rest := np.concatenate(held)):
        array.append(rest)


def _kind(block: NDArray[Any]) -> tuple[object, ...]:
    return (block.dtype, *block.shape[1:])


def _store(objects: ObjectStore, manifest: Manifest) -> "Store":
    from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

    class ManifestStore(Store):
        """The objects of a manifest, as Zarr reads files."""

        supports_writes = False
        supports_deletes = False
        supports_listing = True

        def __eq__(self, value: object) -> bool:
            return value is self

        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            if key not in manifest.files:
                return None
            content = await asyncio.to_thread(_part, key, byte_range)
            return prototype.buffer.from_bytes(content)

        async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> Any:
            return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

        async def exists(self, key: str) -> bool:
            return key in manifest.files

        async def set(self, key: str, value: Any) -> None:  # noqa: ARG002
            raise RecordError(f"{key} cannot be written", hint="store a new field")

        async def delete(self, key: str) -> None:
            raise RecordError(f"{key} cannot be deleted", hint="store a new field")

        async def list(self) -> AsyncIterator[str]:
            for path in manifest.files:
                yield path

        async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
            for path in manifest.files:
                if path.startswith(prefix):
                    yield path

        async def list_dir(self, prefix: str) -> AsyncIterator[str]:
            start = f"{prefix.rstrip('/')}/" if prefix else ""
            found = {
                path[len(start) :].partition("/")[0] for path in manifest.files if path.startswith(start)
            }
            for one in sorted(found):
                yield one

    def _part(path: str, wanted: object) -> bytes:
        key, size = manifest.files[path]
        if isinstance(wanted, RangeByteRequest):
            return objects.get_range(key, wanted.start, min(wanted.end, size) - wanted.start)
        if isinstance(wanted, OffsetByteRequest):
            return objects.get_range(key, wanted.offset, size - wanted.offset)
        if isinstance(wanted, SuffixByteRequest):
            length = min(wanted.suffix, size)
            return objects.get_range(key, size - length, length)
        return objects.get_bytes(key)

    return ManifestStore(read_only=True)
