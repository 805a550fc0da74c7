"""Quality reports say what is missing, constant or frozen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from industriverse.signals import Channel, Frame
from industriverse.signals.quality import ChannelQuality, channel_quality


def report(values: list[float]) -> ChannelQuality:
    column = np.array(values, dtype=float)[:, np.newaxis]
    return channel_quality(Frame(np.arange(len(values)), column, (Channel("x"),)))[0]


def test_a_report_counts_gaps_and_frozen_runs() -> None:
    nan = float("nan")
    assert report([1, 1, 1, 2, nan, nan, 2, 3]) == ChannelQuality("x", 0.25, 2, False, 3, 3)


def test_a_constant_and_an_empty_channel_are_constant() -> None:
    assert report([5, 5, 5]) == ChannelQuality("x", 0.0, 0, True, 3, 1)
    assert report([float("nan")] * 3) == ChannelQuality("x", 1.0, 3, True, 0, 0)


def test_a_frame_without_rows_has_nothing_missing() -> None:
    assert report([]) == ChannelQuality("x", 0.0, 0, True, 0, 0)


@given(st.lists(st.one_of(st.just(float("nan")), st.integers(0, 2).map(float)), min_size=1, max_size=40))
def test_runs_agree_with_counting_one_by_one(values: list[float]) -> None:
    gap = frozen = longest_gap = longest_frozen = 0
    previous = float("nan")
    for value in values:
        gap = gap + 1 if value != value else 0
        frozen = 0 if value != value else frozen + 1 if value == previous else 1
        longest_gap, longest_frozen, previous = max(longest_gap, gap), max(longest_frozen, frozen), value
    assert (report(values).longest_gap, report(values).longest_frozen_run) == (longest_gap, longest_frozen)
