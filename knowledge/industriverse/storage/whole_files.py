"""Files that are there whole or not at all, whatever dies while they are written."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["sync", "write_whole", "writing_whole"]

_PRIVATE = 0o600
_ORDINARY = 0o666


@contextmanager
def writing_whole(path: Path | str, *, private: bool = False) -> Iterator[BinaryIO]:
    """Write a file that takes its name, over an older one, only once all of it is on the disk.

    The draft lies beside it under a name of its own, so that two writers do not meet; it is removed if the
    block raises.

    Args:
        path: The file. Its folder exists.
        private: Whether only the owner may read it; else the process's umask decides.

    Raises:
        OSError: If the draft cannot be written or cannot take the name.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE if private else _ORDINARY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise
    # A name is content of its folder, which has to reach the disk as well; Windows cannot open folders.
    if os.name != "nt":
        sync(target.parent)


def write_whole(path: Path | str, content: bytes, *, private: bool = False) -> None:
    """Write bytes as :func:`writing_whole` does.

    Raises:
        OSError: If they cannot be written.
    """
    with writing_whole(path, private=private) as file:
        file.write(content)


def sync(path: Path) -> None:
    """Have what a file holds, or the names in a folder, on the disk.

    Raises:
        OSError: If it cannot be opened or written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
