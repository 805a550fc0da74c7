"""What numerical libraries need of the process before they are loaded: room, and no threads that wait."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["keep_to_one_thread", "make_room_for_libraries", "roomier", "threads_of"]

_VARIABLE = "GLIBC_TUNABLES"
_TUNABLE = "glibc.rtld.optional_static_tls"
_BYTES = 16_384
_THREADS = "OPENBLAS_NUM_THREADS"
_DECIDES_TOO = "OMP_NUM_THREADS"


def roomier(environment: Mapping[str, str], libc: str) -> dict[str, str] | None:
    """The environment that the process should have been started with; None if this one will do.

    torch, the graph engine and scikit-learn in one process need more thread-local storage than glibc
    reserves for libraries that are loaded late ("cannot allocate memory in static TLS block"). The reserve
    is fixed when a process starts and can only be asked for in its environment.

    Args:
        environment: Of this process.
        libc: Name of its C library; other libraries than glibc have no such limit.
    """
    given = environment.get(_VARIABLE, "")
    if not libc.startswith("glibc") or _TUNABLE in given:
        return None
    asked = f"{_TUNABLE}={_BYTES}"
    return dict(environment) | {_VARIABLE: f"{given}:{asked}" if given else asked}


def threads_of(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to an environment so that linear algebra keeps to one thread; nothing where it says otherwise.

    The matrices of a stream are small: with two threads a forecast took four times the processor time and three times
    as long, most of it spent waiting for the other thread.
    """
    return {} if _THREADS in environment or _DECIDES_TOO in environment else {_THREADS: "1"}


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""


def _is_the_command() -> bool:
    """Whether this process is the command itself and not a program that called one of its functions."""
    started = Path(sys.argv[0])
    return started.stem == "industriverse" or (started.name == "__main__.py" and started.parent.name == "cli")


def keep_to_one_thread() -> None:
    """Does for this process what :func:`threads_of` says; to be called before any import, by the command alone."""
    if _is_the_command():
        os.environ.update(threads_of(os.environ))


def make_room_for_libraries() -> None:
    """Starts this process over, once, with the room that its libraries need; to be called before any import.

    The process keeps its id and its standard streams. Nothing happens where the room is there already.
    """
    if not _is_the_command():
        return
    environment = roomier(os.environ, _libc())
    if environment is not None:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606
