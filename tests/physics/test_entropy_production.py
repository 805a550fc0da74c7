"""Entropy production: the closed form, its estimate, and the bounds from currents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, multivariate_normal

from industriverse.physics.entropy_production import (
    entropy_production_from_currents,
    reversed_process,
    var1_entropy_production,
)
from industriverse.physics.errors import CovarianceError, InstabilityError, SampleError, ShapeError
from industriverse.physics.linear_process import simulate_var1, spectral_radius, stationary_covariance
from industriverse.physics.uncertainty import lag1_currents, thermodynamic_uncertainty_bound, var1_currents
from physics_cases import Matrix, random_map, random_stable_process, reversible_process

SEEDS = st.integers(0, 2**32 - 1)
PROCESSES = given(SEEDS, st.integers(2, 8))


def rotation(angle: float, radius: float) -> Matrix:
    return radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def textbook_form(A: Matrix, Q: Matrix) -> float:
    S = stationary_covariance(A, Q)
    forward = np.block([[S, S @ A.T], [A @ S, S]])
    backward = np.block([[S, A @ S], [S @ A.T, S]])
    return 0.5 * float(np.trace(np.linalg.solve(backward, forward))) - len(A)


def test_the_closed_form_equals_the_mean_log_ratio_of_forward_and_backward_paths() -> None:
    rng = np.random.default_rng(6)
    A, Q = random_stable_process(rng, 6)
    S = stationary_covariance(A, Q)
    path = simulate_var1(A, Q, 60_000, rng)
    # p(x) p(x'|x) against p(x') p(x|x'), written with scipy's densities and not with the closed form.
    state, noise = multivariate_normal(cov=S), multivariate_normal(cov=Q)
    past, future = path[:-1], path[1:]
    forward = state.logpdf(past) + noise.logpdf(future - past @ A.T)
    backward = state.logpdf(future) + noise.logpdf(past - future @ A.T)
    ratio = forward - backward
    # Standard error from 200 batch means, because steps are correlated.
    batches = ratio[: len(ratio) // 200 * 200].reshape(200, -1).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(200)
    exact = var1_entropy_production(A, Q)
    assert error < 0.02 * exact
    assert ratio.mean() == pytest.approx(exact, abs=5 * error)


@PROCESSES
@settings(max_examples=80, deadline=None)
def test_the_whitened_form_equals_the_textbook_form(seed: int, channels: int) -> None:
    A, Q = random_stable_process(np.random.default_rng(seed), channels)
    assert var1_entropy_production(A, Q) == pytest.approx(textbook_form(A, Q), rel=1e-5, abs=1e-7)


@PROCESSES
@settings(max_examples=80, deadline=None)
def test_a_reversible_process_produces_no_entropy(seed: int, channels: int) -> None:
    A, Q = reversible_process(np.random.default_rng(seed), channels)
    assert 0 <= var1_entropy_production(A, Q) < 1e-12


def test_a_symmetric_transition_with_equal_noise_produces_none() -> None:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(5, 5))
    A = (A + A.T) * 0.9 / np.abs(np.linalg.eigvalsh(A + A.T)).max()
    assert var1_entropy_production(A, 2.0 * np.eye(5)) < 1e-14


def test_a_symmetric_transition_between_two_baths_does_produce_entropy() -> None:
    # Coupled channels held at different temperatures carry a heat current.
    assert var1_entropy_production([[0.5, 0.3], [0.3, 0.5]], np.diag([1.0, 4.0])) > 0.01


@given(st.floats(0.05, 0.95), st.floats(0.05, 3.0))
def test_a_noisy_rotation_has_its_known_entropy_production(radius: float, angle: float) -> None:
    # M = r R(a) gives tr[(I - r^2)^-1 (M^T - M) M] = 4 r^2 sin^2(a) / (1 - r^2).
    expected = 4 * radius**2 * np.sin(angle) ** 2 / (1 - radius**2)
    assert var1_entropy_production(rotation(angle, radius), np.eye(2)) == pytest.approx(expected, rel=1e-9)


@PROCESSES
@settings(max_examples=80, deadline=None)
def test_entropy_production_is_never_negative_and_the_uncertainty_bound_never_exceeds_it(
    seed: int, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    A, Q = random_stable_process(rng, channels, radius=float(rng.uniform(0.01, 0.99)))
    sigma = var1_entropy_production(A, Q)
    bound = thermodynamic_uncertainty_bound(*var1_currents(A, Q))
    assert 0 <= bound <= sigma * (1 + 1e-9)
    assert sigma > 0


@PROCESSES
@settings(max_examples=60, deadline=None)
def test_entropy_production_does_not_change_under_an_invertible_map(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    A, Q = random_stable_process(rng, channels)
    B = random_map(rng, channels)
    mapped = var1_entropy_production(B @ A @ np.linalg.inv(B), B @ Q @ B.T)
    assert mapped == pytest.approx(var1_entropy_production(A, Q), rel=1e-5)


@PROCESSES
@settings(max_examples=40, deadline=None)
def test_the_reversed_process_has_the_same_statistics_and_opposite_currents(seed: int, channels: int) -> None:
    A, Q = random_stable_process(np.random.default_rng(seed), channels)
    S = stationary_covariance(A, Q)
    backward, noise = reversed_process(A, S)
    np.testing.assert_allclose(stationary_covariance(backward, noise), S, rtol=1e-6, atol=1e-8)
    forward_sigma, backward_sigma = var1_entropy_production(A, Q), var1_entropy_production(backward, noise)
    assert backward_sigma == pytest.approx(forward_sigma, rel=1e-5)
    scale = np.abs(var1_currents(A, Q)[0]).max()
    np.testing.assert_allclose(
        var1_currents(backward, noise)[0], -var1_currents(A, Q)[0], atol=1e-7 * (1 + scale)
    )


@pytest.mark.parametrize("slip", [0.4, 0.1, 0.01])
def test_only_the_discrete_time_bound_holds_for_a_walk_on_a_ring(slip: float) -> None:
    # A walker steps +1 with probability 1 - slip and -1 otherwise; its current is the step.
    mean, variance = 1 - 2 * slip, 4 * slip * (1 - slip)
    sigma = mean * np.log((1 - slip) / slip)
    assert thermodynamic_uncertainty_bound([mean], [[variance]]) <= sigma
    continuous = thermodynamic_uncertainty_bound([mean], [[variance]], continuous_time=True)
    assert continuous > sigma


def test_currents_of_data_approach_the_exact_ones() -> None:
    rng = np.random.default_rng(8)
    A, Q = random_stable_process(rng, 3, radius=0.5)
    mean, covariance = lag1_currents(simulate_var1(A, Q, 100_000, rng))
    exact_mean, exact_covariance = var1_currents(A, Q)
    scale = np.sqrt(np.diag(exact_covariance))
    np.testing.assert_allclose(mean / scale, exact_mean / scale, atol=0.03)
    np.testing.assert_allclose(
        covariance / np.outer(scale, scale), exact_covariance / np.outer(scale, scale), atol=0.05
    )


def test_the_estimate_approaches_the_closed_form() -> None:
    rng = np.random.default_rng(12)
    A, Q = random_stable_process(rng, 4, radius=0.7)
    estimate = entropy_production_from_currents(simulate_var1(A, Q, 100_000, rng))
    assert estimate.corrected == pytest.approx(var1_entropy_production(A, Q), rel=0.05)
    assert estimate.p_value < 1e-12


def test_under_a_reversible_process_the_bias_is_as_stated_and_p_values_are_uniform() -> None:
    rng = np.random.default_rng(13)
    A, Q = reversible_process(rng, 4)
    estimates = [entropy_production_from_currents(simulate_var1(A, Q, 800, rng)) for _ in range(300)]
    plug_in = np.array([estimate.plug_in for estimate in estimates])
    # pairs * plug_in / 2 is chi-squared with 6 degrees of freedom: mean 6, variance 12.
    standard_error = 2 * np.sqrt(12) / 799 / np.sqrt(300)
    assert estimates[0].bias == pytest.approx(12 / 799)
    assert plug_in.mean() == pytest.approx(estimates[0].bias, abs=4 * standard_error)
    assert kstest([estimate.p_value for estimate in estimates], "uniform").pvalue > 1e-3


def test_playing_a_record_backward_flips_its_currents_and_keeps_its_entropy_production() -> None:
    rng = np.random.default_rng(14)
    path = simulate_var1(rotation(0.4, 0.9), np.eye(2), 5000, rng)
    forward, backward = (entropy_production_from_currents(record) for record in (path, path[::-1]))
    assert backward.plug_in == pytest.approx(forward.plug_in, rel=1e-9)
    np.testing.assert_allclose(np.abs(backward.currents), np.abs(forward.currents), rtol=1e-9, atol=1e-12)
    turned = lag1_currents(path)[0], lag1_currents(path[::-1])[0]
    np.testing.assert_allclose(turned[0], -turned[1], rtol=1e-9)


def test_an_estimate_survives_a_constant_channel_and_float32_values() -> None:
    rng = np.random.default_rng(15)
    path = simulate_var1(rotation(0.4, 0.9), np.eye(2), 5000, rng)
    expected = entropy_production_from_currents(path).plug_in
    padded = np.column_stack([path, np.full(len(path), 7.0)])
    estimate = entropy_production_from_currents(padded)
    assert estimate.modes == 2
    assert estimate.plug_in == pytest.approx(expected, rel=1e-6)
    single = entropy_production_from_currents(path.astype(np.float32))
    assert single.plug_in == pytest.approx(expected, rel=1e-4)


def test_an_unstable_process_has_no_entropy_production() -> None:
    with pytest.raises(InstabilityError, match=r"modulus 1.1"):
        var1_entropy_production(np.diag([1.1, 0.5]), np.eye(2))
    assert spectral_radius(np.diag([1.1, 0.5])) == pytest.approx(1.1)


def test_a_direction_without_noise_is_refused_because_its_entropy_production_is_infinite() -> None:
    with pytest.raises(CovarianceError, match="noise_covariance"):
        var1_entropy_production(rotation(0.3, 0.5), np.ones((2, 2)))


def test_estimates_from_too_little_are_refused() -> None:
    with pytest.raises(SampleError, match="at least 6 samples"):
        entropy_production_from_currents(np.zeros((5, 2)))
    with pytest.raises(SampleError, match="constant"):
        entropy_production_from_currents(np.zeros((50, 2)))
    with pytest.raises(SampleError, match="fewer than two directions"):
        entropy_production_from_currents(np.column_stack([np.arange(50.0) % 7] * 2))
    with pytest.raises(ShapeError, match="2 modes or more"):
        entropy_production_from_currents(np.zeros((50, 1)))
    with pytest.raises(SampleError, match="NaN"):
        entropy_production_from_currents(np.full((50, 2), np.nan))
    with pytest.raises(ShapeError):
        lag1_currents(np.zeros((50, 1)))
    with pytest.raises(SampleError):
        lag1_currents(np.zeros((3, 2)))


def test_a_perfectly_predictable_mode_is_refused() -> None:
    time = np.arange(400)
    path = np.column_stack([np.cos(0.1 * np.pi * time), np.sin(0.1 * np.pi * time)])
    with pytest.raises(CovarianceError, match="predicts itself"):
        entropy_production_from_currents(path, ridge=0.0)


def test_a_bound_over_no_steps_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least one step"):
        thermodynamic_uncertainty_bound([1.0], [[1.0]], steps=0)


def test_simulated_states_have_the_stationary_covariance_from_the_first_one_on() -> None:
    rng = np.random.default_rng(16)
    A, Q = random_stable_process(rng, 2)
    starts = np.array([simulate_var1(A, Q, 1, rng)[0] for _ in range(4000)])
    S = stationary_covariance(A, Q)
    np.testing.assert_allclose(np.cov(starts, rowvar=False), S, atol=0.15 * S.max())
    np.testing.assert_allclose(A @ S @ A.T + Q, S, rtol=1e-9)
