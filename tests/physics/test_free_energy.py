"""The free-energy excess is a Kullback-Leibler divergence, and its split adds up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.physics.errors import CovarianceError, ShapeError
from industriverse.physics.free_energy import gaussian_free_energy_excess, gaussian_kl_divergence
from physics_cases import random_covariance, random_map

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 10)


@given(SEEDS, SIZES)
@settings(max_examples=100, deadline=None)
def test_the_excess_is_the_divergence_from_equilibrium(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    mean, covariance = rng.normal(size=channels), random_covariance(rng, channels)
    excess = gaussian_free_energy_excess(mean, covariance)
    divergence = gaussian_kl_divergence(mean, covariance, np.zeros(channels), np.eye(channels))
    assert excess.total == pytest.approx(divergence, rel=1e-9, abs=1e-12)


@given(SEEDS, SIZES)
@settings(max_examples=100, deadline=None)
def test_shares_of_the_channels_add_up_and_none_is_negative(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    excess = gaussian_free_energy_excess(rng.normal(size=channels), random_covariance(rng, channels))
    assert excess.total == excess.work + excess.heat + excess.structure
    assert excess.by_channel.sum() == pytest.approx(excess.total, rel=1e-12)
    for part in (excess.work_by_channel, excess.heat_by_channel, excess.structure_by_channel):
        assert part.shape == (channels,)
        assert part.min() >= -1e-12


@given(SEEDS, SIZES)
@settings(max_examples=60, deadline=None)
def test_the_excess_over_any_reference_is_the_divergence_from_it(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    window = rng.normal(size=channels), random_covariance(rng, channels)
    reference = rng.normal(size=channels), random_covariance(rng, channels)
    excess = gaussian_free_energy_excess(
        *window, reference_mean=reference[0], reference_covariance=reference[1]
    )
    assert excess.total == pytest.approx(gaussian_kl_divergence(*window, *reference), rel=1e-8, abs=1e-10)


@given(SEEDS, SIZES)
@settings(max_examples=60, deadline=None)
def test_the_divergence_does_not_change_under_an_invertible_map(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    window = rng.normal(size=channels), random_covariance(rng, channels)
    reference = rng.normal(size=channels), random_covariance(rng, channels)
    B, shift = random_map(rng, channels), rng.normal(size=channels)
    mapped = [(B @ m + shift, B @ C @ B.T) for m, C in (window, reference)]
    expected = gaussian_kl_divergence(*window, *reference)
    assert gaussian_kl_divergence(*mapped[0], *mapped[1]) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_equilibrium_has_no_excess() -> None:
    excess = gaussian_free_energy_excess(np.zeros(4), np.eye(4))
    assert (excess.work, excess.heat, excess.structure, excess.total) == (0, 0, 0, 0)


def test_a_bias_is_work_of_its_channel_alone() -> None:
    excess = gaussian_free_energy_excess([0.0, 2.0, 0.0], np.eye(3))
    np.testing.assert_array_equal(excess.by_channel, [0, 2, 0])
    assert excess.work == excess.total == 2


@pytest.mark.parametrize("variance", [0.01, 25.0])
def test_a_frozen_or_a_noisy_channel_is_heat_of_that_channel_alone(variance: float) -> None:
    excess = gaussian_free_energy_excess(np.zeros(3), np.diag([1.0, variance, 1.0]))
    assert excess.heat_by_channel[1] == pytest.approx(0.5 * (variance - 1 - np.log(variance)))
    assert excess.total == pytest.approx(excess.heat_by_channel[1])


def test_a_new_correlation_is_structure_of_its_two_channels_in_equal_parts() -> None:
    covariance = np.eye(3)
    covariance[0, 2] = covariance[2, 0] = 0.8
    excess = gaussian_free_energy_excess(np.zeros(3), covariance)
    half = -0.25 * np.log(1 - 0.8**2)
    np.testing.assert_allclose(excess.structure_by_channel, [half, 0, half], atol=1e-15)
    assert excess.structure == pytest.approx(2 * half)


def test_the_split_follows_the_channels_when_they_are_reordered() -> None:
    rng = np.random.default_rng(4)
    mean, covariance, order = rng.normal(size=6), random_covariance(rng, 6), rng.permutation(6)
    excess = gaussian_free_energy_excess(mean, covariance)
    reordered = gaussian_free_energy_excess(mean[order], covariance[np.ix_(order, order)])
    np.testing.assert_allclose(reordered.by_channel, excess.by_channel[order], rtol=1e-10)
    np.testing.assert_allclose(
        reordered.structure_by_channel, excess.structure_by_channel[order], rtol=1e-10, atol=1e-14
    )


def test_float32_input_agrees_with_float64_to_single_precision() -> None:
    rng = np.random.default_rng(9)
    mean, covariance = rng.normal(size=5), random_covariance(rng, 5)
    single = gaussian_free_energy_excess(mean.astype(np.float32), covariance.astype(np.float32))
    assert single.total == pytest.approx(gaussian_free_energy_excess(mean, covariance).total, rel=1e-4)


def test_a_window_with_fewer_samples_than_channels_is_refused_with_the_way_out() -> None:
    samples = np.random.default_rng(0).normal(size=(3, 5))
    with pytest.raises(CovarianceError, match="more samples than channels"):
        gaussian_free_energy_excess(samples.mean(axis=0), np.cov(samples, rowvar=False))
    with pytest.raises(CovarianceError):
        gaussian_kl_divergence(np.zeros(5), np.cov(samples, rowvar=False), np.zeros(5), np.eye(5))


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ShapeError):
        gaussian_free_energy_excess([0.0], np.eye(2))
    with pytest.raises(ShapeError, match="reference_mean"):
        gaussian_free_energy_excess([0.0], np.eye(1), reference_mean=[0.0, 0.0])
