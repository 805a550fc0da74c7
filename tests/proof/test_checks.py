from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from industriverse.eil.proof import CheckName, EquilibriumReference
from industriverse.eil.proof.checks import conformal_p_value, fit_geometry, window_statistics
from proof.irreversible import ALPHA, WINDOW, frame_of, simulate, windows

Values = NDArray[np.float64]
Rates = Callable[[Callable[[Values], Values]], dict[str, float]]


def test_clean_windows_are_accepted_at_the_promised_rate(reference: EquilibriumReference) -> None:
    accepted = [
        all(result.p_value > ALPHA / 4 for result in reference.check(frame_of(values)))
        for values in windows(200, seed=23)
    ]
    # The promise is at least 1 - alpha; fewer than this would happen once in ten thousand suites.
    assert sum(accepted) >= binom.ppf(1e-4, 200, 1 - ALPHA)


def test_time_reversal_passes_three_checks_and_is_refused_by_the_currents(refusal_rates: Rates) -> None:
    rates = refusal_rates(lambda window: window[::-1])
    assert rates["entropy_production"] >= 0.9
    assert max(rates["energy"], rates["entropy"], rates["spectrum"]) <= 0.1


def test_stated_power_against_reversal_matches_what_fresh_windows_show(
    reference: EquilibriumReference, refusal_rates: Rates
) -> None:
    stated = reference.reversal_refusal_rate(ALPHA / 4)
    assert stated == pytest.approx(refusal_rates(lambda w: w[::-1])["entropy_production"], abs=0.1)


def test_a_biased_sensor_is_refused_by_energy(refusal_rates: Rates) -> None:
    def bias(window: Values) -> Values:
        biased: Values = window + np.array([2.0, 0, 0, 0]) * window.std(axis=0)
        return biased

    assert refusal_rates(bias)["energy"] >= 0.95


def test_a_frozen_sensor_is_refused(refusal_rates: Rates) -> None:
    def freeze(window: Values) -> Values:
        frozen = window.copy()
        frozen[:, 1] = frozen[0, 1]
        return frozen

    assert refusal_rates(freeze)["any"] == 1.0


def test_one_frozen_sensor_does_not_vanish_among_many_others(clean: Values) -> None:
    rng = np.random.default_rng(3)
    clean = clean[: len(clean) // 2]
    noise = rng.normal(size=(len(clean), 26))
    reference = EquilibriumReference.fit(frame_of(np.column_stack([clean, noise])), window=WINDOW)
    refused = 0
    for values in windows(10, seed=31):
        frozen = np.column_stack([values, rng.normal(size=(WINDOW, 26))])
        frozen[:, 10] = frozen[0, 10]
        refused += any(result.p_value <= ALPHA / 4 for result in reference.check(frame_of(frozen)))
    assert refused == 10


def test_an_independent_forgery_with_the_right_covariance_passes_energy_and_is_refused(
    refusal_rates: Rates, clean: Values
) -> None:
    rng = np.random.default_rng(5)
    mean, covariance = clean.mean(axis=0), np.cov(clean, rowvar=False)
    rates = refusal_rates(lambda window: rng.multivariate_normal(mean, covariance, len(window)))
    assert rates["spectrum"] == 1.0
    assert rates["entropy_production"] >= 0.95


def test_shuffled_samples_pass_energy_and_entropy_and_are_refused(refusal_rates: Rates) -> None:
    rng = np.random.default_rng(6)
    rates = refusal_rates(lambda window: rng.permutation(window))
    assert rates["any"] == 1.0
    assert max(rates["energy"], rates["entropy"]) <= 0.1


def test_a_joint_phase_surrogate_passes_as_the_limitation_says(refusal_rates: Rates) -> None:
    rng = np.random.default_rng(8)

    def surrogate(window: Values) -> Values:
        phases = np.exp(2j * np.pi * rng.random(WINDOW // 2 + 1))[:, None]
        phases[0] = phases[-1] = 1.0
        return np.fft.irfft(np.fft.rfft(window, axis=0) * phases, WINDOW, axis=0)

    assert refusal_rates(surrogate)["any"] <= 0.2


def test_a_reversible_process_has_no_stated_power_against_reversal() -> None:
    rng = np.random.default_rng(2)
    samples = np.zeros((12_000, 3))
    for row in range(1, len(samples)):
        samples[row] = 0.8 * samples[row - 1] + rng.normal(size=3)
    reference = EquilibriumReference.fit(frame_of(samples), window=WINDOW)
    assert reference.reversal_refusal_rate(ALPHA / 4) <= 0.1


def test_a_single_channel_shows_its_arrow_of_time_by_its_increments() -> None:
    rng = np.random.default_rng(4)
    level = np.zeros((12_000, 1))
    for row in range(1, len(level)):
        # A tank: drains slowly, is filled by rare bursts.
        level[row] = 0.9 * level[row - 1] + rng.exponential() * (rng.random() < 0.2)
    reference = EquilibriumReference.fit(frame_of(level), window=WINDOW)
    assert reference.reversal_refusal_rate(ALPHA / 4) >= 0.9


def test_a_pump_that_hardly_ever_switches_does_not_hide_the_arrow_of_time(clean: Values) -> None:
    rng = np.random.default_rng(9)
    pump = (np.arange(len(clean)) % 1500 < 20) ^ (rng.random(len(clean)) < 2e-4)
    reference = EquilibriumReference.fit(frame_of(np.column_stack([clean, pump])), window=WINDOW)
    assert reference.reversal_refusal_rate(ALPHA / 4) >= 0.9


def test_clean_windows_hold_half_a_kt_per_degree_of_freedom(clean: Values) -> None:
    geometry = fit_geometry(clean)
    energy = window_statistics(clean, geometry)[CheckName.ENERGY][0]
    assert energy == pytest.approx(0.5, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_reversal_keeps_energy_and_entropy_and_flips_every_current(seed: int) -> None:
    geometry = fit_geometry(simulate(400, seed=0))
    window = simulate(WINDOW, seed=seed)
    forward, backward = window_statistics(window, geometry), window_statistics(window[::-1], geometry)
    for name in (CheckName.ENERGY, CheckName.ENTROPY):
        np.testing.assert_allclose(forward[name], backward[name], rtol=1e-9)
    np.testing.assert_allclose(forward[CheckName.CURRENTS], -backward[CheckName.CURRENTS], atol=1e-9)


@given(
    calibration=st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    low=st.floats(0, 1e6),
    high=st.floats(0, 1e6),
)
def test_conformal_p_values_fall_with_the_score_and_stay_on_their_grid(
    calibration: list[float], low: float, high: float
) -> None:
    low, high = sorted([low, high])
    p_low, p_high = conformal_p_value(low, calibration), conformal_p_value(high, calibration)
    assert 1 / (len(calibration) + 1) <= p_high <= p_low <= 1.0
    assert conformal_p_value(float("inf"), calibration) == 1 / (len(calibration) + 1)
