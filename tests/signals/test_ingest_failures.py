"""Files that are no telemetry: one line each, naming the place and the fix."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from industriverse.signals import Channel, Frame, IngestError
from industriverse.signals.ingest import read_frame, write_frame


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


CELL = st.one_of(
    st.sampled_from(
        ["", "1", "-2.5", "1e400", "NaN", "inf", "true", "x", "2020-01-01", "2020-01-01T00:00:00Z"]
    ),
    st.sampled_from(
        ["01/02/20 03", "12:30", "1577836800", "1577836800000", '"a,b"', "1,5", "é", "\x00", "\x1b[2J"]
    ),
    st.text(max_size=5),
)
LINES = st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=8)


def outcome(path: Path) -> None:
    """Reading either accounts for every row or fails in one line with a hint."""
    refusal: IngestError | None = None
    try:
        result = read_frame(path, backward="sort")
        assert result.rows_in == len(result.frame) + result.dropped
    except IngestError as error:
        refusal = error
    if refusal is not None:
        assert str(refusal).isprintable()
        assert refusal.hint


@given(LINES, st.sampled_from(["time,x", "x,y,z", "date;x", ""]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_as_csv_is_read_or_refused_in_one_line(
    tmp_path: Path, lines: list[list[str]], header: str
) -> None:
    path = tmp_path / "fuzz.csv"
    separator = ";" if ";" in header else ","
    text = "\n".join([header, *(separator.join(cells) for cells in lines)])
    path.write_bytes(text.encode("utf-8", "replace"))
    outcome(path)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)


@given(st.lists(st.dictionaries(st.sampled_from(["time", "x", "y", ""]), VALUES, max_size=3), max_size=6))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_objects_as_json_lines_are_read_or_refused_in_one_line(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    path = tmp_path / "fuzz.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome(path)


@given(st.binary(max_size=300), st.sampled_from([".csv", ".parquet", ".jsonl"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    outcome(path)


def test_parquet_cut_short_or_altered_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    frame = Frame(np.arange(50), np.random.default_rng(0).normal(size=(50, 2)), (Channel("x"), Channel("y")))
    whole = write_frame(frame, tmp_path / "whole.parquet").read_bytes()
    path = tmp_path / "broken.parquet"
    rng = np.random.default_rng(1)
    for _ in range(100):
        broken = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.3 else whole)
        broken[rng.integers(len(broken))] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        outcome(path)


def test_no_altered_bit_makes_a_written_frame_read_as_other_values(tmp_path: Path) -> None:
    frame = Frame(np.arange(50), np.random.default_rng(0).normal(size=(50, 1)), (Channel("x"),))
    path = write_frame(frame, tmp_path / "frame.parquet")
    whole = path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    noticed = 0
    for position in range(start, start + column.total_compressed_size, 7):
        broken = bytearray(whole)
        broken[position] ^= 1
        path.write_bytes(broken)
        try:
            np.testing.assert_array_equal(read_frame(path).frame.values, frame.values)
        except IngestError:
            noticed += 1
    assert noticed > 40
