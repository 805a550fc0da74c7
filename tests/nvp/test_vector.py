"""Plain vectors: dynamics are recovered, intervals cover, persistence is beaten or the forecast abstains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from industriverse.nvp import ForecastError, VectorForecaster

A = np.array([[0.8, 0.2, 0.0], [-0.2, 0.7, 0.1], [0.0, 0.1, 0.5]])


def known_process(rows: int, seed: int, noise_sd: float = 1.0) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    values = np.zeros((rows + 100, 3))
    for row in range(1, len(values)):
        values[row] = A @ values[row - 1] + noise_sd * generator.standard_normal(3)
    scaled: NDArray[np.float64] = values[100:] * np.array([1.0, 100.0, 0.01]) + np.array([5.0, -300.0, 0.0])
    return scaled


def test_a_known_process_is_recovered() -> None:
    values = known_process(6000, seed=1)
    forecaster = VectorForecaster.fit(values, max_order=3, max_horizon=6)
    scale = np.array([1.0, 100.0, 0.01])
    state = np.array([3.0, -2.0, 1.0])
    history = np.vstack([known_process(2, seed=2), state * scale + np.array([5.0, -300.0, 0.0])])
    forecast = forecaster.forecast(history, 6)
    exact = np.array([np.linalg.matrix_power(A, step) @ state for step in range(1, 7)])
    assert np.abs((forecast.mean - np.array([5.0, -300.0, 0.0])) / scale - exact).max() < 0.25
    assert forecast.residual_sd / scale == pytest.approx(np.ones(3), rel=0.1)
    assert forecast.track == "vector"


def test_intervals_cover_what_they_promise_on_data_never_seen() -> None:
    forecaster = VectorForecaster.fit(known_process(6000, seed=3), coverage=0.9, max_horizon=5)
    fresh = known_process(2003, seed=4)
    # Every fifth origin, so that the five-step outcomes hardly overlap.
    hits = np.array(
        [
            (lower <= truth) & (truth <= upper)
            for origin in range(3, 1998, 5)
            for forecast in [forecaster.forecast(fresh[origin - 2 : origin + 1], 5)]
            for lower, upper, truth in [
                (forecast.lower[4], forecast.upper[4], fresh[origin + 5]),
            ]
        ]
    )
    # Four standard deviations of a binomial, widened for what 1,200 calibration errors leave uncertain.
    allowance = 4 * np.sqrt(0.09 / len(hits) + 0.09 / 400)
    assert np.abs(hits.mean(axis=0) - 0.9).max() < allowance
    assert forecaster.coverage_by_step == pytest.approx(np.full(5, 0.9), abs=0.04)


@settings(max_examples=8, deadline=None)
@given(coverage=st.sampled_from([0.5, 0.8, 0.95]), seed=st.integers(0, 1000))
def test_intervals_are_ordered_and_grow_with_the_coverage(coverage: float, seed: int) -> None:
    values = known_process(400, seed=seed)
    narrow = VectorForecaster.fit(values, coverage=coverage, max_horizon=4).forecast(values, 4)
    wide = VectorForecaster.fit(values, coverage=0.98, max_horizon=4).forecast(values, 4)
    assert (narrow.lower <= narrow.mean).all()
    assert (narrow.mean <= narrow.upper).all()
    assert (wide.upper - wide.lower >= narrow.upper - narrow.lower).all()


def test_skill_against_persistence_is_measured_and_positive_where_there_is_something_to_know() -> None:
    forecast = VectorForecaster.fit(known_process(3000, seed=5)).forecast(known_process(10, seed=6), 24)
    # Far ahead the process is independent of now: RMSE sd against persistence's sqrt(2) sd, a skill of 0.29.
    assert 0.15 < forecast.skill_over_persistence < 0.45
    assert not forecast.abstained
    assert forecast.reason == ""


def test_a_random_walk_makes_the_forecaster_abstain() -> None:
    walk = np.cumsum(np.random.default_rng(7).standard_normal((2000, 2)), axis=0)
    forecast = VectorForecaster.fit(walk, max_horizon=12).forecast(walk, 12)
    assert forecast.skill_over_persistence < 0.02
    assert forecast.abstained == (forecast.skill_over_persistence <= 0)
    # A drift of the training part does not continue, so that anything but persistence is wrong.
    drifting = np.concatenate([np.arange(600.0), 600.0 - np.arange(400.0)])[:, None]
    reversed_trend = VectorForecaster.fit(drifting, max_horizon=12).forecast(drifting, 12)
    assert reversed_trend.abstained
    assert "no better than persistence" in reversed_trend.reason


def test_a_daily_profile_is_used_where_it_helps_and_its_phase_can_be_given() -> None:
    generator = np.random.default_rng(8)
    clock = np.arange(1200)
    profile = 10 * np.sin(2 * np.pi * clock / 48)
    values = (profile + generator.standard_normal(1200))[:, None]
    forecaster = VectorForecaster.fit(values, max_order=1, max_horizon=24, period=48)
    assert forecaster.seasonal
    ahead = forecaster.forecast(values[:1148], 24, start=0)
    expected = 10 * np.sin(2 * np.pi * np.arange(1148, 1172) / 48)
    assert np.abs(ahead.mean[:, 0] - expected).max() < 2
    following = forecaster.forecast(values[-5:], 24)
    assert np.abs(following.mean[:, 0] - 10 * np.sin(2 * np.pi * np.arange(1200, 1224) / 48)).max() < 2


def test_a_daily_profile_is_not_learned_from_one_day() -> None:
    assert not VectorForecaster.fit(known_process(300, seed=9), period=200).seasonal


def test_constant_channels_stay_constant_and_empty_channels_are_unknown() -> None:
    values = np.column_stack([known_process(600, seed=10), np.full(600, 7.3), np.full(600, np.nan)])
    forecast = VectorForecaster.fit(values).forecast(values[-3:], 5)
    assert forecast.mean[:, 3] == pytest.approx(np.full(5, 7.3))
    assert forecast.upper[:, 3] - forecast.lower[:, 3] == pytest.approx(np.zeros(5), abs=1e-9)
    assert np.isnan(forecast.mean[:, 4]).all()
    assert np.isfinite(forecast.mean[:, :4]).all()
    assert np.isfinite(forecast.skill_over_persistence)


def test_missing_values_cost_little_accuracy() -> None:
    values = known_process(4000, seed=11)
    holes = np.random.default_rng(12).random(values.shape) < 0.1
    full = VectorForecaster.fit(values, max_horizon=3)
    broken = VectorForecaster.fit(np.where(holes, np.nan, values), max_horizon=3)
    assert broken.skill_by_step[2] == pytest.approx(full.skill_by_step[2], abs=0.08)
    forecast = broken.forecast(np.array([[5.0, -300.0, 0.0], [np.nan, np.nan, 0.01]]), 3)
    assert np.isfinite(forecast.mean).all()


def test_the_same_data_give_the_same_forecast() -> None:
    values = known_process(500, seed=13)
    first, second = (VectorForecaster.fit(values).forecast(values, 10) for _ in range(2))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.upper, second.upper)


@pytest.mark.parametrize(
    ("rows", "options", "complaint"),
    [
        (10, {}, "10 samples are too few"),
        (200, {"coverage": 0.999}, "too few for 99.9 %"),
        (200, {"coverage": 1.0}, "coverage is 1.0"),
        (200, {"max_order": 0}, "max_order 0"),
        (200, {"period": 1.0}, r"period 1\.0"),
    ],
)
def test_fits_that_cannot_keep_their_promise_are_refused(
    rows: int, options: dict[str, float], complaint: str
) -> None:
    with pytest.raises(ForecastError, match=complaint):
        VectorForecaster.fit(known_process(rows, seed=14), **options)  # type: ignore[arg-type]


def test_ill_shaped_input_is_refused() -> None:
    values = known_process(200, seed=15)
    forecaster = VectorForecaster.fit(values, max_horizon=5)
    with pytest.raises(ForecastError, match=r"shape \(200,\)"):
        VectorForecaster.fit(values[:, 0])
    with pytest.raises(ForecastError, match="infinities"):
        VectorForecaster.fit(np.where(values > 0, np.inf, values))
    with pytest.raises(ForecastError, match="no channel has a finite value"):
        VectorForecaster.fit(np.full((200, 2), np.nan))
    with pytest.raises(ForecastError, match="history has 2 channels"):
        forecaster.forecast(values[:, :2], 1)
    with pytest.raises(ForecastError, match="history has 0 samples"):
        forecaster.forecast(values[:0], 1)
    with pytest.raises(ForecastError, match="horizon 6 is not calibrated"):
        forecaster.forecast(values, 6)
