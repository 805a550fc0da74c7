"""Files that the Atlas keeps in versions: fields over time as Zarr, everything else as weights of a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from industriverse.atlas.model import Kind, Model
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError
from industriverse.operations.services import Services

if TYPE_CHECKING:
    from zarr import Array

__all__ = ["FIELD", "fetch_version", "keep_version"]

FIELD, WEIGHTS = "field", "weights"
_DIGEST_SHOWN = 12
_FIELD_SUFFIX = ".npy"


def keep_version(services: Services, path: Path, *, name: str, newest: int) -> Model:
    """Keep a file as the newest version of a name, and let go of the content of the oldest ones.

    An array in a ``.npy`` file, time along its first axis, becomes a field of which ranges of time can be read.
    The same content again is the same version.

    Args:
        services: The stores.
        path: The file.
        name: What it is a version of.
        newest: Versions of which the content is kept, 1 or more.

    Raises:
        InvalidArgumentsError: If the file is no array that can be a field, or cannot be read.
        AtlasError: If a store refuses.
    """
    objects, checkpoints = services.memory.objects, services.memory.checkpoints
    family = FIELD if path.suffix == _FIELD_SUFFIX else WEIGHTS
    if family == FIELD:
        from industriverse.atlas.fields import put_field

        key = put_field(objects, _blocks(_array(path)))
    else:
        key = objects.put_file(path)
    identifier = f"{name}@{key[:_DIGEST_SHOWN]}"
    known = services.atlas.record(Kind.MODEL, identifier)
    stored_ns = known.timestamp_ns if isinstance(known, Model) else services.clock()
    model = Model(identifier, stored_ns, name, family, "", key)
    services.atlas.record_model(model)
    checkpoints.keep_newest(name, newest)
    return model


def fetch_version(services: Services, identifier: str, path: Path) -> Model:
    """Write the content of a version into a file, checked against its hash.

    Raises:
        NotFoundError: If there is no such version, or its content was let go.
        ObjectMissingError: If its content is lost.
        ObjectCorruptError: If its content is damaged.
    """
    model = services.atlas.record(Kind.MODEL, identifier)
    if not isinstance(model, Model) or not model.checkpoint:
        raise NotFoundError(
            f"no content of a model {identifier[:80]!r}", hint="list models with atlas_search, kind Model"
        )
    if model.family != FIELD:
        services.memory.objects.get_file(model.checkpoint, path)
        return model
    from industriverse.atlas.fields import CHUNK_STEPS, open_field

    field: Array[Any] = open_field(services.memory.objects, model.checkpoint)
    into = np.lib.format.open_memmap(path, mode="w+", dtype=field.dtype, shape=field.shape)
    for start in range(0, field.shape[0], CHUNK_STEPS):
        into[start : start + CHUNK_STEPS] = field[start : start + CHUNK_STEPS]
    into.flush()
    return model


def _array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidArgumentsError(
            f"{path} is no array: {str(error)[:120]}", hint="write it with numpy.save"
        ) from error
    if array.ndim < 1 or not len(array) or array.dtype.kind not in "fiu":
        raise InvalidArgumentsError(
            f"{path} holds shape {array.shape} of {array.dtype}", hint="give numbers with time first"
        )
    return array


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    from industriverse.atlas.fields import SHARD_STEPS

    for start in range(0, len(array), SHARD_STEPS):
        yield np.asarray(array[start : start + SHARD_STEPS])
