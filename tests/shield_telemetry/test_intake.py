"""Every record is accounted for: taken, dropped with a reason, or waiting."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.shield.errors import CollectorError, RecordError
from industriverse.shield.telemetry.intake import QUEUE_FULL, Intake
from industriverse.shield.telemetry.records import DeadLetters, Record, record_of

SECOND = 1_000_000_000


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


def intake(folder: Path, clock: Clock, capacity: int = 100) -> Intake:
    return Intake(DeadLetters(folder / "dead.jsonl", clock), clock, capacity=capacity)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["offer", "refuse", "drop", "score", "lose"]), max_size=60))
def test_counters_balance_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, history: list[str]
) -> None:
    clock = Clock()
    door = intake(tmp_path_factory.mktemp("dead"), clock, capacity=5)
    for step in history:
        if step == "offer":
            door.offer(record_of("s", clock.now, {"a": 1.0}), wait_s=0.0)
        elif step == "refuse":
            door.refuse("s", "no number", b"x")
        elif step == "drop":
            door.drop("s", "blank line")
        else:
            for record in door.take(most=1, wait_s=0.0):
                door.settle(record, dropped="late" if step == "lose" else "")
        counts = door.counts()
        assert counts.balanced
    assert door.counts().received == sum(step in ("offer", "refuse", "drop") for step in history)


def test_a_full_queue_refuses_at_once_and_counts_it(tmp_path: Path) -> None:
    clock = Clock()
    door = intake(tmp_path, clock, capacity=2)
    taken = [door.offer(record_of("s", clock.now, {"a": 1.0}), wait_s=0.0) for _ in range(5)]
    assert taken == [True, True, False, False, False]
    assert door.counts().dropped == {QUEUE_FULL: 3}


def test_a_full_queue_makes_a_reader_wait_until_there_is_room(tmp_path: Path) -> None:
    clock = Clock()
    door = intake(tmp_path, clock, capacity=1)
    door.offer(record_of("s", clock.now, {"a": 1.0}))
    waiting = threading.Thread(target=lambda: door.offer(record_of("s", clock.now, {"a": 2.0})))
    waiting.start()
    assert waiting.is_alive()
    assert [record.values["a"] for record in door.take(most=1, wait_s=1.0)] == [1.0]
    waiting.join(timeout=5.0)
    assert [record.values["a"] for record in door.take(most=1, wait_s=1.0)] == [2.0]


def test_a_clock_an_hour_ahead_is_corrected_by_its_own_offset(tmp_path: Path) -> None:
    clock = Clock()
    door = intake(tmp_path, clock)
    for second in range(10):
        clock.now += SECOND
        delay = (second % 3) * SECOND // 10
        door.offer(record_of("plc", clock.now + 3600 * SECOND - delay, {"a": float(second)}))
        door.offer(record_of("honest", clock.now - delay, {"a": float(second)}))
    times: dict[str, list[int]] = {name: [] for name in ("plc", "honest")}
    for record in door.take(most=100, wait_s=0.1):
        assert record.timestamp_ns is not None
        times[record.source].append(record.timestamp_ns)
    assert door.clock_offset_s("plc") == pytest.approx(3600, abs=1)
    assert door.clock_offset_s("honest") == 0.0
    assert all(abs(a - b) < SECOND for a, b in zip(times["plc"], times["honest"], strict=True))
    assert times["plc"] == sorted(times["plc"])
    assert door.counts().corrected == 10


def test_a_dead_letter_is_kept_with_its_bytes_and_cannot_break_its_file(tmp_path: Path) -> None:
    clock = Clock()
    letters = DeadLetters(tmp_path / "dead" / "letters.jsonl", clock)
    letters.keep("s", "why", b'\xff\x00"}\n{"injected": true}')
    letters.keep("s", "huge", "x" * 1_000_000)
    lines = [json.loads(line) for line in letters.path.read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["why", "huge"]
    assert lines[0]["raw"].startswith("\\xff")
    assert lines[1]["cut"] is True
    assert len(lines[1]["raw"]) < 100_000


def test_an_unwritable_dead_letter_file_stops_instead_of_losing_records(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CollectorError, match="dead letter"):
        DeadLetters(tmp_path / "file" / "letters", Clock()).keep("s", "why", b"x")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"a": "text"},
        {"a": float("inf")},
        {"": 1.0},
        {"a\n": 1.0},
        {"a": None},
        {"a": [1]},
        {"a": 10**400},
    ],
)
def test_an_unusable_record_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(RecordError):
        record_of("s", 0, values)


def test_a_missing_value_beside_a_number_stays_missing() -> None:
    record: Record = record_of("s", 0, {"a": None, "b": True})
    assert record.values["a"] != record.values["a"]
    assert record.values["b"] == 1.0
