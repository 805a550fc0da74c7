"""The daily cycle: found only where clean rows ahead confirm it, followed by the clock, written into expectations."""

import numpy as np
import pytest
from numpy.typing import NDArray

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.cycle import DAY_NS, angles, cyclic_mean, find_cycle, fit_coefficients
from industriverse.eil.detector import Detector
from industriverse.eil.layout import component_families, component_names
from industriverse.signals import Frame

INTERVAL_S = 1800.0  # 48 rows a day
ROWS = 48 * 30


def daily(rows: int = ROWS, seed: int = 3) -> NDArray[np.float64]:
    """Four channels, the first two with a day of 4 and 2 standard deviations."""
    values = vector_autoregression(rows, 4, seed)
    hour = 2.0 * np.pi * np.arange(rows) / 48.0
    values[:, 0] += 8.0 * np.cos(hour)
    values[:, 1] += 4.0 * np.sin(2.0 * hour)
    return values


def frame(values: NDArray[np.float64]) -> Frame:
    return frame_of(values, interval_s=INTERVAL_S)


def test_a_day_is_found_in_the_channels_that_follow_it_and_in_no_other() -> None:
    rows = frame(daily())
    cycle = find_cycle(rows.values, rows.timestamps_ns, INTERVAL_S)
    assert cycle is not None
    assert cycle.channels.tolist() == [True, True, False, False]
    found = fit_coefficients(rows.values, rows.timestamps_ns, cycle)
    assert found[0, 0] == pytest.approx(8.0, abs=0.5)
    assert found[3, 1] == pytest.approx(4.0, abs=0.5)
    assert not found[:, 2:].any()


@pytest.mark.parametrize("rows_a_turn", [37.0, 29.3])
def test_a_period_that_is_not_a_day_is_left_alone(rows_a_turn: float) -> None:
    values = vector_autoregression(ROWS, 2, 5)
    values += 8.0 * np.cos(2.0 * np.pi * np.arange(ROWS) / rows_a_turn)[:, None]
    rows = frame(values)
    assert find_cycle(rows.values, rows.timestamps_ns, INTERVAL_S) is None


def test_noise_and_recordings_of_two_days_have_no_cycle() -> None:
    noise, short = frame(vector_autoregression(ROWS, 3, 7)), frame(daily(100))
    for rows in (noise, short):
        assert find_cycle(rows.values, rows.timestamps_ns, INTERVAL_S) is None


def test_missing_values_do_not_hide_a_day() -> None:
    values = daily()
    values[np.random.default_rng(0).random(values.shape) < 0.2] = np.nan
    values[:, 3] = np.nan
    rows = frame(values)
    cycle = find_cycle(rows.values, rows.timestamps_ns, INTERVAL_S)
    assert cycle is not None
    assert cycle.channels.tolist() == [True, True, False, False]


def test_the_hour_comes_from_the_clock_so_that_a_gap_keeps_the_phase() -> None:
    rows = frame(daily(48 * 40))
    detector = Detector().fit(rows.rows(0, ROWS))
    after = rows.rows(ROWS + 20)  # ten hours are missing
    with_gap = detector.score(after)
    assert with_gap.alarm.mean() < 0.02
    moved = Frame(
        rows.timestamps_ns[: len(after)] + int(rows.timestamps_ns[ROWS]), after.values, rows.channels
    )
    detector.reset()
    assert detector.score(moved).score.mean() > 2.0 * with_gap.score.mean()


def test_a_value_that_is_ordinary_at_noon_is_an_alarm_at_midnight_and_expectations_follow() -> None:
    values = daily(48 * 34)
    wrong_hour = slice(ROWS + 96 + 22, ROWS + 96 + 26)
    values[wrong_hour, 0] += 12.0  # to what the channel reads half a day earlier
    rows = frame(values)
    detector = Detector().fit(rows.rows(0, ROWS))
    readings = detector.score(rows.rows(ROWS))
    assert readings.alarm[118:122].any()
    detector.reset()
    expected = []
    for row in range(ROWS, ROWS + 48):
        detector.update(int(rows.timestamps_ns[row]), rows.values[row])
        expected.append(detector.expected[0])
    assert np.ptp(expected) > 10.0
    model = detector.reference.model
    noon = model.center_at(24 * 1800 * 10**9)[0] - model.center_at(0)[0]
    assert noon == pytest.approx(-16.0, abs=1.5)


def test_blocks_and_single_rows_of_a_daily_stream_agree_bit_for_bit() -> None:
    rows = frame(daily(ROWS + 60))
    detector = Detector().fit(rows.rows(0, ROWS))
    block = detector.score(rows.rows(ROWS))
    detector.reset()
    single = [
        detector.update(int(t), v).score
        for t, v in zip(rows.timestamps_ns[ROWS:], values_of(rows), strict=True)
    ]
    assert np.array(single).tobytes() == block.score.tobytes()


def values_of(rows: Frame) -> NDArray[np.float64]:
    return rows.values[ROWS:]


def test_the_series_has_mean_zero_over_a_day() -> None:
    amplitudes = np.random.default_rng(1).normal(size=(8, 3))
    phase = angles(np.arange(0, DAY_NS, DAY_NS // 96), DAY_NS)
    assert np.allclose(cyclic_mean(phase, amplitudes).mean(axis=0), 0.0, atol=1e-12)


def test_every_component_has_a_name_and_a_family() -> None:
    assert len(component_names((4, 16))) == len(component_families(2))


def test_a_channel_that_wanders_has_a_moving_level_and_one_that_returns_has_none() -> None:
    generator = np.random.default_rng(11)
    values = vector_autoregression(1200, 2, 9)
    values[:, 1] = np.cumsum(generator.normal(size=1200)) + 0.1 * generator.normal(size=1200)
    detector = Detector().fit(frame_of(values[:400]))
    rates = detector.reference.model.channel[2]
    assert rates[0] == 0.0
    assert rates[1] > 0.0
