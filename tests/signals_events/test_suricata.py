"""Suricata EVE records become events; other records are counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from industriverse.signals.events import EventFormatError, EventRead, read_suricata

BASE = {
    "timestamp": "2017-04-07T22:24:37.251547+0100",
    "src_ip": "10.0.0.1",
    "src_port": 40000,
    "dest_ip": "10.0.0.2",
    "dest_port": 502,
    "proto": "TCP",
}


def read(tmp_path: Path, *records: dict[str, Any] | str, end: str = "\n") -> EventRead:
    lines = [record if isinstance(record, str) else json.dumps(BASE | record) for record in records]
    (tmp_path / "eve.json").write_text("\n".join(lines) + end)
    found = read_suricata(tmp_path / "eve.json")
    assert found.lines == len(found.events) + sum(found.dropped.values())
    return found


def test_a_flow_keeps_time_zone_volume_and_duration(tmp_path: Path) -> None:
    flow = {
        "pkts_toserver": 3,
        "bytes_toserver": 180,
        "bytes_toclient": 90,
        "state": "closed",
        "reason": "timeout",
    }
    flow |= {"start": "2017-04-07T22:24:35.000000+0100", "end": "2017-04-07T22:24:37.500000+0100"}
    (event,) = read(tmp_path, {"event_type": "flow", "app_proto": "modbus", "flow": flow}).events
    assert event.timestamp_ns == 1_491_600_277_251_547_000
    assert (event.entity, event.symbol) == ("10.0.0.1", "flow tcp modbus")
    assert event.fields["duration_s"] == 2.5
    assert event.fields["flag"] == "closed"
    assert event.fields["src_packets"] == 3
    assert "dst_packets" not in event.fields


def test_an_alert_is_named_by_generator_and_signature(tmp_path: Path) -> None:
    alert = {"gid": 1, "signature_id": 2250009, "signature": "odd", "severity": 1}
    (event,) = read(tmp_path, {"event_type": "alert", "alert": alert}).events
    assert event.symbol == "alert 1:2250009"
    assert event.fields["severity"] == "1"


@pytest.mark.parametrize(
    "dns",
    [
        {"type": "query", "rrname": "a.example", "rrtype": "A"},
        {"version": 3, "type": "query", "queries": [{"rrname": "a.example", "rrtype": "A"}]},
    ],
)
def test_both_layouts_of_dns_are_read(tmp_path: Path, dns: dict[str, Any]) -> None:
    (event,) = read(tmp_path, {"event_type": "dns", "dns": dns}).events
    assert event.symbol == "dns query a -"
    assert event.fields["name"] == "a.example"


def test_a_modbus_write_goes_to_the_device_with_its_address(tmp_path: Path) -> None:
    request = {"unit_id": 7, "function_raw": 6, "function_code": "WrSingleReg", "access_type": "WRITE"}
    request |= {"write": {"address": 3, "data": 99}}
    response = {"unit_id": 7, "exception": {"raw": 2, "code": "IllegalDataAddr"}}
    record = {"event_type": "modbus", "modbus": {"id": 1, "request": request, "response": response}}
    (event,) = read(tmp_path, record).events
    assert (event.entity, event.symbol) == ("10.0.0.2#7", "modbus wrsinglereg exception")
    assert event.fields["address"] == 3
    assert event.fields["values"] == "99"
    assert event.fields["exception"] == "IllegalDataAddr"


def test_other_and_broken_records_are_counted_by_reason(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"event_type": "stats"},
        {"event_type": "flow", "flow": [1]},
        {"event_type": "flow", "flow": {}, "timestamp": "yesterday"},
        {"event_type": "flow", "flow": {}, "src_ip": None},
        {"event_type": 5},
        {"event_type": "alert", "alert": {}},
        "[1, 2]",
        '{"a": NaN}',
        "[" * 100_000,
        '{"event_type": "flow", "fl',
        end="",
    )
    assert not found.events
    assert found.dropped == {
        "event_type without adapter": 1,
        "record without its own section": 1,
        "no time": 1,
        "no originator or responder": 1,
        "no event_type": 1,
        "no function": 1,
        "not a JSON object": 3,
        "truncated last line": 1,
    }


def test_a_lone_surrogate_escape_cannot_break_later_storage(tmp_path: Path) -> None:
    line = json.dumps(BASE | {"event_type": "flow", "flow": {}, "app_proto": "x"}).replace('"x"', '"\\ud800"')
    (event,) = read(tmp_path, line).events
    assert event.symbol.encode() == b"flow tcp \\ud800"


def test_bad_bytes_inside_json_survive_as_escapes(tmp_path: Path) -> None:
    line = json.dumps(BASE | {"event_type": "flow", "flow": {}, "app_proto": "xyz"}).encode()
    (tmp_path / "eve.json").write_bytes(line.replace(b"xyz", b"x\xfez") + b"\n")
    (event,) = read_suricata(tmp_path / "eve.json").events
    assert event.fields["service"] == "x\\xfez"


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EventFormatError, match="not an EVE JSON log"):
        read(tmp_path, "04/07/2017-22:24:37 [**] fast.log")
