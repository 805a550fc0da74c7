"""Reconciled values close their balances at least cost, and the tests name the sensor that broke them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from industriverse.physics.conservation import balance_residual, reconcile
from industriverse.physics.errors import CovarianceError, SampleError, ShapeError
from physics_cases import random_covariance

SEEDS = st.integers(0, 2**32 - 1)
# A feed splits into two streams, which meet again: feed = a + b and a + b = product.
SPLITTER = np.array([[1.0, -1.0, -1.0, 0.0], [0.0, 1.0, 1.0, -1.0]])


@given(SEEDS, st.integers(3, 8), st.integers(1, 2))
@settings(max_examples=80, deadline=None)
def test_reconciled_values_close_every_balance_and_no_closing_values_are_nearer(
    seed: int, channels: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    balances, covariance = rng.normal(size=(count, channels)), random_covariance(rng, channels)
    measured = rng.normal(size=(4, channels))
    result = reconcile(measured, balances, covariance)
    np.testing.assert_allclose(balance_residual(result.values, balances), 0, atol=1e-9)
    weight = np.linalg.inv(covariance)
    cost = np.einsum("ni,ij,nj->n", result.adjustments, weight, result.adjustments)
    np.testing.assert_allclose(cost, result.statistic, rtol=1e-6, atol=1e-9)
    null_space = np.linalg.svd(balances)[2][count:]
    other = result.values + rng.normal(size=(4, len(null_space))) @ null_space - measured
    assert (np.einsum("ni,ij,nj->n", other, weight, other) >= cost - 1e-9).all()


def test_values_that_close_already_are_not_touched() -> None:
    result = reconcile([10.0, 4.0, 6.0, 10.0], SPLITTER, np.eye(4))
    np.testing.assert_allclose(result.adjustments, 0, atol=1e-12)
    assert result.p_value[0] == pytest.approx(1)


def test_sensor_noise_alone_gives_uniform_p_values_and_standard_normal_adjustments() -> None:
    rng = np.random.default_rng(3)
    split = rng.uniform(2, 8, size=(2000, 2))
    true = np.column_stack([split.sum(axis=1), split, split.sum(axis=1)])
    deviations = np.array([0.3, 0.1, 0.2, 0.4])
    result = reconcile(true + deviations * rng.normal(size=true.shape), SPLITTER, np.diag(deviations**2))
    assert result.degrees_of_freedom == 2
    assert kstest(result.p_value, "uniform").pvalue > 1e-3
    np.testing.assert_allclose(result.standardised.std(axis=0), 1, atol=0.08)


def test_a_biased_sensor_fails_the_global_test_and_is_the_largest_standardised_adjustment() -> None:
    result = reconcile([10.0, 4.0, 6.0, 13.0], SPLITTER, 0.01 * np.eye(4))
    assert result.p_value[0] < 1e-6
    assert int(np.abs(result.standardised[0]).argmax()) == 3


def test_a_channel_in_no_balance_keeps_its_value_and_has_no_test() -> None:
    result = reconcile([1.0, 2.0, 5.0], [[1.0, -1.0, 0.0]], np.eye(3))
    np.testing.assert_allclose(result.values, [[1.5, 1.5, 5.0]])
    assert np.isnan(result.standardised[0, 2])


def test_a_missing_value_spoils_only_the_balances_of_its_channel_and_only_its_sample() -> None:
    measured = np.array([[np.nan, 4.0, 6.0, 10.0], [10.0, 4.0, 6.0, 10.0]])
    residual = balance_residual(measured, SPLITTER)
    np.testing.assert_array_equal(residual, [[np.nan, 0], [0, 0]])
    result = reconcile(measured, SPLITTER, np.eye(4))
    assert np.isnan(result.values[0]).all()
    assert np.isfinite(result.values[1]).all()


def test_balances_that_follow_from_others_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 balances of which 1 are independent"):
        reconcile(np.zeros(2), [[1.0, -1.0], [2.0, -2.0]], np.eye(2))
    with pytest.raises(ShapeError, match="independent"):
        reconcile(np.zeros(2), [[0.0, 0.0]], np.eye(2))


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="one column of the balances a channel"):
        balance_residual(np.zeros(3), SPLITTER)
    with pytest.raises(SampleError):
        balance_residual(np.zeros(2), [[np.nan, 1.0]])
    with pytest.raises(CovarianceError):
        reconcile(np.zeros(2), [[1.0, -1.0]], np.array([[1.0, 2.0], [2.0, 1.0]]))
