"""Temperature reads 1 on clean noise, above when hot, below when cold; signatures tell noises apart."""

import numpy as np
import pytest

from industriverse.physics.errors import SampleError, ShapeError
from industriverse.physics.noise import marchenko_pastur_edges, noise_signature
from industriverse.physics.temperature import channel_temperature, index_of_dispersion


def test_clean_innovations_have_temperature_one_with_the_stated_variance() -> None:
    innovations = np.random.default_rng(0).normal(size=(40_000, 3)) * [0.1, 1.0, 10.0]
    temperature = channel_temperature(innovations, [0.1, 1.0, 10.0], scale_samples=16)[100:]
    np.testing.assert_allclose(temperature.mean(axis=0), 1, atol=0.04)
    np.testing.assert_allclose(temperature.var(axis=0), 2 / 31, rtol=0.15)


def test_injected_noise_is_hot_and_a_frozen_channel_is_cold() -> None:
    innovations = np.random.default_rng(1).normal(size=(500, 3)) * [1.0, 3.0, 0.0]
    hot, cold = channel_temperature(innovations, np.ones(3), scale_samples=64)[-1, 1:]
    assert hot > 4
    assert cold == pytest.approx((1 - 1 / 64) ** 500)


def test_one_sample_scale_is_the_squared_innovation_itself() -> None:
    temperature = channel_temperature([[2.0], [0.5]], [1.0], scale_samples=1)
    np.testing.assert_allclose(temperature, [[4.0], [0.25]])


def test_a_missing_innovation_leaves_the_temperature_as_it_was() -> None:
    temperature = channel_temperature([[3.0, 1.0], [np.nan, 1.0]], np.ones(2), scale_samples=4)
    assert temperature[1, 0] == temperature[0, 0]


def test_blocks_continue_each_other_exactly() -> None:
    innovations = np.random.default_rng(2).normal(size=(60, 2))
    whole = channel_temperature(innovations, np.ones(2), scale_samples=8)
    first = channel_temperature(innovations[:25], np.ones(2), scale_samples=8)
    second = channel_temperature(innovations[25:], np.ones(2), scale_samples=8, start=first[-1])
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)


def test_temperatures_of_impossible_input_are_refused() -> None:
    with pytest.raises(SampleError, match=r"index 1.*constant"):
        channel_temperature(np.zeros((3, 2)), [1.0, 0.0], scale_samples=4)
    with pytest.raises(SampleError, match="infinite"):
        channel_temperature([[np.inf]], [1.0], scale_samples=4)
    with pytest.raises(ShapeError, match="at least 1 sample"):
        channel_temperature([[1.0]], [1.0], scale_samples=0.5)
    with pytest.raises(ShapeError, match="give"):
        channel_temperature([[1.0]], [1.0, 1.0], scale_samples=4)
    with pytest.raises(ShapeError, match="start has 2"):
        channel_temperature([[1.0]], [1.0], scale_samples=4, start=[1.0, 1.0])


def test_poisson_counts_have_dispersion_one_and_bursts_have_more() -> None:
    rng = np.random.default_rng(3)
    assert index_of_dispersion(rng.poisson(20, size=20_000)) == pytest.approx(1, abs=5 * np.sqrt(2 / 20_000))
    assert index_of_dispersion(rng.poisson(20, size=1000) * rng.integers(0, 3, size=1000)) > 5
    assert np.isnan(index_of_dispersion([0, 0, 0]))
    with pytest.raises(SampleError):
        index_of_dispersion([1])


def test_white_noise_fills_bands_by_their_width_and_is_white() -> None:
    signature = noise_signature(np.random.default_rng(4).normal(size=(8192, 4)))
    np.testing.assert_allclose(signature.band_share.sum(axis=0), 1)
    np.testing.assert_allclose(
        signature.band_share, np.diff(signature.band_edges)[:, None] * 2 * np.ones(4), atol=0.05
    )
    assert np.abs(signature.lag1).max() < 5 / np.sqrt(8192)
    assert signature.coherent_modes == 0


def test_smoothed_noise_moves_power_down_and_a_shared_source_is_one_coherent_mode() -> None:
    rng = np.random.default_rng(5)
    white = rng.normal(size=(4096, 6))
    smooth = np.apply_along_axis(lambda column: np.convolve(column, np.ones(8) / 8, "valid"), 0, white)
    signature = noise_signature(smooth)
    assert signature.band_share[-1].max() < 0.2
    assert signature.lag1.min() > 0.8
    assert noise_signature(white + rng.normal(size=(4096, 1))).coherent_modes == 1


def test_a_constant_channel_has_no_spectrum_and_no_lag() -> None:
    signature = noise_signature(np.column_stack([np.random.default_rng(6).normal(size=64), np.ones(64)]))
    assert signature.band_share[:, 1].sum() == 0
    assert np.isnan(signature.lag1[1])
    assert np.isfinite(signature.lag1[0])


def test_edges_of_pure_noise_hold_its_spectrum() -> None:
    rng = np.random.default_rng(7)
    spectrum = np.linalg.eigvalsh(np.corrcoef(rng.normal(size=(4000, 400)), rowvar=False))
    lower, upper = marchenko_pastur_edges(4000, 400)
    assert lower * 0.97 < spectrum[0]
    assert spectrum[-1] < upper * 1.03
    assert marchenko_pastur_edges(10, 20)[0] == 0


def test_signatures_of_too_little_are_refused() -> None:
    with pytest.raises(SampleError, match="at least 16 samples"):
        noise_signature(np.zeros((10, 2)))
    with pytest.raises(ShapeError):
        noise_signature(np.zeros((64, 2)), bands=0)
    with pytest.raises(SampleError):
        marchenko_pastur_edges(0, 3)
