"""The slow chart: a ramp over days is announced early, clean rows and short excursions are not."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil import layout
from industriverse.eil.detector import Detector
from industriverse.eil.regimes import RegimeBank, RegimeShift, ShiftState
from industriverse.signals import Frame

DAY_ROWS = 96
INTERVAL_S = 86_400.0 / DAY_ROWS
CLEAN_DAYS, WATCHED_DAYS = 30, 30
CLEAN = CLEAN_DAYS * DAY_ROWS


def plant(seed: int = 5) -> NDArray[np.float64]:
    """Eight channels of 60 days, the first four of which follow the hour and no day like another."""
    rows = (CLEAN_DAYS + WATCHED_DAYS) * DAY_ROWS
    values = vector_autoregression(rows, 8, seed)
    generator = np.random.default_rng(seed)
    hour = 2.0 * np.pi * np.arange(rows) / DAY_ROWS
    strength = np.repeat(generator.normal(1.0, 0.1, CLEAN_DAYS + WATCHED_DAYS), DAY_ROWS)
    values[:, :4] += 4.0 * (strength * np.cos(hour))[:, None]
    return values


def watched(values: NDArray[np.float64]) -> tuple[RegimeBank, list[RegimeShift]]:
    frame = frame_of(values, interval_s=INTERVAL_S)
    bank = RegimeBank(Detector().fit(frame.rows(0, CLEAN)), "plant")
    return bank, list(bank.feed(frame.rows(CLEAN)).shifts)


def test_clean_days_that_differ_raise_no_shift() -> None:
    assert watched(plant())[1] == []


@pytest.mark.parametrize("channel", [0, 6])
@pytest.mark.parametrize("heard", [True, False])
def test_a_ramp_over_days_is_announced_early_because_the_slow_chart_hears_it(
    channel: int, heard: bool
) -> None:
    values = plant()
    reference = Detector().fit(frame_of(values, interval_s=INTERVAL_S).rows(0, CLEAN)).reference
    constants = reference.model.channel.copy()
    if not heard:
        constants[layout.SLOW_LIMIT] = np.inf
    bank = RegimeBank(
        Detector.from_reference(replace(reference, model=replace(reference.model, channel=constants))),
        "plant",
    )
    days = np.arange(len(values) - CLEAN) / DAY_ROWS
    values[CLEAN:, channel] += 0.2 * constants[layout.SCALE, channel] * days
    shifts = bank.feed(frame_of(values, interval_s=INTERVAL_S).rows(CLEAN)).shifts
    reached_sd = [0.2 * (s.detected_ns / 1e9 - CLEAN * INTERVAL_S) / 86_400.0 for s in shifts]
    if heard:
        assert reached_sd[0] < 1.4
        assert shifts[0].leading == f"c{channel}"
        assert 0.3 < shifts[0].departure_sd < 4.0
    else:
        assert reached_sd[0] > 1.6
    assert len(bank.detectors) == 1


def test_an_hour_far_away_is_no_slow_change() -> None:
    values = plant()
    values[CLEAN + 500 : CLEAN + 520, 6] += 40.0
    bank, shifts = watched(values)
    assert shifts == []
    assert bank.candidate is None


def test_a_refused_shift_that_goes_on_is_raised_again_and_not_at_once() -> None:
    values = plant()
    values[CLEAN + 200 :, 6] += float(values[:CLEAN, 6].std())
    frame = frame_of(values, interval_s=INTERVAL_S)
    bank = RegimeBank(Detector().fit(frame.rows(0, CLEAN)), "plant")
    raised: list[int] = []
    for row in range(CLEAN, len(values), 32):
        shifts = bank.feed(frame.rows(row, min(row + 32, len(values)))).shifts
        for shift in shifts:
            if shift.state is ShiftState.COLLECTING:
                raised.append(row)
                bank.refuse(shift.id, by="operator")
    assert len(raised) >= 2
    assert min(np.diff(raised)) >= 64


def test_a_channel_that_wanders_has_no_limit_and_a_constant_one_neither() -> None:
    values = vector_autoregression(CLEAN, 3, 9)
    values[:, 1] = np.cumsum(np.random.default_rng(9).normal(size=CLEAN))
    values[:, 2] = 7.0
    frame: Frame = frame_of(values, interval_s=INTERVAL_S)
    limit = Detector().fit(frame).reference.model.channel[layout.SLOW_LIMIT]
    assert np.isfinite(limit[0])
    assert limit[0] < 1.0
    assert limit[1] > layout.SLOW_CLIP
    assert np.isinf(limit[2])
