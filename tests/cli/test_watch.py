"""``industriverse watch``: files in, one row of scores per row, tickets, or one line that says what is wrong."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner, Result

from industriverse.atlas import Kind, Search
from industriverse.cli.main import main
from industriverse.cli.watching import budget_per_day
from industriverse.eil.scoring import SCORE_COLUMNS
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.home import Home
from industriverse.operations.services import Services
from wandering_telemetry import wandering

ROWS, FAULT_FROM = 1200, 900


def telemetry(*, timed: bool = True, fault: bool = True) -> pa.Table:
    frame = wandering(ROWS, fault_from=FAULT_FROM if fault else None)
    columns: dict[str, Any] = {name: frame.column(name) for name in frame.names}
    if timed:
        times = pa.array(frame.timestamps_ns + 1_767_571_200_000_000_000).cast(pa.timestamp("ns", "UTC"))
        return pa.table({"time": times, **columns})
    return pa.table(columns)


def watch(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["watch", *map(str, arguments)])


def written(table: pa.Table, path: Path) -> Path:
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("out", [".csv", ".parquet"])
def test_scores_have_one_row_per_row_and_the_promised_columns(suffix: str, out: str, tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / f"plant{suffix}")
    result = watch(file, "--clean-rows", 700, "--out", tmp_path / f"scores{out}")
    assert result.exit_code == 0, result.stderr
    scores = (
        csv.read_csv(tmp_path / "scores.csv")
        if out == ".csv"
        else parquet.read_table(tmp_path / "scores.parquet")
    )
    assert tuple(scores.column_names) == SCORE_COLUMNS
    assert scores.num_rows == ROWS
    assert scores["score"].null_count == 0
    alarm = np.array(scores["alarm"].to_pylist())
    assert alarm[FAULT_FROM : FAULT_FROM + 60].any()


def test_a_fault_raises_a_ticket_that_names_its_channel(tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    result = watch(file, "--clean-rows", 700)
    assert result.exit_code == 0, result.stderr
    tickets = [line for line in result.stdout.splitlines() if line.startswith("ticket ")]
    assert tickets
    assert "2026-01-05T15:" in tickets[0]
    assert " a " in tickets[0]
    assert "learned from: first 700 rows, as asked" in result.stderr


def test_json_lines_parse_and_end_with_a_summary(tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    result = watch(file, "--clean-until", "2026-01-05T11:40:00Z", "--json")
    assert result.exit_code == 0, result.stderr
    *told, summary = (json.loads(line) for line in result.stdout.splitlines())
    tickets = [record for record in told if record["type"] == "ticket"]
    shifts = [record for record in told if record["type"] == "regime_shift"]
    assert len(tickets) + len(shifts) == len(told)
    assert shifts
    # The fault lasts: it is not adopted as a new normal, it waits and is said to wait.
    assert summary["regime_shifts_waiting"] == [shifts[0]["id"]]
    assert {shift["channel"] for shift in shifts} == {"a"}
    assert summary["type"] == "summary"
    assert (summary["rows_in"], summary["clean_rows"]) == (ROWS, 700)
    assert summary["tickets"] == len(tickets)


def test_a_lasting_change_is_announced_apart_from_tickets_and_said_not_to_be_adopted(tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    lines = watch(file, "--clean-rows", 700).stdout.splitlines()
    announced = [line for line in lines if line.startswith("regime shift r-")]
    assert announced
    assert "collecting, not adopted  led by a" in announced[0]
    assert any("1 change of regime waits in quarantine and was not adopted" in line for line in lines)


def test_scores_follow_the_order_of_the_input_and_leave_unscored_rows_empty(tmp_path: Path) -> None:
    table = telemetry()
    order = np.arange(ROWS)
    order[100:200] = order[100:200][::-1]
    shuffled = table.take(order)
    times = shuffled["time"].to_pylist()
    times[5] = None
    times[7] = times[8]
    broken = shuffled.set_column(0, "time", pa.array(times, type=table.schema.field("time").type))
    for name, content in (("straight", table), ("broken", broken)):
        result = watch(
            written(content, tmp_path / f"{name}.parquet"),
            "--clean-rows",
            700,
            "--out",
            tmp_path / f"{name}.csv",
        )
        assert result.exit_code == 0, result.stderr
    scores = csv.read_csv(tmp_path / "broken.csv")
    assert scores.num_rows == ROWS
    empty = [row for row, value in enumerate(scores["score"].to_pylist()) if value is None]
    assert empty == [5, 7]
    assert all(scores[name][5].as_py() is None for name in SCORE_COLUMNS)
    kept = np.array([row for row in range(ROWS) if row not in empty])
    told = scores["time"].cast(pa.timestamp("ns", "UTC")).to_pylist()
    assert [told[row] for row in kept] == [times[row] for row in kept]
    assert "sorted by time" in result.stderr
    assert "1 no timestamp" in result.stderr


def test_rows_without_times_are_spaced_as_asked(tmp_path: Path) -> None:
    file = written(telemetry(timed=False), tmp_path / "plant.parquet")
    assumed = watch(file, "--clean-rows", 700, "--json")
    assert "give --interval SECONDS" in assumed.stderr
    out = tmp_path / "scores.parquet"
    asked = watch(file, "--clean-rows", 700, "--interval", 60, "--json", "--out", out)
    assert asked.exit_code == 0, asked.stderr
    assert "rows are taken as 60 s apart" in asked.stderr
    assert "--interval SECONDS" not in asked.stderr
    times = parquet.read_table(out)["time"].cast(pa.int64()).to_numpy()
    assert set(np.diff(times)) == {60_000_000_000}


def test_an_interval_for_rows_that_have_times_is_refused(tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    assert_one_line(watch(file, "--interval", 60), "has the time column 'time'")


def assert_one_line(result: Result, part: str) -> None:
    assert result.exit_code != 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: "), line
    assert part in line, line
    assert "Traceback" not in line


def test_an_empty_file_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    assert_one_line(watch(tmp_path / "empty.csv"), "empty")


def test_text_in_a_numeric_column_gives_one_line(tmp_path: Path) -> None:
    lines = ["time,level"] + [f"2026-01-01T00:{i // 60:02}:{i % 60:02}Z,{i}" for i in range(300)]
    lines[150] = lines[150].rsplit(",", 1)[0] + ",broken"
    (tmp_path / "text.csv").write_text("\n".join(lines))
    assert_one_line(watch(tmp_path / "text.csv"), "level")


def test_one_row_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("time,level\n2026-01-01T00:00:00Z,1\n")
    assert_one_line(watch(tmp_path / "one.csv"), "at least two rows")


def test_only_constants_give_one_line(tmp_path: Path) -> None:
    table = telemetry()
    columns: dict[str, Any] = {"time": table["time"], "a": np.ones(ROWS), "b": np.zeros(ROWS)}
    constant = pa.table(columns)
    assert_one_line(watch(written(constant, tmp_path / "constant.parquet")), "constant")


def test_a_path_that_does_not_exist_gives_one_line(tmp_path: Path) -> None:
    assert_one_line(watch(tmp_path / "ten-gigabytes.parquet"), "ten-gigabytes.parquet")


@pytest.mark.parametrize("kind", [".txt", ".parquet", ".jsonl"])
def test_bytes_that_are_no_telemetry_give_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"noise{kind}"
    path.write_bytes(bytes(range(256)) * 10)
    assert_one_line(watch(path), path.name)


@pytest.mark.parametrize(
    "budget", ["1", "1/year", "x/day", "-1/day", "0/day", "nan/day", "inf/day", "/day", ""]
)
def test_a_bad_budget_gives_one_line(budget: str, tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    assert_one_line(watch(file, "--budget", budget), "budget")


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "", "9999-01-01"])
def test_a_bad_time_gives_one_line(time: str, tmp_path: Path) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    assert_one_line(watch(file, "--clean-until", time), "clean-until")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--clean-rows", 50], "too few"),
        (["--clean-rows", ROWS], "leave none"),
        (["--clean-rows", 700, "--clean-until", "2026-01-05T11:40:00Z"], "give one of the two"),
        (["--time-column", "nonsense"], "nonsense"),
        (["--channels", "a,nonsense"], "nonsense"),
        (["--ignore", "a,b"], "no channel left"),
        (["--out", "scores.xlsx"], "scores.xlsx"),
        (["--out", "/nowhere/scores.csv"], "/nowhere"),
    ],
)
def test_options_that_do_not_fit_the_file_give_one_line(
    options: list[object], part: str, tmp_path: Path
) -> None:
    file = written(telemetry(), tmp_path / "plant.parquet")
    assert_one_line(watch(file, *options), part)


def test_budgets_are_read_per_hour_day_and_week() -> None:
    assert budget_per_day("1/day") == 1.0
    assert budget_per_day("0.5/hour") == 12.0
    assert budget_per_day("7/week") == pytest.approx(1.0)
    with pytest.raises(InvalidArgumentsError, match="write it like 1/day"):
        budget_per_day("1/month")


def test_a_home_keeps_what_was_seen_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    file, home = written(telemetry(), tmp_path / "plant-4.csv"), tmp_path / "home"
    plain = watch(file, "--clean-rows", 700, "--json").stdout.splitlines()
    shown = watch(file, "--clean-rows", 700, "--json", "--record", home)
    assert shown.exit_code == 0, shown.stderr
    *told, kept = shown.stdout.splitlines()
    assert told == plain
    said = json.loads(kept)
    tickets = [line for line in map(json.loads, told) if line["type"] == "ticket"]
    assert (said["type"], said["stream"], said["waiting"]) == ("kept", "plant-4", "")
    assert said["tickets"] == len(tickets) > 0
    assert said["states"] >= 2
    again = json.loads(watch(file, "--clean-rows", 700, "--json", "--record", home).stdout.splitlines()[-1])
    assert (again["samples"], again["tickets"], again["states"]) == (0, 0, said["states"])
    with Home(home) as owned:
        services = Services(owned, clock=time.time_ns)
        states = services.memory.history.search(Search(service="plant-4", regime="disturbed")).records
        [incident] = services.shield.incidents()
        assert states
        assert services.atlas.record(Kind.INCIDENT, incident.id) is not None
        services.close()
    with Home(home):
        busy = watch(file, "--clean-rows", 700, "--record", home)
    assert busy.exit_code == 1
    assert "another process owns" in busy.output
