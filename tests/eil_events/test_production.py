"""Entropy production of symbol streams against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.eil.events import entropy_production, transition_counts
from industriverse.eil.events.production import transition_work


def ring(forward: float, length: int, seed: int, states: int = 5) -> list[int]:
    generator = np.random.default_rng(seed)
    steps = np.where(generator.random(length) < forward, 1, -1)
    return [int(state) for state in np.cumsum(steps) % states]


def test_a_biased_ring_produces_the_entropy_of_its_closed_form() -> None:
    forward = 0.8
    expected = (2 * forward - 1) * math.log(forward / (1 - forward))
    assert entropy_production(transition_counts(ring(forward, 200_000, 1))) == pytest.approx(
        expected, rel=0.02
    )


def test_a_reversible_ring_produces_none() -> None:
    assert entropy_production(transition_counts(ring(0.5, 200_000, 2))) == pytest.approx(0.0, abs=1e-3)


@given(st.lists(st.sampled_from("abc"), max_size=80))
def test_entropy_production_is_never_negative_and_blind_to_the_direction_of_time(symbols: list[str]) -> None:
    forward, backward = transition_counts(symbols), transition_counts(symbols[::-1])
    assert entropy_production(forward) >= 0.0
    assert math.isclose(entropy_production(forward), entropy_production(backward), abs_tol=1e-12)


def test_it_equals_the_sum_of_currents_times_forces() -> None:
    counts = transition_counts(ring(0.7, 5000, 3))
    total = sum(counts.values())
    by_pairs = sum(
        (counts[i, j] - counts[j, i]) / total * transition_work(counts, i, j)
        for i in range(5)
        for j in range(i + 1, 5)
    )
    assert entropy_production(counts) == pytest.approx(by_pairs)


def test_work_along_a_path_changes_sign_when_it_runs_backwards() -> None:
    counts = transition_counts("abcabcabc")
    assert transition_work(counts, "a", "b") == -transition_work(counts, "b", "a") > 0.0
    assert transition_work(counts, "x", "y") == 0.0
