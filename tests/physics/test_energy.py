"""Energies obey equipartition, add up, and are energies of the states that they are given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from industriverse.physics.energy import (
    gaussian_energy,
    innovation_energy,
    innovations,
    principal_energy_split,
)
from industriverse.physics.errors import CovarianceError, SampleError, ShapeError
from industriverse.physics.linear_process import simulate_var1
from physics_cases import random_covariance, random_map, random_stable_process

SEEDS = st.integers(0, 2**32 - 1)


def clean_samples(seed: int, channels: int, count: int) -> tuple[NDArray[np.float64], ...]:
    rng = np.random.default_rng(seed)
    mean, covariance = rng.normal(size=channels), random_covariance(rng, channels)
    return mean, covariance, rng.multivariate_normal(mean, covariance, size=count, method="cholesky")


@pytest.mark.parametrize("channels", [1, 3, 20])
def test_mean_energy_on_clean_data_is_half_a_kt_for_each_channel(channels: int) -> None:
    count = 20_000
    mean, covariance, samples = clean_samples(5, channels, count)
    # 2U is chi-squared with d degrees of freedom: U has variance d/2, so five standard errors are
    # 5 sqrt(d / 2n), missed by a correct implementation once in two million.
    tolerance = 5 * np.sqrt(channels / (2 * count))
    assert gaussian_energy(samples, mean, covariance).mean() == pytest.approx(channels / 2, abs=tolerance)


def test_mean_innovation_energy_on_clean_data_is_half_a_kt_for_each_channel() -> None:
    rng = np.random.default_rng(11)
    A, noise = random_stable_process(rng, 6)
    energies = innovation_energy(simulate_var1(A, noise, 20_000, rng), A, noise)
    assert energies.mean() == pytest.approx(3, abs=5 * np.sqrt(6 / (2 * 20_000)))


def test_energy_is_minus_the_log_density_without_its_constant() -> None:
    from scipy.stats import multivariate_normal

    mean, covariance, samples = clean_samples(1, 4, 10)
    density = multivariate_normal(mean, covariance)
    expected = density.logpdf(mean) - density.logpdf(samples)
    np.testing.assert_allclose(gaussian_energy(samples, mean, covariance), expected, rtol=1e-10)


@given(SEEDS, st.integers(1, 8), st.data())
@settings(max_examples=60, deadline=None)
def test_principal_and_residual_energy_add_up(seed: int, channels: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, channels))
    mean, covariance, samples = clean_samples(seed, channels, 5)
    principal, residual = principal_energy_split(samples, mean, covariance, rank=rank)
    assert principal.min() >= 0
    assert residual.min() >= 0
    np.testing.assert_allclose(
        principal + residual, gaussian_energy(samples, mean, covariance), rtol=1e-8, atol=1e-12
    )


@given(SEEDS, st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_energy_does_not_change_under_an_invertible_map_of_the_channels(seed: int, channels: int) -> None:
    mean, covariance, samples = clean_samples(seed, channels, 5)
    rng = np.random.default_rng(seed + 1)
    B = random_map(rng, channels)
    mapped = gaussian_energy(samples @ B.T, B @ mean, B @ covariance @ B.T)
    # A deviation is the difference of two numbers of order one, so small energies keep an absolute error.
    np.testing.assert_allclose(mapped, gaussian_energy(samples, mean, covariance), rtol=1e-9, atol=1e-9)


def test_one_state_gives_one_energy() -> None:
    energy = gaussian_energy([2.0, 0.0], [0.0, 0.0], [[4.0, 0.0], [0.0, 1.0]])
    assert energy.shape == ()
    assert float(energy) == pytest.approx(0.5)


def test_float32_input_agrees_with_float64_to_single_precision() -> None:
    mean, covariance, samples = clean_samples(3, 5, 50)
    single = gaussian_energy(
        samples.astype(np.float32), mean.astype(np.float32), covariance.astype(np.float32)
    )
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, gaussian_energy(samples, mean, covariance), rtol=1e-4)


def test_innovations_of_two_lags_are_what_the_model_left_unexplained() -> None:
    rng = np.random.default_rng(2)
    lags, constant = 0.3 * rng.normal(size=(2, 3, 3)), rng.normal(size=3)
    noise = rng.normal(size=(50, 3))
    values = noise.copy()
    for t in range(2, 50):
        values[t] += constant + lags[0] @ values[t - 1] + lags[1] @ values[t - 2]
    np.testing.assert_allclose(innovations(values, lags, intercept=constant), noise[2:], atol=1e-9)


def test_a_singular_covariance_is_refused_with_the_way_out() -> None:
    with pytest.raises(CovarianceError, match=r"not positive definite.*ridge"):
        gaussian_energy([0.0, 0.0], [0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(CovarianceError, match="not positive definite"):
        principal_energy_split([0.0, 0.0], [0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], rank=1)


def test_a_constant_channel_is_named_by_its_index() -> None:
    with pytest.raises(CovarianceError, match=r"variance 0 at index 1.*constant"):
        gaussian_energy([0.0, 0.0], [0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]])


def test_an_asymmetric_covariance_is_refused() -> None:
    with pytest.raises(CovarianceError, match="not symmetric"):
        gaussian_energy([0.0, 0.0], [0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("x", "mean", "covariance"),
    [
        ([0.0], [0.0, 0.0], np.eye(2)),
        ([0.0, 0.0], [0.0, 0.0], np.eye(3)),
        (np.zeros((2, 2, 2)), [0.0, 0.0], np.eye(2)),
        ([0.0, 0.0], 0.0, np.eye(2)),
    ],
)
def test_shapes_that_disagree_are_refused(x: object, mean: object, covariance: object) -> None:
    with pytest.raises(ShapeError):
        gaussian_energy(x, mean, covariance)  # type: ignore[arg-type]


def test_wrong_shapes_of_a_model_are_refused() -> None:
    values = np.zeros((5, 2))
    with pytest.raises(ShapeError, match=r"give \(p, 2, 2\)"):
        innovations(values, np.zeros((1, 3, 3)))
    with pytest.raises(ShapeError, match="more samples than lags"):
        innovations(values, np.zeros((5, 2, 2)))
    with pytest.raises(ShapeError, match="intercept has 3"):
        innovations(values, np.zeros((2, 2)), intercept=np.zeros(3))
    with pytest.raises(ShapeError, match="rank is 3"):
        principal_energy_split(values, np.zeros(2), np.eye(2), rank=3)


def test_missing_values_are_refused() -> None:
    with pytest.raises(SampleError, match="x contains NaN"):
        gaussian_energy([np.nan, 0.0], [0.0, 0.0], np.eye(2))
