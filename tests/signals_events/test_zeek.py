"""Zeek logs become events, and every line is either an event or counted."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from industriverse.signals.events import EventFormatError, EventRead, read_zeek

CONN_FIELDS = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "conn_state",
]
CONN_ROW = [
    "1424799000.123456",
    "C1",
    "10.0.0.1",
    "4711",
    "10.0.0.2",
    "502",
    "tcp",
    "modbus",
    "0.5",
    "12",
    "SF",
]


def conn_log(*rows: list[str], path: str = "conn", end: str = "\n") -> str:
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-"]
    head += [f"#path\t{path}", "#fields\t" + "\t".join(CONN_FIELDS)]
    return "\n".join([*head, *("\t".join(row) for row in rows)]) + end


def counted(read: EventRead) -> bool:
    return read.lines == len(read.events) + sum(read.dropped.values())


def test_a_connection_keeps_exact_nanoseconds_and_shared_field_names(tmp_path: Path) -> None:
    (tmp_path / "any.log").write_text(conn_log(CONN_ROW))
    read = read_zeek(tmp_path / "any.log")
    (event,) = read.events
    assert event.timestamp_ns == 1_424_799_000_123_456_000
    assert (event.entity, event.symbol) == ("10.0.0.1", "flow tcp modbus")
    assert event.fields["dst_port"] == 502
    assert event.fields["flag"] == "SF"
    assert event.fields["duration_s"] == 0.5
    assert read.dropped == {"comment or header line": 6}
    assert counted(read)


def test_unset_and_empty_values_are_absent(tmp_path: Path) -> None:
    row = list(CONN_ROW)
    row[7], row[8], row[9] = "-", "-", "(empty)"
    (tmp_path / "conn.log").write_text(conn_log(row))
    (event,) = read_zeek(tmp_path / "conn.log").events
    assert event.symbol == "flow tcp -"
    assert not {"service", "duration_s", "src_bytes"} & set(event.fields)


def test_lines_that_are_no_event_are_counted_by_reason(tmp_path: Path) -> None:
    no_time = ["-", *CONN_ROW[1:]]
    no_host = [*CONN_ROW[:2], "-", *CONN_ROW[3:]]
    text = conn_log(CONN_ROW, no_time, no_host, ["1", "2"], [""]) + "\t".join(CONN_ROW)[:40]
    (tmp_path / "conn.log").write_text(text)
    read = read_zeek(tmp_path / "conn.log")
    assert counted(read)
    assert {key: read.dropped[key] for key in sorted(read.dropped)} == {
        "blank line": 1,
        "comment or header line": 6,
        "no originator or responder": 1,
        "no time": 1,
        "truncated last line": 1,
        "wrong number of columns": 1,
    }


def test_a_last_line_without_end_may_hold_a_cut_number_and_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "conn.log").write_text(conn_log(CONN_ROW, end=""))
    read = read_zeek(tmp_path / "conn.log")
    assert not read.events
    assert read.dropped["truncated last line"] == 1


def test_json_lines_give_the_same_events_as_tsv(tmp_path: Path) -> None:
    (tmp_path / "conn.log").write_text(conn_log(CONN_ROW))
    record: dict[str, object] = dict(zip(CONN_FIELDS, CONN_ROW, strict=True))
    record |= {
        "ts": 1424799000.123456,
        "duration": 0.5,
        "orig_bytes": 12,
        "id.resp_p": 502,
        "id.orig_p": 4711,
    }
    nested = {key: value for key, value in record.items() if not key.startswith("id.")}
    nested["id"] = {key[3:]: value for key, value in record.items() if key.startswith("id.")}
    iso = record | {"ts": "2015-02-24T17:30:00.123456Z"}
    (tmp_path / "conn.json").write_text("\n".join(map(json.dumps, (record, nested, iso))))
    plain = read_zeek(tmp_path / "conn.log").events[0]
    for event in read_zeek(tmp_path / "conn.json", log="conn").events:
        assert (event.entity, event.symbol, event.fields) == (plain.entity, plain.symbol, plain.fields)
        assert event.timestamp_ns == plain.timestamp_ns


def test_modbus_details_are_commands_to_the_device_addressed(tmp_path: Path) -> None:
    names = [
        "ts",
        "uid",
        "id.orig_h",
        "id.orig_p",
        "id.resp_h",
        "id.resp_p",
        "tid",
        "unit",
        "func",
        "address",
        "quantity",
        "request_values",
    ]
    row = [
        "1.5",
        "C",
        "10.0.0.9",
        "40000",
        "10.0.0.2",
        "502",
        "3",
        "7",
        "WRITE_MULTIPLE_COILS",
        "1",
        "4",
        "1,0,0,1",
    ]
    text = (
        "#separator \\x09\n#path\tmodbus_detailed\n#fields\t"
        + "\t".join(names)
        + "\n"
        + "\t".join(row)
        + "\n"
    )
    (tmp_path / "x.log").write_text(text)
    (event,) = read_zeek(tmp_path / "x.log").events
    assert (event.entity, event.symbol) == ("10.0.0.2#7", "modbus write_multiple_coils")
    assert event.fields["address"] == 1
    assert event.fields["values"] == "1,0,0,1"
    assert event.fields["src"] == "10.0.0.9"


def test_the_older_column_names_of_modbus_details_are_read(tmp_path: Path) -> None:
    names = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p unit_id func network_direction address quantity values"
    row = "1.5 C 10.0.0.9 40000 10.0.0.2 502 4 READ_COILS response - 8 T,F,F"
    text = (
        "#path\tmodbus_detailed\n#fields\t" + names.replace(" ", "\t") + "\n" + row.replace(" ", "\t") + "\n"
    )
    (tmp_path / "x.log").write_text(text)
    (event,) = read_zeek(tmp_path / "x.log").events
    assert (event.entity, event.symbol) == ("10.0.0.2#4", "modbus read_coils response")
    assert "address" not in event.fields


def test_gzip_is_read_and_an_early_end_keeps_what_came_before(tmp_path: Path) -> None:
    text = conn_log(*([CONN_ROW] * 2000)).encode()
    (tmp_path / "conn.log.gz").write_bytes(gzip.compress(text))
    assert len(read_zeek(tmp_path / "conn.log.gz").events) == 2000
    packed = gzip.compress(text, compresslevel=0)
    (tmp_path / "conn.cut.log.gz").write_bytes(packed[: len(packed) // 2])
    read = read_zeek(tmp_path / "conn.cut.log.gz")
    assert 0 < len(read.events) < 2000
    assert counted(read)
    assert any("ends early" in note for note in read.notes)


def test_damaged_compression_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(conn_log(CONN_ROW).encode()))
    packed[30] ^= 0xFF
    (tmp_path / "conn.log.gz").write_bytes(bytes(packed))
    with pytest.raises(EventFormatError, match=r"conn\.log\.gz"):
        read_zeek(tmp_path / "conn.log.gz")


def test_bytes_that_are_not_utf8_stay_visible_and_are_noted(tmp_path: Path) -> None:
    row = "\t".join(CONN_ROW).encode().replace(b"modbus", b"mod\xffbus")
    (tmp_path / "conn.log").write_bytes(conn_log().encode() + row + b"\n")
    read = read_zeek(tmp_path / "conn.log")
    assert read.events[0].fields["service"] == "mod\\xffbus"
    assert "1 line(s) hold bytes that are not UTF-8" in read.notes[0]


@pytest.mark.parametrize("content", ["hello world\n", '<?xml version="1.0"?>\n'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "conn.log").write_text(content)
    with pytest.raises(EventFormatError, match="not a Zeek log"):
        read_zeek(tmp_path / "conn.log")


def test_a_log_without_adapter_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(conn_log(CONN_ROW, path="ssl"))
    with pytest.raises(EventFormatError, match="'ssl'"):
        read_zeek(tmp_path / "x.log")


def test_a_mixed_json_log_keeps_what_has_an_adapter_and_counts_the_rest(tmp_path: Path) -> None:
    record: dict[str, object] = dict(zip(CONN_FIELDS, CONN_ROW, strict=True))
    lines = [record | {"_path": "conn"}, record | {"_path": "ssl"}]
    (tmp_path / "all.json").write_text("\n".join(map(json.dumps, lines)))
    read = read_zeek(tmp_path / "all.json")
    assert len(read.events) == 1
    assert read.dropped == {"log without adapter": 1}
    (tmp_path / "all.json").write_text(json.dumps(record))
    with pytest.raises(EventFormatError, match="has no adapter"):
        read_zeek(tmp_path / "all.json")


def test_an_absent_file_is_an_error_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EventFormatError, match="cannot be read"):
        read_zeek(tmp_path / "none.log")
    (tmp_path / "conn.log").write_bytes(b"")
    assert read_zeek(tmp_path / "conn.log") == EventRead((), 0, {}, ())


def test_a_line_without_end_in_sight_is_dropped_in_bounded_memory(tmp_path: Path) -> None:
    text = conn_log(CONN_ROW) + "x" * (3 << 20) + "\n" + "\t".join(CONN_ROW) + "\n"
    (tmp_path / "conn.log").write_text(text)
    read = read_zeek(tmp_path / "conn.log")
    assert len(read.events) == 2
    assert read.dropped["line over 1 MiB"] == 1
    assert counted(read)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=12))
def test_any_bytes_after_the_header_are_counted(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "conn.log"
    file.write_bytes(conn_log(CONN_ROW).encode() + b"\n".join(lines))
    read = read_zeek(file)
    assert counted(read)
    assert read.lines == len(file.read_bytes().split(b"\n")) - (
        not lines or file.read_bytes().endswith(b"\n")
    )
    for event in read.events:
        assert event.symbol.encode("utf-8")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.sampled_from([*CONN_FIELDS, "id", "_x"]), st.from_type(int) | st.text()),
        max_size=9,
    )
)
def test_any_json_objects_are_counted(tmp_path: Path, records: list[dict[str, object]]) -> None:
    file = tmp_path / "conn.json"
    file.write_text("".join(json.dumps(record) + "\n" for record in ({}, *records)))
    assert counted(read_zeek(file, log="conn"))
