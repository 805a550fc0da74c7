"""Files that are no telemetry: one line each, naming the place and the fix."""

import os
from pathlib import Path

import pytest

from industriverse.signals import IngestError
from industriverse.signals.ingest import read_frame


def csv(folder: Path, text: str, name: str = "stream.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "time,x\n", "0 data row"),
        ("a.csv", "time,x\n1,2\n", "1 data row.*two rows"),
        ("a.csv", "time,x\n1,2,3\n", "not well-formed csv.*Expected 2 columns"),
        ("a.csv", "time,x,x\n1,2,3\n2,3,4\n", "two columns named 'x'"),
        ("a.csv", "1,2\n3,4\n5,6\n", "numbers .* instead of column names"),
        ("a.csv", "time,x\n5,1\n5,2\n", "1 row.s. with a time"),
        ("a.csv", "time,x\n1,\x1b[2J\n", "1 data row"),
        ("a.csv", "time,x\n1,\x1b[2J,3\n", r"got 3: 1,.x1b"),
        ("a.parquet", "no parquet", "not well-formed parquet"),
        ("a.jsonl", '{"x": 1}\n{"x": \n', "line 2 is not JSON"),
        ("a.jsonl", "[1, 2]\n[3, 4]\n", "line 1 is not an object"),
        ("a.jsonl", '{"x": {"y": 1}}\n{"x": {"y": 2}}\n', "'x' holds 'struct"),
        ("a.txt", "time,x\n1,2\n", "suffix '.txt'.*ending in .csv"),
    ],
)
def test_a_file_that_is_no_telemetry_gives_one_line_with_the_fix(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(IngestError, match=message) as caught:
        read_frame(csv(tmp_path, content, name))
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.hint


def test_a_missing_file_a_folder_and_an_impossible_path_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for path, message in [
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path / "folder.csv", "is a folder"),
        (tmp_path / ("x" * 5000 + ".csv"), "cannot be opened"),
        (Path("bad\0path.csv"), "cannot be opened"),
    ]:
        with pytest.raises(IngestError, match=message):
            read_frame(path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no user ids here")
def test_an_unreadable_file_is_named_with_the_permission_it_needs(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,x\n1,2\n2,3\n")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # permissions do not bind root, so give them up for the while
        os.seteuid(65534)
    try:
        with pytest.raises(IngestError, match="read permission"):
            read_frame(path)
    finally:
        os.seteuid(user)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stream.csv"
    path.write_bytes(b"time,x\n1,\xff\xfe\n2,3\n")
    with pytest.raises(IngestError, match="'x' holds 'binary"):
        read_frame(path)
