"""Entropies agree with their closed forms and with known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.physics.entropy import gaussian_entropy, shannon_entropy, shannon_entropy_miller_madow
from industriverse.physics.errors import CovarianceError, SampleError
from physics_cases import random_covariance, random_map

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=30).filter(any)


def test_gaussian_entropy_of_one_channel_is_the_textbook_value() -> None:
    assert gaussian_entropy([[4.0]]) == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 4))


def test_gaussian_entropy_of_many_channels_is_the_mean_of_minus_log_density() -> None:
    from scipy.stats import multivariate_normal

    covariance = random_covariance(np.random.default_rng(0), 7)
    assert gaussian_entropy(covariance) == pytest.approx(multivariate_normal(cov=covariance).entropy())


def test_a_linear_map_moves_gaussian_entropy_by_its_log_determinant() -> None:
    rng = np.random.default_rng(1)
    covariance, B = random_covariance(rng, 4), random_map(rng, 4)
    moved = gaussian_entropy(B @ covariance @ B.T) - gaussian_entropy(covariance)
    assert moved == pytest.approx(np.linalg.slogdet(B)[1])


def test_a_singular_covariance_has_no_entropy() -> None:
    with pytest.raises(CovarianceError):
        gaussian_entropy([[1.0, 1.0], [1.0, 1.0]])


def test_miller_madow_known_answer() -> None:
    # H = -(.4 ln .4 + .3 ln .3 + .2 ln .2 + .1 ln .1) = 1.2798542, and (K - 1) / 2N = 3/20.
    assert shannon_entropy([4, 3, 2, 1]) == pytest.approx(1.2798542, abs=1e-7)
    assert shannon_entropy_miller_madow([4, 3, 2, 1]) == pytest.approx(1.4298542, abs=1e-7)


def test_empty_cells_do_not_count_as_occupied() -> None:
    assert shannon_entropy_miller_madow([4, 0, 3, 0, 2, 1]) == shannon_entropy_miller_madow([4, 3, 2, 1])


def test_miller_madow_removes_most_of_the_bias_of_the_plug_in() -> None:
    rng = np.random.default_rng(7)
    draws = rng.multinomial(200, np.full(16, 1 / 16), size=2000)
    plain = np.mean([shannon_entropy(counts) for counts in draws])
    corrected = np.mean([shannon_entropy_miller_madow(counts) for counts in draws])
    # First-order bias is 15/400 = 0.0375; what is left is of order 1/N^2.
    assert plain - math.log(16) == pytest.approx(-0.0375, abs=0.004)
    assert corrected == pytest.approx(math.log(16), abs=0.004)


@given(COUNTS)
def test_shannon_entropy_lies_between_zero_and_the_log_of_the_occupied_cells(counts: list[int]) -> None:
    occupied = sum(count > 0 for count in counts)
    assert 0 <= shannon_entropy(counts) <= math.log(occupied) + 1e-12


@pytest.mark.parametrize("counts", [[], [0, 0], [-1, 2], [float("nan")]])
def test_counts_that_are_not_counts_are_refused(counts: list[float]) -> None:
    with pytest.raises(SampleError):
        shannon_entropy_miller_madow(counts)
