"""Observed dynamics are mapped to the canonical system that made them, or to none."""

import numpy as np
import pytest

from industriverse.shield.errors import AnalysisError
from industriverse.shield.isomorphism.canonical import CANONICAL_SYSTEMS, FOREIGN_SYSTEMS, simulate_system
from industriverse.shield.isomorphism.mapper import match_system


@pytest.mark.parametrize("name", list(CANONICAL_SYSTEMS))
def test_a_simulated_system_is_recognised(name: str) -> None:
    rng = np.random.default_rng(11)
    found = [match_system(simulate_system(name, 1000, rng)).system for _ in range(5)]
    assert found.count(name) >= 4, found


@pytest.mark.parametrize("name", list(FOREIGN_SYSTEMS))
def test_a_system_outside_the_library_is_unknown(name: str) -> None:
    rng = np.random.default_rng(12)
    found = [match_system(simulate_system(name, 1000, rng)).system for _ in range(5)]
    assert found.count("unknown") >= 4, found


def test_shuffled_rows_lose_their_system() -> None:
    rng = np.random.default_rng(13)
    path = simulate_system("oscillator", 1000, rng)
    assert match_system(path).system == "oscillator"
    assert match_system(rng.permutation(path)).system == "unknown"


def test_the_period_of_an_oscillator_is_reported() -> None:
    angle = 2 * np.pi / 25
    step = 0.995 * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    rng, state, path = np.random.default_rng(1), np.zeros(2), np.zeros((2000, 2))
    for row in range(len(path)):
        state = step @ state + rng.standard_normal(2)
        path[row] = state
    assert match_system(path).periods_samples[0] == pytest.approx(25, rel=0.1)


def test_missing_values_are_refused() -> None:
    path = np.random.default_rng(0).standard_normal((300, 2))
    path[5, 1] = np.nan
    with pytest.raises(AnalysisError, match="missing"):
        match_system(path)
