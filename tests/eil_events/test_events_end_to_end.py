"""From log files of a sensor to tickets and to channels of a frame."""

import json
from pathlib import Path

import numpy as np

from industriverse.eil.events import FLOW_CHANNELS, EventDetector, EventWatcher, flow_frame
from industriverse.signals.events import TemplateMiner, read_log_lines, read_suricata, read_zeek

MODBUS = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "unit",
    "func",
    "address",
    "quantity",
]


def modbus_log(rows: list[list[str]]) -> str:
    head = "#separator \\x09\n#path\tmodbus_detailed\n#fields\t" + "\t".join(MODBUS) + "\n"
    return head + "".join("\t".join(row) + "\n" for row in rows)


def poll(second: float, place: int, function: str, address: int, source: str = "10.0.0.1") -> list[str]:
    at_s = f"{1.6e9 + second + 0.01 * place:.6f}"
    return [at_s, "C1", source, "40000", "10.0.0.2", "502", "1", function, str(address), "4"]


def test_a_zeek_modbus_log_leads_to_a_ticket_for_the_one_foreign_write(tmp_path: Path) -> None:
    functions = ("READ_COILS", "READ_HOLDING_REGISTERS", "WRITE_SINGLE_REGISTER")
    rows = [poll(float(s), p, f, 10 * p) for s in range(2000) for p, f in enumerate(functions)]
    (tmp_path / "clean.log").write_text(modbus_log(rows))
    live = [poll(3000.0 + s, p, f, 10 * p) for s in range(600) for p, f in enumerate(functions)]
    live.insert(900, poll(3299.5, 0, "WRITE_SINGLE_REGISTER", 77, "10.0.0.66"))
    (tmp_path / "live.log").write_text(modbus_log(live))

    detector = EventDetector(24.0 * 10, refractory_s=60.0).fit(read_zeek(tmp_path / "clean.log").events)
    watcher = EventWatcher(detector, "line 1")
    _, tickets = watcher.feed(read_zeek(tmp_path / "live.log").events)
    (ticket,) = tickets
    assert ticket.entity == "10.0.0.2#1"
    assert ticket.reading.timestamp_ns == 1_600_003_299_500_000_000
    fields = {field.mark.field: field.actual for field in ticket.explanation.fields}
    assert fields.get("src") == "10.0.0.66" or fields.get("address") == 77
    assert watcher.summary().tickets == 1


def test_suricata_flows_become_channels_in_which_a_scan_stands_out(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lines = []
    for i in range(1200):
        scan = i >= 1000
        record = {
            "timestamp": f"2024-01-01T00:{i // 60:02d}:{i % 60:02d}.000000+0000",
            "event_type": "flow",
            "src_ip": "10.0.0.1",
            "dest_ip": "10.0.0.2",
            "dest_port": int(generator.integers(1, 9999)) if scan else 502,
            "proto": "TCP",
            "app_proto": "failed" if scan else "modbus",
            "flow": {"bytes_toserver": 60 if scan else 1200, "state": "new" if scan else "closed"},
        }
        lines.append(json.dumps(record))
    (tmp_path / "eve.json").write_text("\n".join(lines))
    events = read_suricata(tmp_path / "eve.json").events
    frame = flow_frame(events, bin_s=50.0)
    ports = frame.values[:, FLOW_CHANNELS.index("entropy_dst_port")]
    assert ports[:20].max() == 0.0
    assert ports[20:].min() > 3.0


def test_log_lines_lead_to_a_ticket_for_the_message_never_seen(tmp_path: Path) -> None:
    text = "".join(
        f"{1_700_000_000 + 2 * i} job {i} started by scheduler\n{1_700_000_001 + 2 * i} job {i} finished well\n"
        for i in range(1500)
    )
    (tmp_path / "clean.log").write_text(text)
    miner = TemplateMiner()
    clean = read_log_lines(tmp_path / "clean.log", miner, entity="host").events
    detector = EventDetector(240.0, refractory_s=60.0).fit(clean)
    (tmp_path / "live.log").write_text(
        "1700010000 job 1 started by scheduler\n1700010001 audit log cleared by root\n"
    )
    live = read_log_lines(tmp_path / "live.log", miner, entity="host").events
    assert detector.score(live).alarm.tolist() == [False, True]
    assert miner.text(live[1].symbol) == "audit log cleared by root"
