"""What every detector of the house must do, whatever the stream."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.errors import DetectorError, FitError
from industriverse.eil.watch import Watcher
from industriverse.signals import Channel, Frame, ThermoReadings

Array = NDArray[np.float64]


def attacked(channels: int = 5, rows: int = 1200, seed: int = 3) -> Array:
    """Clean rows, then a bias of six innovations on channel 0 over rows 900 to 1000."""
    values = vector_autoregression(rows, channels, seed)
    values[900:1000, 0] += 6.0
    return values


def same_bits(one: ThermoReadings, other: ThermoReadings) -> bool:
    return all(
        getattr(one, f.name).tobytes() == getattr(other, f.name).tobytes() for f in dataclasses.fields(one)
    )


def onsets(frame: Frame, clean_rows: int) -> list[int]:
    detector = Detector().fit(frame.rows(0, clean_rows))
    _, tickets = Watcher(detector, "s").feed(frame.rows(clean_rows))
    return [ticket.onset_ns for ticket in tickets]


def test_rows_in_are_rows_out(fitted: Detector, clean_stream: Frame) -> None:
    detector = Detector.from_reference(fitted.reference)
    readings = detector.score(clean_stream.rows(3000))
    assert len(readings) == 3000
    assert all(len(getattr(readings, f.name)) == 3000 for f in dataclasses.fields(readings))
    assert len(detector.score(clean_stream.rows(6000))) == 0


def test_every_reading_is_finite_and_p_is_a_probability(fitted: Detector, clean_stream: Frame) -> None:
    readings = Detector.from_reference(fitted.reference).score(clean_stream.rows(3000))
    for field in dataclasses.fields(readings):
        assert np.isfinite(getattr(readings, field.name)).all(), field.name
    assert ((readings.p_value > 0.0) & (readings.p_value <= 1.0)).all()
    assert (readings.entropy_production >= 0.0).all()


def test_block_and_one_by_one_agree_bit_for_bit(fitted: Detector, clean_stream: Frame) -> None:
    values = clean_stream.values[3000:3300].copy()
    values[40:60, 2] = np.nan
    values[100:140, 1] += 8.0
    frame = Frame(clean_stream.timestamps_ns[3000:3300], values, clean_stream.channels)
    block = Detector.from_reference(fitted.reference).score(frame)
    single = Detector.from_reference(fitted.reference)
    for row in range(len(frame)):
        assert single.update(int(frame.timestamps_ns[row]), frame.values[row]) == block[row]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=4).map(sorted))
def test_any_cut_into_blocks_gives_the_same_bits(
    fitted: Detector, clean_stream: Frame, cuts: list[int]
) -> None:
    frame = clean_stream.rows(3000, 3200)
    whole = Detector.from_reference(fitted.reference).score(frame)
    pieces = Detector.from_reference(fitted.reference)
    edges = [0, *cuts, 200]
    parts = [pieces.score(frame.rows(a, b)) for a, b in pairwise(edges)]
    for field in dataclasses.fields(whole):
        joined = np.concatenate([getattr(part, field.name) for part in parts])
        assert joined.tobytes() == getattr(whole, field.name).tobytes()


@pytest.mark.parametrize("channels", [1, 2, 5, 40, 100, 101, 200])
def test_works_from_one_to_two_hundred_channels(channels: int) -> None:
    values = vector_autoregression(600, channels, seed=channels)
    values[500:520, channels // 2] += 15.0
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, 400))
    readings = detector.score(frame.rows(400))
    assert np.isfinite(readings.score).all()
    assert np.median(readings.score[101:118]) > np.quantile(readings.score[:95], 0.9)


def test_one_hundred_clean_rows_are_enough_and_ninety_nine_are_not() -> None:
    frame = frame_of(vector_autoregression(150, 3, seed=2))
    assert len(Detector().fit(frame.rows(0, 100)).score(frame.rows(100))) == 50
    with pytest.raises(FitError, match="99 clean rows are too few; give at least 100"):
        Detector().fit(frame.rows(0, 99))


@pytest.mark.parametrize("channels", [60, 150])
def test_fewer_clean_rows_than_channels_still_give_a_reference(channels: int) -> None:
    frame = frame_of(vector_autoregression(200, channels, seed=9))
    readings = Detector().fit(frame.rows(0, 100)).score(frame.rows(100))
    assert np.isfinite(readings.score).all()
    assert readings.alarm.mean() < 0.5


def test_values_at_the_edge_of_floating_point_stay_finite(fitted: Detector, clean_stream: Frame) -> None:
    values = clean_stream.values[3000:3100].copy()
    values[10, 0], values[11, 1], values[12, 2], values[13, 3] = 1e308, -1e308, 5e-324, 1e200
    frame = Frame(clean_stream.timestamps_ns[3000:3100], values, clean_stream.channels)
    readings = Detector.from_reference(fitted.reference).score(frame)
    for field in dataclasses.fields(readings):
        assert np.isfinite(getattr(readings, field.name)).all(), field.name
    assert readings.alarm[10:14].all()


def test_rescaled_units_give_the_same_tickets() -> None:
    values = attacked()
    factors, offsets = np.array([1000.0, 0.001, 1.8, 60.0, -1.0]), np.array([0.0, 5.0, 32.0, -3.0, 273.15])
    expected = onsets(frame_of(values), 600)
    assert expected
    assert onsets(frame_of(values * factors + offsets), 600) == expected


def test_permuted_channels_give_the_same_tickets() -> None:
    values = attacked()
    assert onsets(frame_of(values[:, [3, 0, 4, 2, 1]]), 600) == onsets(frame_of(values), 600)


def test_columns_in_another_order_are_matched_by_name(fitted: Detector, clean_stream: Frame) -> None:
    frame = clean_stream.rows(3000, 3100)
    order = [5, 1, 0, 3, 4, 2]
    shuffled = Frame(
        frame.timestamps_ns,
        np.ascontiguousarray(frame.values[:, order]),
        tuple(frame.channels[j] for j in order),
    )
    direct = Detector.from_reference(fitted.reference).score(frame)
    assert same_bits(Detector.from_reference(fitted.reference).score(shuffled), direct)


def test_constant_and_never_observed_channels_do_no_harm() -> None:
    values = np.hstack([attacked(), np.full((1200, 1), 7.0), np.full((1200, 1), np.nan)])
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, 600))
    readings = detector.score(frame.rows(600))
    assert np.isfinite(readings.score).all()
    assert readings.alarm[310:390].mean() > 0.8
    assert readings.alarm[:290].mean() < 0.1


def test_a_constant_channel_that_moves_is_seen_and_named() -> None:
    values = np.hstack([vector_autoregression(900, 4, seed=5), np.full((900, 1), 3.0)])
    values[700:, 4] = 3.1
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, 600))
    readings = detector.score(frame.rows(600, 720))
    assert readings.alarm[102:].all()
    assert detector.evidence()[0].channel == "c4"


def test_a_missing_value_contributes_nothing_and_keeps_its_level(
    fitted: Detector, clean_stream: Frame
) -> None:
    detector = Detector.from_reference(fitted.reference)
    row = clean_stream.values[3000].copy()
    row[3] = np.nan
    detector.update(int(clean_stream.timestamps_ns[3000]), row)
    by_name = {entry.channel: entry for entry in detector.evidence()}
    assert np.isnan(by_name["c3"].actual)
    assert np.isfinite(by_name["c3"].expected)
    blank = Detector.from_reference(fitted.reference)
    blank.update(0, np.full(6, np.nan))
    level = blank.snapshot().state.channel[0]
    assert level.tobytes() == fitted.reference.initial.channel[0].tobytes()


def test_a_stream_of_missing_values_raises_no_alarm(fitted: Detector, clean_stream: Frame) -> None:
    values = np.full((500, 6), np.nan)
    frame = Frame(clean_stream.timestamps_ns[3000:3500], values, clean_stream.channels)
    readings = Detector.from_reference(fitted.reference).score(frame)
    assert np.isfinite(readings.score).all()
    assert not readings.alarm.any()


def test_snapshot_and_restore_replay_the_same_bits(fitted: Detector, clean_stream: Frame) -> None:
    detector = Detector.from_reference(fitted.reference)
    detector.score(clean_stream.rows(3000, 3100))
    kept = detector.snapshot()
    first = detector.score(clean_stream.rows(3100, 3300))
    detector.restore(kept)
    assert same_bits(detector.score(clean_stream.rows(3100, 3300)), first)


@pytest.mark.parametrize(
    ("row", "message"),
    [([1.0, 2.0], "a row of 2 values for 6 channels"), ([1, 2, 3, np.inf, 5, 6], "'c3' is infinite")],
)
def test_a_malformed_row_is_refused_by_name(fitted: Detector, row: list[float], message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        Detector.from_reference(fitted.reference).update(0, row)


def test_time_must_go_on(fitted: Detector, clean_stream: Frame) -> None:
    detector = Detector.from_reference(fitted.reference)
    detector.score(clean_stream.rows(3000, 3010))
    with pytest.raises(DetectorError, match="does not follow"):
        detector.score(clean_stream.rows(3009, 3020))


def test_other_channels_are_refused_by_name(fitted: Detector) -> None:
    frame = Frame(np.array([1]), np.zeros((1, 2)), (Channel("c0"), Channel("odd")))
    with pytest.raises(DetectorError, match="'odd' is unknown, 'c1' is absent"):
        Detector.from_reference(fitted.reference).score(frame)


def test_an_unfitted_detector_says_so() -> None:
    with pytest.raises(DetectorError, match="fit it on clean telemetry first"):
        Detector().score(frame_of(np.zeros((1, 1))))
    with pytest.raises(DetectorError, match="fit it on clean telemetry first"):
        _ = Detector().reference


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_must_be_positive_and_finite(budget: float) -> None:
    with pytest.raises(DetectorError, match="budget_per_day"):
        Detector(budget_per_day=budget)


def test_all_constant_or_all_missing_clean_rows_are_refused() -> None:
    with pytest.raises(FitError, match="every channel is constant"):
        Detector().fit(frame_of(np.ones((200, 3))))
    with pytest.raises(FitError, match="no channel holds a single clean value"):
        Detector().fit(frame_of(np.full((200, 3), np.nan)))
