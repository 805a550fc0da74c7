"""Readings become stretches of one regime, the same however they are cut into blocks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.operations.errors import OperationError
from industriverse.operations.timeline import (
    COLUMNS,
    DISTURBED,
    DWELL_S,
    QUIET_S,
    RECOVERED,
    REFERENCE,
    Stretch,
    Timeline,
)
from industriverse.signals import ThermoReadings

MINUTE = 60 * 10**9
QUIET_MINUTES = int(QUIET_S / 60)
START = Timeline.begin("ab" * 32, 0, 100)


def readings(alarm: list[bool], regime: list[int] | None = None, *, minutes: int = 30) -> ThermoReadings:
    count = len(alarm)
    rng = np.random.default_rng(count)
    columns = {name: rng.normal(size=count) for name in (*COLUMNS, "score", "free_energy")}
    return ThermoReadings(
        timestamps_ns=(1 + np.arange(count)) * minutes * MINUTE,
        alarm=np.array(alarm, dtype=bool),
        p_value=rng.uniform(size=count),
        regime=np.array(regime or [0] * count, dtype=np.int64),
        **columns,
    )


def told(timeline: Timeline, blocks: list[ThermoReadings]) -> tuple[Timeline, list[Stretch]]:
    stretches: list[Stretch] = []
    for block in blocks:
        timeline, more = timeline.feed(block)
        stretches += more
    return timeline, stretches


def final(stretches: list[Stretch]) -> dict[int, tuple[str, int]]:
    """The last version of each stretch."""
    return {one.start_ns: (one.regime, one.sums.rows) for one in stretches}


def test_a_calm_stream_stays_in_the_regime_that_was_learned() -> None:
    timeline, stretches = told(START, [readings([False] * 40)])
    assert {one.regime for one in stretches} == {REFERENCE}
    assert timeline.present.sums.rows == 40
    assert len(stretches) == 1


def test_a_disturbance_ends_with_its_last_alarm_once_it_has_been_quiet_for_long() -> None:
    quiet = QUIET_MINUTES // 30
    alarm = [False] * 3 + [True, False, True] + [False] * (quiet + 2)
    timeline, stretches = told(START, [readings(alarm)])
    times = readings(alarm).timestamps_ns
    assert final(stretches) == {
        0: (REFERENCE, 3),
        int(times[3]): (DISTURBED, 3),
        int(times[6]): (RECOVERED, quiet + 2),
    }
    assert timeline.disturbed_at(int(times[5])) == int(times[3])
    assert timeline.calm_around(int(times[6]), int(times[-1])) == int(times[6])
    assert timeline.calm_around(int(times[4]), int(times[7])) is None
    assert timeline.calm_around(int(times[3]), int(times[4])) is None


def test_a_flickering_alarm_is_one_disturbance() -> None:
    alarm = [True, False, False] * 30
    _, stretches = told(START, [readings(alarm)])
    assert [one.regime for one in stretches] == [REFERENCE, DISTURBED]


def test_somebody_who_looked_may_end_a_disturbance_that_is_quiet_and_no_other() -> None:
    timeline, _ = told(START, [readings([True, False, False])])
    concluded, stretches = timeline.conclude()
    assert [one.regime for one in stretches] == [DISTURBED, RECOVERED]
    assert [one.sums.rows for one in stretches] == [1, 2]
    assert concluded.conclude() == (concluded, ())
    raging, _ = told(START, [readings([True, True])])
    assert raging.conclude() == (raging, ())


def test_another_regime_of_the_detector_is_a_stretch_of_its_own() -> None:
    _, stretches = told(START, [readings([False] * 6, [0, 0, 1, 1, 0, 0])])
    assert [one.regime for one in stretches] == [REFERENCE, "regime-1", REFERENCE]
    assert [one.sums.rows for one in stretches] == [2, 2, 2]


def test_a_regime_that_does_not_last_is_part_of_the_one_that_it_interrupts() -> None:
    dwell = int(DWELL_S / 60)
    flapping = [0, 1, 0, 1, 2, 1, 0] * 30
    timeline, stretches = told(START, [readings([False] * 210, flapping, minutes=1)])
    assert {one.regime for one in stretches} == {REFERENCE}
    assert timeline.present.sums.rows == 210
    lasting = [0, 1, 0] + [2] * (dwell + 1)
    timeline, stretches = told(START, [readings([False] * len(lasting), lasting, minutes=1)])
    assert [one.regime for one in stretches] == [REFERENCE, "regime-2"]
    assert final(stretches) == {0: (REFERENCE, 3), 4 * MINUTE: ("regime-2", dwell + 1)}
    short, stretches = told(START, [readings([False] * (dwell + 3), lasting[:-1], minutes=1)])
    assert [one.regime for one in stretches] == [REFERENCE]
    assert short.trial is not None
    # An alarm ends the doubt: what did not last is counted where it was.
    later = readings([False] * (dwell + 3) + [True], lasting, minutes=1)
    alarmed, reported = short.feed(later)
    assert final(list(reported)) == {0: (REFERENCE, dwell + 3), (dwell + 4) * MINUTE: (DISTURBED, 1)}
    assert alarmed.trial is None


@settings(max_examples=60, deadline=None)
@given(
    alarm=st.lists(st.booleans() | st.just(False), min_size=1, max_size=60),
    regime=st.integers(0, 2**60 - 1),
    cuts=st.lists(st.integers(1, 59), max_size=6, unique=True),
    minutes=st.sampled_from([1, 30, 90, 200]),
)
def test_how_readings_are_cut_into_blocks_changes_no_stretch(
    alarm: list[bool], regime: int, cuts: list[int], minutes: int
) -> None:
    whole = readings(alarm, [(regime >> index) & 1 for index in range(len(alarm))], minutes=minutes)
    edges = [0, *sorted(cut for cut in cuts if cut < len(alarm)), len(alarm)]
    blocks = [whole.rows(start, stop) for start, stop in pairwise(edges)]
    at_once, together = told(START, [whole])
    in_parts, parts = told(START, blocks)
    assert at_once.starts == in_parts.starts
    ended = {start for start, _ in at_once.starts[:-1]}
    one, two = final(together), final(parts)
    assert {start: one[start] for start in ended} == {start: two[start] for start in ended}
    assert at_once.present.sums.rows == in_parts.present.sums.rows
    np.testing.assert_allclose(at_once.present.sums.totals, in_parts.present.sums.totals, atol=1e-9)
    # Every sample is in exactly one stretch, or waits to be told apart.
    waiting = sum(one.sums.rows for one in (at_once.quiet, at_once.trial) if one)
    assert sum(one[start][1] for start in ended) + at_once.present.sums.rows + waiting == len(alarm)
    # Reading again what was read changes nothing, and a timeline survives as text.
    assert in_parts.feed(whole) == (in_parts, ())
    assert Timeline.from_json(in_parts.to_json()) == in_parts


def test_readings_that_are_no_numbers_are_left_out_of_the_means() -> None:
    block = readings([False, False])
    block.energy[:] = [np.nan, 4.0]
    block.entropy[:] = np.inf
    timeline, _ = told(START, [block])
    assert timeline.present.sums.mean("energy") == 4.0
    assert timeline.present.sums.mean("entropy") == 0.0
    assert len(timeline.present.sums.vector) == 8


@pytest.mark.parametrize("text", ["", "{}", '{"digest": 1}', "[1]"])
def test_a_damaged_timeline_is_refused(text: str) -> None:
    with pytest.raises(OperationError, match="timeline of a stream is damaged"):
        Timeline.from_json(text)
