"""``industriverse watch`` on logs: Zeek, Suricata and plain lines, each line accounted for."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from industriverse.cli.main import main

START = 1_767_571_200
ODD = 1500
COUNT = 1800


def watch(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["watch", *map(str, arguments)])


def zeek_modbus(path: Path) -> Path:
    head = "#separator \\x09\n#unset_field\t-\n#path\tmodbus\n"
    head += "#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tfunc\texception\n"
    functions = ("READ_COILS", "READ_INPUTS", "READ_REGISTERS")
    lines = [
        f"{START + row}\t10.0.0.1\t5000\t10.0.0.9\t502\t"
        f"{'WRITE_SINGLE_COIL' if row == ODD else functions[row % 3]}\t-\n"
        for row in range(COUNT)
    ]
    path.write_text(head + "".join(lines))
    return path


def suricata(path: Path) -> Path:
    def record(row: int) -> dict[str, object]:
        odd = row == ODD
        return {
            "timestamp": f"2026-01-05T{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}.000000+0000",
            "event_type": "flow",
            "src_ip": "10.0.0.1",
            "dest_ip": "10.0.0.9",
            "src_port": 5000,
            "dest_port": 4444 if odd else 502,
            "proto": "TCP",
            "app_proto": "failed" if odd else "modbus",
            "flow": {
                "pkts_toserver": 4,
                "pkts_toclient": 4,
                "bytes_toserver": 900_000 if odd else 200 + row % 3,
                "bytes_toclient": 300,
                "state": "closed",
            },
        }

    path.write_text("".join(json.dumps(record(row)) + "\n" for row in range(COUNT)))
    return path


def lines(path: Path) -> Path:
    content = [
        f"{START + row} {'root shell opened for nobody' if row == ODD else f'job {row} done in {row % 7} ms'}\n"
        for row in range(COUNT)
    ]
    path.write_text("".join(content))
    return path


MAKERS = {"modbus.log": zeek_modbus, "eve.json": suricata, "syslog.log": lines}


@pytest.mark.parametrize("name", MAKERS)
def test_an_odd_event_raises_a_ticket_with_its_reason(name: str, tmp_path: Path) -> None:
    file = MAKERS[name](tmp_path / name)
    result = watch(file, "--clean-rows", 1200, "--budget", "1/hour", "--json")
    assert result.exit_code == 0, result.stderr
    *tickets, summary = (json.loads(line) for line in result.stdout.splitlines())
    assert summary["events"] == COUNT
    assert summary["lines_in"] == COUNT + sum(summary["dropped"].values())
    assert summary["tickets"] == len(tickets) >= 1
    times = [ticket["time"] for ticket in tickets]
    assert "2026-01-05T00:25:00Z" in times
    assert tickets[times.index("2026-01-05T00:25:00Z")]["reason"]


def test_a_log_is_recognised_and_a_table_is_not_taken_for_one(tmp_path: Path) -> None:
    result = watch(zeek_modbus(tmp_path / "odd-name.log"), "--clean-rows", 1200, "--budget", "1/hour")
    assert result.exit_code == 0, result.stderr
    assert "events (zeek)" in result.stderr
    assert "ticket t-" in result.stdout
    table = tmp_path / "plant.csv"
    table.write_text("a\n" + "\n".join(str(row % 7) for row in range(10)))
    assert "clean rows" in watch(table).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--interval", 5), "interval"),
        (("--clean-rows", 1800), "leave none of 1800 to watch"),
        (("--clean-rows", 50), "50 clean events are too few"),
        (("--format", "suricata"), "EVE JSON"),
    ],
)
def test_what_does_not_fit_a_log_is_one_line(
    options: tuple[object, ...], message: str, tmp_path: Path
) -> None:
    result = watch(lines(tmp_path / "syslog.log"), *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_log_says_that_it_holds_no_event(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_text("")
    result = watch(tmp_path / "empty.log")
    assert result.exit_code == 1
    assert "holds no event" in result.stderr
