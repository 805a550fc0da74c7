"""Files become frames by clear rules: every row is kept or counted, every failure names its fix."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from industriverse.signals import Channel, ChannelKind, Frame, IngestError
from industriverse.signals.ingest import DUPLICATE_TIME, NO_TIME, IngestResult, read_frame, write_frame

SECOND = 1_000_000_000
NEW_YEAR_2020 = 1_577_836_800 * SECOND


def csv(folder: Path, text: str, name: str = "stream.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def times_of(folder: Path, *texts: str, header: str = "time") -> IngestResult:
    return read_frame(
        csv(folder, f"{header},x\n" + "".join(f"{text},{row}\n" for row, text in enumerate(texts)))
    )


def test_the_same_rows_read_the_same_from_csv_parquet_and_json_lines(tmp_path: Path) -> None:
    rows = [
        ("2020-01-01T00:00:00Z", 1.5, 2),
        ("2020-01-01T00:00:01Z", -3.25, 4),
        ("2020-01-01T00:00:02Z", 0.0, 6),
    ]
    text = "time,x,y\n" + "".join(f"{time},{x},{y}\n" for time, x, y in rows)
    lines = "".join(json.dumps({"time": time, "x": x, "y": y}) + "\n" for time, x, y in rows)
    table = pa.table(
        {"time": [row[0] for row in rows], "x": [row[1] for row in rows], "y": [row[2] for row in rows]}
    )
    pq.write_table(table, tmp_path / "stream.parquet")
    paths = [
        csv(tmp_path, text),
        tmp_path / "stream.parquet",
        csv(tmp_path, lines, "stream.jsonl"),
        csv(tmp_path, lines, "stream.ndjson"),
    ]
    for path in paths:
        frame = read_frame(path).frame
        np.testing.assert_array_equal(frame.timestamps_ns, NEW_YEAR_2020 + SECOND * np.arange(3))
        np.testing.assert_array_equal(frame.values, [[1.5, 2], [-3.25, 4], [0, 6]])
        assert frame.names == ("x", "y")


@pytest.mark.parametrize(
    ("header", "texts", "step_s"),
    [
        ("time", ("2020-01-01 00:00", "2020-01-01 00:01"), 60),
        ("Timestamp", ("2020-01-01T02:00:00+02:00", "2020-01-01T02:00:01.5+02:00"), 1.5),
        ("DATE", ("2020-01-01", "2020-01-02"), 86_400),
        ("date", ("20200101", "20200102"), 86_400),
        ("date_time", ("1/1/2020 12:00 AM", "1/1/2020 1:30 PM"), 48_600),
        ("date_time", ("01/01/20 00", "01/01/20 01"), 3600),
        ("datetime", ("01/01/2020 00:00:00", "01/01/2020 00:00:10"), 10),
        ("@timestamp", ("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00.250Z"), 0.25),
        ("ts", ("1577836800", "1577836801"), 1),
        ("ts", ("1577836800.0", "1577836800.5"), 0.5),
        ("epoch", ("1577836800000", "1577836800020"), 0.02),
        ("time", ("1577836800000000", "1577836800000020"), 0.00002),
        ("time_ns", ("1577836800000000000", "1577836800000000001"), 1e-9),
    ],
)
def test_times_are_read_in_every_usual_spelling(
    tmp_path: Path, header: str, texts: tuple[str, str], step_s: float
) -> None:
    frame = times_of(tmp_path, *texts, header=header).frame
    assert frame.timestamps_ns[0] == NEW_YEAR_2020
    assert frame.timestamps_ns[1] - frame.timestamps_ns[0] == round(step_s * SECOND)


def test_slashed_dates_are_read_day_first_and_said_to_be(tmp_path: Path) -> None:
    result = times_of(tmp_path, "06/01/14 00", "06/01/14 01")
    assert result.frame.timestamps_ns[0] == np.datetime64("2014-01-06", "ns").astype(np.int64)
    assert any("day first (both orders fit)" in note for note in result.notes)


def test_slashed_dates_that_can_only_be_month_first_are(tmp_path: Path) -> None:
    result = times_of(tmp_path, "01/13/2014 00:00", "01/14/2014 00:00")
    assert result.frame.timestamps_ns[0] == np.datetime64("2014-01-13", "ns").astype(np.int64)
    assert any("month first" in note for note in result.notes)


def test_times_without_a_zone_are_utc_and_the_assumption_is_noted(tmp_path: Path) -> None:
    assert any("taken as UTC" in note for note in times_of(tmp_path, "2020-01-01", "2020-01-02").notes)
    zoned = times_of(tmp_path, "2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z")
    assert not any("UTC" in note for note in zoned.notes)


def test_the_unit_in_the_name_decides_over_the_magnitude(tmp_path: Path) -> None:
    result = times_of(tmp_path, "1000", "2000", header="time_ms")
    np.testing.assert_array_equal(result.frame.timestamps_ns, [SECOND, 2 * SECOND])


def test_a_given_time_column_is_used_whatever_its_name(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "when,x\n10,1\n20,2\n"), time_column="when")
    assert result.time_column == "when"
    assert result.frame.names == ("x",)
    with pytest.raises(IngestError, match=r"no column 'then'.*'when', 'x'"):
        read_frame(tmp_path / "stream.csv", time_column="then")


def test_the_only_dated_column_is_the_time_whatever_its_name(tmp_path: Path) -> None:
    path = csv(tmp_path, "observed,x\n2020-01-01,1\n2020-01-02,2\n")
    assert read_frame(path).time_column == "observed"


def test_without_a_time_column_rows_are_one_second_apart_and_it_is_noted(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "x,y\n1,2\n3,4\n"))
    np.testing.assert_array_equal(result.frame.timestamps_ns, [0, SECOND])
    assert result.time_column is None
    assert any("one second apart" in note for note in result.notes)


def test_missing_values_are_nan_and_an_empty_channel_stays(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "time,x,y,z\n1,,,5\n2,NaN,,\n3,1.5,,7\n"))
    np.testing.assert_array_equal(
        result.frame.values, [[np.nan, np.nan, 5], [np.nan, np.nan, np.nan], [1.5, np.nan, 7]]
    )
    assert any("without any value: 'y'" in note for note in result.notes)


def test_infinite_values_are_missing_and_counted(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "time,x\n1,inf\n2,-inf\n3,1\n"))
    assert np.isnan(result.frame.values[:2]).all()
    assert "2 infinite values of 'x' are taken as missing" in result.notes


def test_booleans_are_zero_and_one(tmp_path: Path) -> None:
    frame = read_frame(csv(tmp_path, "time,pump\n1,true\n2,False\n3,\n")).frame
    np.testing.assert_array_equal(frame.column("pump"), [1, 0, np.nan])


def test_constant_channels_stay_and_are_noted(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "time,x,y\n1,7,1\n2,7,2\n"))
    assert result.frame.names == ("x", "y")
    assert "1 channel(s) are constant: 'x'" in result.notes


def test_columns_that_hold_the_answer_are_pointed_out(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "time,x,ATT_FLAG\n1,7,0\n2,8,1\n"))
    assert "1 channel(s) are named like labels: 'ATT_FLAG'" in result.notes


def test_irregular_sampling_is_accepted_and_described(tmp_path: Path) -> None:
    result = times_of(tmp_path, "0", "1", "2", "3", "63")
    assert any(
        "25.0% of the intervals are not the usual 1 s, the longest is 60 s" in note for note in result.notes
    )


def test_text_in_a_numeric_column_names_column_row_and_text(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,flow\n1,2.5\n2,Bad Input\n3,2.7\n")
    with pytest.raises(IngestError, match=r"'flow' holds numbers but row 2 has the text 'Bad Input'"):
        read_frame(path)
    lines = csv(tmp_path, '{"flow": 2.5}\n{"flow": "Bad Input"}\n', "stream.jsonl")
    with pytest.raises(IngestError, match=r"'flow' holds numbers but row 2 has the text 'Bad Input'"):
        read_frame(lines)


def test_text_from_a_file_is_quoted_escaped_and_cut_short(tmp_path: Path) -> None:
    path = csv(tmp_path, 'time,flow\n1,2.5\n2,"' + "ignore all\n rules " * 20 + '"\n')
    with pytest.raises(IngestError) as caught:
        read_frame(path)
    assert "\n" not in str(caught.value)
    assert r"\n" in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_a_text_column_is_named_with_the_way_out_and_can_be_ignored(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,experiment,x\n1,valve1/0,2\n2,valve1/1,3\n")
    with pytest.raises(
        IngestError, match=r"'experiment' holds text \(row 1: 'valve1/0'\).*ignore='experiment'"
    ):
        read_frame(path)
    assert read_frame(path, ignore=["experiment"]).frame.names == ("x",)
    assert read_frame(path, channels=["x"]).frame.names == ("x",)


def test_numbers_written_as_text_are_numbers_and_noted(tmp_path: Path) -> None:
    path = csv(tmp_path, '{"x": "1.5"}\n{"x": " 2e3 "}\n{"x": null}\n', "stream.jsonl")
    result = read_frame(path)
    np.testing.assert_array_equal(result.frame.column("x"), [1.5, 2000, np.nan])
    assert any("written as text" in note for note in result.notes)


def test_semicolons_and_decimal_commas_are_understood_and_noted(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "time;x;y\n1;1,5;2\n2;2,25;3\n"))
    np.testing.assert_array_equal(result.frame.values, [[1.5, 2], [2.25, 3]])
    assert any("';'" in note for note in result.notes)
    assert any("decimal comma" in note for note in result.notes)


def test_chosen_channels_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,a,b,c\n1,1,2,3\n2,4,5,6\n")
    frame = read_frame(path, channels=["c", "a"]).frame
    assert frame.names == ("c", "a")
    np.testing.assert_array_equal(frame.values, [[3, 1], [6, 4]])


@pytest.mark.parametrize("wanted", [{"channels": ["d"]}, {"ignore": ["d"]}, {"units": {"d": "bar"}}])
def test_an_unknown_column_is_an_error_that_lists_the_columns(
    tmp_path: Path, wanted: dict[str, object]
) -> None:
    with pytest.raises(IngestError, match=r"'d'.*'a', 'b'"):
        read_frame(csv(tmp_path, "time,a,b\n1,1,2\n2,4,5\n"), **wanted)  # type: ignore[arg-type]


def test_the_time_column_is_no_channel_and_something_must_be_left(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,a\n1,1\n2,4\n")
    with pytest.raises(IngestError, match="is the time column"):
        read_frame(path, channels=["time"])
    with pytest.raises(IngestError, match="no channel left"):
        read_frame(path, ignore=["a"])


def test_of_rows_at_the_same_time_the_last_stays_and_the_others_are_counted(tmp_path: Path) -> None:
    result = times_of(tmp_path, "1", "1", "2", "2", "2", "3")
    np.testing.assert_array_equal(result.frame.column("x"), [1, 4, 5])
    np.testing.assert_array_equal(result.source_rows, [1, 4, 5])
    assert result.rows_dropped == {DUPLICATE_TIME: 3}
    assert result.dropped == 3


def test_rows_without_a_time_are_dropped_and_counted(tmp_path: Path) -> None:
    result = times_of(tmp_path, "2020-01-01", "", "2020-01-03")
    assert result.rows_dropped == {NO_TIME: 1}
    np.testing.assert_array_equal(result.source_rows, [0, 2])


def test_backward_time_is_an_error_that_names_the_row_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(
        IngestError, match=r"backward at row 3: 2020-01-02 follows 2020-01-03.*backward='sort'"
    ):
        times_of(tmp_path, "2020-01-01", "2020-01-03", "2020-01-02")


def test_backward_time_is_sorted_when_asked_for_and_rows_can_be_traced(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,x\n3,30\n1,10\n2,20\n1,11\n")
    result = read_frame(path, backward="sort")
    np.testing.assert_array_equal(result.frame.column("x"), [11, 20, 30])
    np.testing.assert_array_equal(result.source_rows, [3, 2, 0])
    assert result.rows_dropped == {DUPLICATE_TIME: 1}
    assert any("sorted by time" in note for note in result.notes)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("2020-01-01", "yesterday"), r"row 2 is 'yesterday'"),
        (("2020-01-01T00:00:00Z", "2020-01-01T00:00:01"), r"row 2 .*all with a zone or all without"),
        (("2020-13-01", "2020-13-02"), r"row 1 is '2020-13-01'"),
        (("true", "false"), "holds 'bool"),
        (("1e300", "2e300"), "1678 to 2262"),
        (("1e10", "2e10"), "1678 to 2262"),
        (("", ""), "0 row.s. with a time"),
    ],
)
def test_times_that_are_none_are_named(tmp_path: Path, texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        times_of(tmp_path, *texts)


def test_a_byte_order_mark_and_blanks_around_names_do_not_matter(tmp_path: Path) -> None:
    assert read_frame(csv(tmp_path, "\ufefftime, x\n1,2\n2,3\n")).frame.names == ("x",)


def test_the_row_index_that_pandas_leaves_is_no_channel(tmp_path: Path) -> None:
    assert read_frame(csv(tmp_path, ",time,x\n0,1,5\n1,2,6\n")).frame.names == ("x",)
    table = pa.table({"time": [1, 2], "x": [3.0, 4.0], "__index_level_0__": [0, 1]})
    pq.write_table(table, tmp_path / "stream.parquet")
    assert read_frame(tmp_path / "stream.parquet").frame.names == ("x",)


def test_an_unnamed_index_of_times_is_the_time_column(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, ",x\n2020-01-01,5\n2020-01-02,6\n"))
    assert result.frame.timestamps_ns[0] == NEW_YEAR_2020
    assert result.frame.names == ("x",)


def test_the_columns_that_trailing_commas_make_are_left_out_and_noted(tmp_path: Path) -> None:
    result = read_frame(csv(tmp_path, "time,x,,\n1,2,,\n2,3,,\n"))
    assert result.frame.names == ("x",)
    assert "2 unnamed column(s) are left out" in result.notes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(IngestError, match="no regular file"):
        read_frame(tmp_path / "pipe.csv")


def test_channel_metadata_comes_from_units_then_sidecar_then_field(tmp_path: Path) -> None:
    path = tmp_path / "stream.parquet"
    fields: list[Any] = [
        pa.field("time", pa.int64()),
        pa.field("p", pa.float64(), metadata={"unit": "Pa", "entity": "pump-1", "kind": "gauge"}),
        pa.field("q", pa.float64(), metadata={"unit": "m3/h"}),
    ]
    arrays: list[Any] = [pa.array([1, 2]), pa.array([1.0, 2.0]), pa.array([3.0, 4.0])]
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path)
    sidecar = {"p": {"unit": "bar", "quantity": "pressure"}, "old": {"unit": "m"}}
    (tmp_path / "stream.parquet.channels.json").write_text(json.dumps(sidecar))
    result = read_frame(path, units={"q": "L/s"})
    assert result.frame.channels == (
        Channel("p", "bar", ChannelKind.GAUGE, "pump-1", "pressure"),
        Channel("q", "L/s"),
    )
    assert any("'old'" in note for note in result.notes)


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ("{", "not readable JSON"),
        ("[]", "not a JSON object"),
        ('{"x": 1}', "'x' is not an object"),
        ('{"x": {"units": "bar"}}', "'x' has the field 'units'"),
        ('{"x": {"unit": 3}}', "'x' has the field 'unit'"),
        ('{"x": {"kind": "vibes"}}', "the kind 'vibes'.*continuous"),
    ],
)
def test_a_broken_sidecar_is_an_error_and_not_ignored(tmp_path: Path, sidecar: str, message: str) -> None:
    path = csv(tmp_path, "time,x\n1,2\n2,3\n")
    (tmp_path / "stream.csv.channels.json").write_text(sidecar)
    with pytest.raises(IngestError, match=message):
        read_frame(path)


def test_encoded_and_narrow_parquet_columns_read_like_plain_ones(tmp_path: Path) -> None:
    times = pa.array(["2020-01-01", "2020-01-02", "2020-01-03"]).dictionary_encode()
    numbers = pa.array(["1.5", None, "2"]).dictionary_encode()
    table = pa.table(
        {
            "time": times,
            "text": numbers,
            "half": pa.array(np.array([1, 2, 3], dtype=np.float16)),
            "small": pa.array([1, None, 3], pa.int8()),
            "money": pa.array([1, 2, 3]).cast(pa.decimal128(21, 2)),
            "nothing": pa.nulls(3),
        }
    )
    pq.write_table(table, tmp_path / "stream.parquet")
    frame = read_frame(tmp_path / "stream.parquet").frame
    assert frame.interval_s == 86_400
    nan = np.nan
    np.testing.assert_array_equal(
        frame.values, [[1.5, 1, 1, 1, nan], [nan, 2, nan, 2, nan], [2, 3, 3, 3, nan]]
    )


CELLS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 30)), CELLS, st.integers(-5, 5)),
        min_size=2,
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_are_rows_kept_plus_rows_dropped(
    tmp_path: Path, rows: list[tuple[int | None, float | None, int]]
) -> None:
    path = tmp_path / "rows.parquet"
    times, x, y = zip(*rows, strict=True)
    pq.write_table(
        pa.table({"time": pa.array(times, pa.int64()), "x": pa.array(x, pa.float64()), "y": y}), path
    )
    if len(set(times) - {None}) < 2:
        with pytest.raises(IngestError, match="with a time of their own"):
            read_frame(path, backward="sort")
        return
    result = read_frame(path, backward="sort")
    assert result.rows_in == len(rows) == len(result.frame) + sum(result.rows_dropped.values())
    assert len(np.unique(result.source_rows)) == len(result.frame)
    # Each kept sample is the last row of its time, value for value.
    for sample, row in enumerate(result.source_rows):
        assert result.frame.timestamps_ns[sample] == (times[row] or 0) * SECOND
        assert times[row] not in times[row + 1 :]
        expected = np.nan if x[row] is None else x[row]
        np.testing.assert_array_equal(result.frame.values[sample], [expected, y[row]])


@given(
    st.lists(st.integers(-(2**61), 2**61), min_size=2, max_size=20, unique=True),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_written_frame_reads_back_the_same(tmp_path: Path, times: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(len(times), 3))
    values[0, 1] = np.nan
    channels = (
        Channel("timestamp", "bar", ChannelKind.COUNTER, "pump-1", "pressure"),
        Channel("b"),
        Channel("Volume Flow RateRMS", "L/min"),
    )
    frame = Frame(np.sort(np.array(times)), values, channels)
    result = read_frame(write_frame(frame, tmp_path / "frame.parquet"))
    np.testing.assert_array_equal(result.frame.timestamps_ns, frame.timestamps_ns)
    np.testing.assert_array_equal(result.frame.values, frame.values)
    assert result.frame.channels == channels
    assert [file.name for file in tmp_path.iterdir()] == ["frame.parquet"]


def test_a_frame_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    frame = Frame(np.array([0, 1]), np.zeros((2, 1)), (Channel("time"),))
    with pytest.raises(IngestError, match="called 'time'"):
        write_frame(frame, tmp_path / "frame.parquet")
    named = Frame(np.array([0, 1]), np.zeros((2, 1)), (Channel("x"),))
    with pytest.raises(IngestError, match=r"end in .parquet"):
        write_frame(named, tmp_path / "frame.csv")
    with pytest.raises(IngestError, match="cannot be written"):
        write_frame(named, tmp_path / "none" / "frame.parquet")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(IngestError, match="cannot be written"):
        write_frame(named, tmp_path / "folder.parquet")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.parquet"]


def test_importing_signals_and_ingest_does_not_load_arrow() -> None:
    program = "import sys, industriverse.signals.ingest; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
