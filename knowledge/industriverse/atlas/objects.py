"""Content-addressed objects: the key of some bytes is their SHA-256."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from industriverse.atlas.errors import (
    AtlasError,
    AtlasUnreachableError,
    ObjectCorruptError,
    ObjectMissingError,
)
from industriverse.atlas.frames import frame_of, parquet_of
from industriverse.signals import Frame
from industriverse.storage import sync, writing_whole

__all__ = ["ObjectInfo", "ObjectStore", "place_of"]

_KEY = re.compile(r"[0-9a-f]{64}")
_LISTED = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
# S3 wants parts of at least 5 MiB; eight of these in flight bound the memory of an upload.
_PART_BYTES = 8 * 1_024 * 1_024
_PARTS_IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing says about one object.

    Attributes:
        key: SHA-256 of its bytes, hex.
        size_bytes: Length.
        modified: When it was stored.
    """

    key: str
    size_bytes: int
    modified: datetime


class ObjectStore:
    """Objects in a local folder, written once, checked whenever they are read.

    An object is on disk, file and folder entry both, when ``put`` returns; the library that writes it does
    not take care of that. ``industriverse.atlas.s3.S3ObjectStore`` is the same store on a server.

    Args:
        folder: Where objects live; created where missing, readable by its owner only.

    Raises:
        AtlasError: If the folder cannot be made.
    """

    def __init__(self, folder: Path | str) -> None:
        from obstore.store import LocalStore

        self._folder = Path(folder).absolute()
        self._entered: set[Path] = set()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise AtlasError(
                f"the folder {self._folder} cannot be made: {error.strerror}", hint="choose another"
            ) from error
        self._store: Any = LocalStore(self._folder)

    def put_bytes(self, content: bytes) -> str:
        """Store bytes and return their key, 64 hex digits. Storing them again changes nothing.

        Raises:
            AtlasError: If the disk or the server refuses them.
            AtlasUnreachableError: If the server does not answer.
        """
        key = hashlib.sha256(content).hexdigest()
        try:
            if not self._create(key, content) and hashlib.sha256(self._read(key)).hexdigest() != key:
                # What lies there was damaged on disk; we hold the true bytes, so the object heals.
                self._store.put(place_of(key), content, mode="overwrite")
                self._make_durable(key)
        except (_library_error(), OSError) as error:
            raise _translated(error, f"object {key[:12]}… could not be stored") from error
        return key

    def put_file(self, path: Path | str) -> str:
        """Store a file of any size, in parts where it is large, and return its key.

        The object appears whole or not at all. A file that changes meanwhile is refused.

        Raises:
            AtlasError: If the file cannot be read or changes, or the disk or the server refuses it.
            AtlasUnreachableError: If the server does not answer.
        """
        source = Path(path)
        try:
            with source.open("rb") as file:
                key = hashlib.file_digest(file, "sha256").hexdigest()
            if key in self and self.intact(key):
                return key
            self._store.put(
                place_of(key),
                _checked_parts(source, key),
                mode="overwrite",
                use_multipart=True,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_IN_FLIGHT,
            )
            self._make_durable(key)
        except (_library_error(), OSError) as error:
            raise _translated(error, f"{source} could not be stored") from error
        return key

    def get_bytes(self, key: str) -> bytes:
        """The bytes under a key.

        Raises:
            ObjectMissingError: If there is no such object.
            ObjectCorruptError: If the bytes do not hash to their key.
            AtlasUnreachableError: If the server does not answer.
        """
        content = self._read(key)
        if hashlib.sha256(content).hexdigest() != key:
            raise _corrupt(key)
        return content

    def get_file(self, key: str, path: Path | str) -> None:
        """Write the object under a key to a file, whole and checked or not at all; memory stays bounded.

        Raises:
            ObjectMissingError: If there is no such object.
            ObjectCorruptError: If the bytes do not hash to their key.
            AtlasUnreachableError: If the server does not answer.
        """
        digest = hashlib.sha256()
        with writing_whole(path, private=True) as file:
            for part in self.stream(key):
                digest.update(part)
                file.write(part)
            if digest.hexdigest() != key:
                raise _corrupt(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Part of an object. A part cannot be checked against the key: read whole what a proof depends on.

        Raises:
            ObjectMissingError: If there is no such object.
            AtlasError: If the range does not lie within the object.
            AtlasUnreachableError: If the server does not answer.
        """
        place = self._checked_place(key)
        if start < 0 or length < 1:
            raise AtlasError(f"the range {start}+{length} is empty or negative", hint="give start >= 0")
        try:
            part = self._store.get_range(place, start=start, length=length).to_bytes()
        except (_library_error(), OSError) as error:
            raise self._absent_or(error, key, f"bytes {start}+{length} of object {key[:12]}…") from error
        if len(part) != length:
            raise AtlasError(
                f"object {key[:12]}… ends before byte {start + length}", hint="read within its size"
            )
        return bytes(part)

    def intact(self, key: str) -> bool:
        """Whether the bytes under a key hash to it; memory stays bounded.

        Raises:
            ObjectMissingError: If there is no such object.
            AtlasUnreachableError: If the server does not answer.
        """
        digest = hashlib.sha256()
        for part in self.stream(key):
            digest.update(part)
        return digest.hexdigest() == key

    def objects(self) -> Iterator[ObjectInfo]:
        """Every object, in no particular order.

        Raises:
            AtlasUnreachableError: If the server does not answer.
        """
        try:
            for chunk in self._store.list():
                for meta in chunk:
                    if match := _LISTED.fullmatch(meta["path"]):
                        yield ObjectInfo(match[3], meta["size"], meta["last_modified"])
        except (_library_error(), OSError) as error:
            raise _translated(error, "the objects cannot be listed") from error

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error.

        Raises:
            AtlasError: If the disk or the server refuses.
            AtlasUnreachableError: If the server does not answer.
        """
        place = self._checked_place(key)
        if key not in self:
            return
        try:
            self._store.delete(place)
        except FileNotFoundError:
            return
        except (_library_error(), OSError) as error:
            raise _translated(error, f"object {key[:12]}… could not be deleted") from error

    def __contains__(self, key: str) -> bool:
        if _KEY.fullmatch(key) is None:
            return False
        from obstore.exceptions import NotFoundError

        try:
            self._store.head(place_of(key))
        except (NotFoundError, FileNotFoundError):
            return False
        except (_library_error(), OSError) as error:
            raise _translated(error, f"object {key[:12]}… cannot be looked up") from error
        return True

    def put_frame(self, frame: Frame) -> str:
        """Store a frame as Parquet (zstd) with the meaning of its channels, and return its key."""
        return self.put_bytes(parquet_of(frame))

    def get_frame(self, key: str) -> Frame:
        """The frame under a key.

        Raises:
            ObjectMissingError: If there is no such object.
            ObjectCorruptError: If the bytes do not hash to their key, or are not a frame.
        """
        content = self.get_bytes(key)
        try:
            return frame_of(content)
        except ValueError as error:
            raise ObjectCorruptError(f"object {key} is not a frame: {error}", hint="check the key") from error

    def _checked_place(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ObjectMissingError(f"{key!r:.80} is no object key", hint="give 64 lower-case hex digits")
        return place_of(key)

    def _read(self, key: str) -> bytes:
        place = self._checked_place(key)
        try:
            return self._fetch(place)
        except (_library_error(), OSError) as error:
            raise self._absent_or(error, key, f"object {key[:12]}… cannot be read") from error

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes under a key in parts, unchecked; memory stays bounded.

        Raises:
            ObjectMissingError: If there is no such object.
            AtlasUnreachableError: If the server does not answer.
        """
        place = self._checked_place(key)
        try:
            for part in self._store.get(place).stream(min_chunk_size=1_024 * 1_024):
                yield bytes(part)
        except (_library_error(), OSError) as error:
            raise self._absent_or(error, key, f"object {key[:12]}… cannot be read") from error

    @staticmethod
    def _absent_or(error: Exception, key: str, what: str) -> AtlasError:
        from obstore.exceptions import NotFoundError

        if isinstance(error, NotFoundError | FileNotFoundError):
            return ObjectMissingError(f"there is no object {key}", hint="check the key")
        return _translated(error, what)

    def _create(self, key: str, content: bytes) -> bool:
        """Write an object durably unless there is one; whether it was written.

        Half the time of the library, which writes from a thread of its own and leaves the file to be opened
        once more for the sync.
        """
        place = self._folder / place_of(key)
        if place.exists():
            # Whoever wrote it may have died before it was on disk.
            self._make_durable(key)
            return False
        if place.parent not in self._entered:
            place.parent.mkdir(parents=True, exist_ok=True)
        # The library takes names like this one for its own unfinished files and lists none of them.
        unfinished = f"{place}#{secrets.randbelow(10**18)}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.link(unfinished, place)
            finally:
                Path(unfinished).unlink()
            os.fsync(descriptor)
        except FileExistsError:
            self._make_durable(key)
            return False
        finally:
            os.close(descriptor)
        self._enter(place.parent)
        return True

    def _fetch(self, place: str) -> bytes:
        # Three times as fast as through the library, which hands the work to a thread of its own.
        return (self._folder / place).read_bytes()

    def _make_durable(self, key: str) -> None:
        place = self._folder / place_of(key)
        sync(place)
        self._enter(place.parent)

    def _enter(self, folder: Path) -> None:
        """Have a folder's names on disk."""
        sync(folder)
        # A folder that has been entered in its parent once needs that no more.
        while folder not in self._entered and folder != self._folder:
            sync(folder.parent)
            self._entered.add(folder)
            folder = folder.parent


def place_of(key: str) -> str:
    """Path of an object within a store."""
    # Two levels of 256 keep folders small at a million objects.
    return f"{key[:2]}/{key[2:4]}/{key}"


def _checked_parts(path: Path, key: str) -> Iterator[bytes]:
    # The last part is held back until the whole is known to hash to its key, so that a file that was being
    # written never becomes an object under a wrong name.
    digest = hashlib.sha256()
    with path.open("rb") as file:
        held = b""
        while part := file.read(_PART_BYTES):
            digest.update(part)
            if held:
                yield held
            held = part
    if digest.hexdigest() != key:
        raise OSError(f"{path} changed while it was read")
    yield held


def _corrupt(key: str) -> ObjectCorruptError:
    return ObjectCorruptError(
        f"object {key} is damaged: its bytes do not hash to its key", hint="restore it from a backup"
    )


def _library_error() -> type[Exception]:
    from obstore.exceptions import BaseError

    return BaseError


def _translated(error: Exception, what: str) -> AtlasError:
    from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError

    reason = str(error).partition("\n")[0]
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "status code: 403" in str(error):
        return AtlasError(f"{what}: access is denied", hint="check the credentials and what they may do")
    # The library names no class for these; the words are its own.
    if isinstance(error, GenericError) and re.search(r"HTTP error|status code: 5\d\d|timed out", str(error)):
        return AtlasUnreachableError(f"{what}: {reason}", hint="check the address and that the server runs")
    return AtlasError(f"{what}: {reason}", hint="check the disk or the server")
