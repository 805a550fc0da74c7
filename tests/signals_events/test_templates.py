"""Log lines get stable template ids in bounded memory."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.signals.events import OVERFLOW, TemplateError, TemplateMiner, read_log_lines


def test_lines_that_differ_in_values_share_a_template() -> None:
    miner = TemplateMiner()
    first = miner.learn("Connection from 10.0.0.1 closed by user alice")
    assert miner.learn("Connection from 10.0.0.2 closed by user bob") == first
    assert miner.text(first) == "Connection from <*> closed by user <*>"
    assert miner.learn("Disk full on volume 3 of array main") != first


def test_ids_do_not_change_when_templates_widen() -> None:
    miner = TemplateMiner()
    names = [miner.learn(f"the job {word} finished well") for word in ("a", "b", "c")]
    assert len(set(names)) == 1
    assert miner.match("the job zebra finished well") == names[0]
    assert miner.match("utterly unlike") == OVERFLOW


def test_commands_that_differ_in_their_verb_stay_apart() -> None:
    miner = TemplateMiner()
    assert miner.learn("pump 1 started") != miner.learn("pump 1 stopped")


def test_the_number_of_templates_is_bounded() -> None:
    miner = TemplateMiner(maximum_templates=10)
    names = {miner.learn(" ".join(["word"] * n)) for n in range(1, 50)}
    assert len(miner) == 10
    assert OVERFLOW in names


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=30), st.text(max_size=30))
def test_a_rebuilt_miner_names_every_line_alike(lines: list[str], probe: str) -> None:
    miner = TemplateMiner()
    names = [miner.learn(line) for line in lines]
    rebuilt = TemplateMiner.from_state(json.loads(json.dumps(miner.state())))
    assert [rebuilt.match(line) for line in lines] == [miner.match(line) for line in lines]
    assert rebuilt.learn(probe) == miner.learn(probe)
    assert all(name == OVERFLOW or miner.text(name) is not None for name in names)


@pytest.mark.parametrize("setting", [{"depth": 0}, {"similarity": 0.0}, {"maximum_templates": 0}])
def test_unusable_settings_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(TemplateError, match="similarity"):
        TemplateMiner(**setting)


def test_a_damaged_state_is_refused() -> None:
    state = TemplateMiner().state()
    with pytest.raises(TemplateError, match="version"):
        TemplateMiner.from_state(state | {"version": 99})
    with pytest.raises(TemplateError, match="damaged"):
        TemplateMiner.from_state(state | {"leaves": [{"route": ["1"]}]})


def test_log_lines_are_events_with_time_and_template(tmp_path: Path) -> None:
    text = "2024-01-02T03:04:05.5Z pump 1 started\n[1704164646.25] pump 2 started\nno time here\n"
    text += "2024-01-02 03:04:05\n\n"
    (tmp_path / "app.log").write_bytes(text.encode() + b"2024-01-02T03:04:06Z pump 3\xff started\n")
    read = read_log_lines(tmp_path / "app.log", TemplateMiner(), entity="host")
    assert [event.symbol for event in read.events] == ["template-0", "template-0", "template-0"]
    assert read.events[1].timestamp_ns == 1_704_164_646_250_000_000
    assert read.dropped == {"no time": 1, "no message": 1, "blank line": 1}
    assert read.lines == 6
    assert "not UTF-8" in read.notes[0]
