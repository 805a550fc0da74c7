"""A file is there whole or not at all, whatever dies while it is written."""

import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from industriverse.storage import write_whole, writing_whole

OLD = b"old" * 1000

KILLED = """
import os, signal, sys
from industriverse.storage import writing_whole
with writing_whole(sys.argv[1]) as file:
    file.write(b"new" * 1_000_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_whole(path, OLD)
    with pytest.raises(TypeError), writing_whole(path) as file:
        file.writelines([b"new", "text"])  # type: ignore[list-item]
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_is_killed_leaves_the_older_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_whole(path, OLD)
    died = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert path.read_bytes() == OLD
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "raced"
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_whole(path, content), contents * 4))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("older_mode", [None, 0o644])
def test_a_private_file_is_for_its_owner_alone(tmp_path: Path, older_mode: int | None) -> None:
    path = tmp_path / "secret"
    if older_mode is not None:
        path.touch(older_mode)
    write_whole(path, b"x", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"x")
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_whole(path, b"x")
    assert path.read_bytes() == b"x"
