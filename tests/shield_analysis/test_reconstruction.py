"""Missing channels come back from the others with honest intervals, and the liar is named."""

import numpy as np
import pytest

from industriverse.shield.errors import AnalysisError
from industriverse.shield.reconstruction import LieDetector, Rebuilder
from industriverse.signals import Frame


def with_gap(frame: Frame, j: int, start: int, length: int) -> Frame:
    values = frame.values.copy()
    values[start : start + length, j] = np.nan
    return Frame(frame.timestamps_ns, values, frame.channels)


@pytest.fixture(scope="module")
def rebuilder(clean: Frame) -> Rebuilder:
    return Rebuilder(clean)


def test_rebuilding_beats_last_value_and_linear_interpolation(rebuilder: Rebuilder, later: Frame) -> None:
    rng, ours, last, linear = np.random.default_rng(5), [], [], []
    for _ in range(20):
        j, start, length = int(rng.integers(5)), int(rng.integers(10, 500)), 30
        truth = later.values[start : start + length, j]
        rebuilt = rebuilder.rebuild(with_gap(later, j, start, length)).values[start : start + length, j]
        ends = later.values[start - 1, j], later.values[start + length, j]
        ours.append(((rebuilt - truth) ** 2).mean())
        last.append(((ends[0] - truth) ** 2).mean())
        linear.append(((np.interp(np.arange(1, length + 1), [0, length + 1], ends) - truth) ** 2).mean())
    assert np.mean(ours) < 0.2 * np.mean(linear) < 0.2 * np.mean(last) * 2


def test_intervals_hold_what_they_promise(rebuilder: Rebuilder, later: Frame) -> None:
    rng, held = np.random.default_rng(6), []
    for _ in range(40):
        j, start, length = int(rng.integers(5)), int(rng.integers(10, 500)), int(rng.choice([4, 16]))
        rebuilt = rebuilder.rebuild(with_gap(later, j, start, length))
        rows = slice(start, start + length)
        held.append(
            (later.values[rows, j] >= rebuilt.low[rows, j]) & (later.values[rows, j] <= rebuilt.high[rows, j])
        )
    assert 0.8 <= np.concatenate(held).mean() <= 0.98


def test_what_was_present_is_left_untouched(rebuilder: Rebuilder, later: Frame) -> None:
    gap = with_gap(later, 2, 50, 20)
    rebuilt = rebuilder.rebuild(gap)
    present = ~np.isnan(gap.values)
    assert np.array_equal(rebuilt.values[present], gap.values[present])
    assert not np.isnan(rebuilt.values).any()
    assert [name for name, _ in rebuilt.methods] == ["c2"]


def test_a_distrusted_value_is_replaced_whatever_it_says(rebuilder: Rebuilder, later: Frame) -> None:
    lying = later.values.copy()
    lying[100:120, 4] = 1e6
    mask = np.zeros(lying.shape, dtype=bool)
    mask[100:120, 4] = True
    rebuilt = rebuilder.rebuild(Frame(later.timestamps_ns, lying, later.channels), distrusted=mask)
    assert np.abs(rebuilt.values[100:120, 4] - later.values[100:120, 4]).max() < 0.5


def test_a_stream_without_any_neighbour_is_still_filled(later: Frame, rebuilder: Rebuilder) -> None:
    values = later.values.copy()
    values[100:110] = np.nan
    assert not np.isnan(rebuilder.rebuild(Frame(later.timestamps_ns, values, later.channels)).values).any()


@pytest.mark.parametrize("liar", range(5))
def test_the_channel_that_lies_is_the_first_suspect(clean: Frame, later: Frame, liar: int) -> None:
    lying = later.values[:60].copy()
    lying[:, liar] += 2.0 * clean.values[:, liar].std()
    suspects = LieDetector(clean).suspects(Frame(later.timestamps_ns[:60], lying, later.channels))
    # Of two sensors of one pressure nobody can say which one lies.
    twins = {3: {"c3", "c4"}, 4: {"c3", "c4"}}.get(liar, {f"c{liar}"})
    assert suspects[0].channel in twins or (liar < 3 and f"c{liar}" in {s.channel for s in suspects[:3]})
    assert suspects[0].ratio > 3.0


def test_nobody_is_convicted_on_clean_rows(clean: Frame, later: Frame) -> None:
    detector = LieDetector(clean)
    ratios = [detector.suspects(later.rows(k, k + 60))[0].ratio for k in range(0, 540, 60)]
    assert np.median(ratios) < 1.5


def test_another_set_of_channels_is_refused(rebuilder: Rebuilder, later: Frame) -> None:
    fewer = Frame(later.timestamps_ns, later.values[:, :3], later.channels[:3])
    with pytest.raises(AnalysisError, match="other channels"):
        rebuilder.rebuild(fewer)
