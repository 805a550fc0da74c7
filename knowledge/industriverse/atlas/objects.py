"""Content-addressed objects: the key of some bytes is their SHA-256."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from industriverse.atlas.errors import AtlasError, ObjectCorruptError, ObjectMissingError
from industriverse.signals import Channel, ChannelKind, Frame, FrameError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ObjectStore"]

_KEY = re.compile(r"[0-9a-f]{64}")
_TIME_COLUMN = b"industriverse.time_column"
_CHANNEL = b"industriverse.channel"


class ObjectStore:
    """Objects in a local folder, written once, checked whenever they are read.

    An object is on disk, file and folder entry both, when ``put`` returns; the library that writes it does
    not take care of that.

    Args:
        folder: Where objects live; created where missing, readable by its owner only.

    Raises:
        AtlasError: If the folder cannot be made.
    """

    def __init__(self, folder: Path | str) -> None:
        from obstore.store import LocalStore

        self._folder = Path(folder).absolute()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise AtlasError(
                f"the folder {self._folder} cannot be made: {error.strerror}", hint="choose another"
            ) from error
        self._store = LocalStore(self._folder)

    def put_bytes(self, content: bytes) -> str:
        """Store bytes and return their key, 64 hex digits. Storing them again changes nothing.

        Raises:
            AtlasError: If the disk refuses them.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError

        key = hashlib.sha256(content).hexdigest()
        try:
            try:
                self._store.put(_place(key), content, mode="create")
            except AlreadyExistsError:
                if hashlib.sha256(self._read(key)).hexdigest() != key:
                    # What lies there was damaged on disk; we hold the true bytes, so the object heals.
                    self._store.put(_place(key), content, mode="overwrite")
            self._make_durable(key)
        except (BaseError, OSError) as error:
            raise AtlasError(
                f"object {key[:12]}… could not be stored: {error}", hint="check the disk"
            ) from error
        return key

    def get_bytes(self, key: str) -> bytes:
        """The bytes under a key.

        Raises:
            ObjectMissingError: If there is no such object.
            ObjectCorruptError: If the bytes do not hash to their key.
        """
        content = self._read(key)
        if hashlib.sha256(content).hexdigest() != key:
            raise ObjectCorruptError(
                f"object {key} is damaged: its bytes do not hash to its key", hint="restore it from a backup"
            )
        return content

    def __contains__(self, key: str) -> bool:
        return _KEY.fullmatch(key) is not None and (self._folder / _place(key)).is_file()

    def put_frame(self, frame: Frame) -> str:
        """Store a frame as Parquet (zstd) with the meaning of its channels, and return its key."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(_table(frame), sink, compression="zstd")
        return self.put_bytes(sink.getvalue().to_pybytes())

    def get_frame(self, key: str) -> Frame:
        """The frame under a key.

        Raises:
            ObjectMissingError: If there is no such object.
            ObjectCorruptError: If the bytes do not hash to their key, or are not a frame.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = self.get_bytes(key)
        try:
            return _frame(pq.read_table(pa.BufferReader(content)))
        except (pa.ArrowException, KeyError, ValueError, TypeError, FrameError) as error:
            raise ObjectCorruptError(f"object {key} is not a frame: {error}", hint="check the key") from error

    def _read(self, key: str) -> bytes:
        from obstore.exceptions import NotFoundError

        if not _KEY.fullmatch(key):
            raise ObjectMissingError(f"{key!r:.80} is no object key", hint="give 64 lower-case hex digits")
        try:
            return self._store.get(_place(key)).bytes().to_bytes()
        except (NotFoundError, FileNotFoundError):
            raise ObjectMissingError(f"there is no object {key}", hint="check the key") from None

    def _make_durable(self, key: str) -> None:
        place = self._folder / _place(key)
        for path in (place, place.parent, place.parent.parent, self._folder):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _place(key: str) -> str:
    # Two levels of 256 keep folders small at a million objects.
    return f"{key[:2]}/{key[2:4]}/{key}"


def _table(frame: Frame) -> "pa.Table":
    import pyarrow as pa

    time_column = "timestamp"
    while time_column in frame.names:
        time_column += "_"
    fields: list[pa.Field[Any]] = [pa.field(time_column, pa.timestamp("ns", tz="UTC"), nullable=False)]
    for channel in frame.channels:
        meaning = {
            "unit": channel.unit,
            "kind": channel.kind.value,
            "entity": channel.entity,
            "quantity": channel.quantity,
        }
        fields.append(
            pa.field(channel.name, pa.float64(), nullable=False, metadata={_CHANNEL: json.dumps(meaning)})
        )
    columns: list[pa.Array[Any]] = [
        pa.array(frame.timestamps_ns, pa.timestamp("ns", tz="UTC")),
        *(pa.array(np.ascontiguousarray(column), pa.float64()) for column in frame.values.T),
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata={_TIME_COLUMN: time_column}))


def _frame(table: "pa.Table") -> Frame:
    time_column = (table.schema.metadata or {})[_TIME_COLUMN].decode()
    channels = []
    for field in table.schema:
        if field.name != time_column:
            meaning = json.loads((field.metadata or {})[_CHANNEL])
            channels.append(
                Channel(
                    field.name,
                    meaning["unit"],
                    ChannelKind(meaning["kind"]),
                    meaning["entity"],
                    meaning["quantity"],
                )
            )
    values = np.empty((table.num_rows, len(channels)))
    for index, channel in enumerate(channels):
        values[:, index] = table.column(channel.name).to_numpy()
    timestamps = table.column(time_column).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return Frame(timestamps, values, tuple(channels))
