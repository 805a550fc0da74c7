"""A window is given the name of the noise that made it, and no name where none fits."""

import numpy as np
import pytest

from industriverse.shield.errors import AnalysisError
from industriverse.shield.isomorphism.generators import GENERATORS, generate_noise
from industriverse.shield.isomorphism.noise_profiles import NoiseProfile, identify_noise


@pytest.mark.parametrize("profile", list(GENERATORS))
def test_most_windows_of_a_profile_are_recognised(profile: NoiseProfile) -> None:
    rng = np.random.default_rng(2024)
    named = [identify_noise(generate_noise(profile, 512, rng)).profile for _ in range(10)]
    assert named.count(profile) >= 8, named


def test_no_answer_is_given_more_often_than_its_noise_occurs() -> None:
    # A classifier that always says one thing would pass the test above for that thing alone.
    rng = np.random.default_rng(7)
    named = [
        identify_noise(generate_noise(profile, 512, rng)).profile for profile in GENERATORS for _ in range(4)
    ]
    assert max(named.count(name) for name in set(named)) <= 8
    assert len(set(named)) >= len(GENERATORS)


def test_a_recording_of_the_clean_rows_is_a_replay_and_its_shuffle_is_not() -> None:
    rng = np.random.default_rng(3)
    earlier, window = rng.standard_normal(400), rng.standard_normal(300)
    window[100:180] = earlier[50:130]
    found = identify_noise(window, clean=earlier)
    assert found.profile is NoiseProfile.REPLAYED
    assert "80 readings" in found.reason
    window[100:180] = rng.permutation(window[100:180])
    assert identify_noise(window, clean=earlier).profile is NoiseProfile.WHITE


def test_a_chirp_fits_no_shape_of_the_library() -> None:
    rows = np.arange(2048.0)
    assert identify_noise(np.sin(1e-4 * rows**2) + 1e-3 * rows).profile is NoiseProfile.UNKNOWN


@pytest.mark.parametrize("bad", [np.zeros(20), np.zeros((200, 2)), np.full(300, np.inf)])
def test_a_window_that_cannot_be_judged_is_refused_with_the_reason(bad: np.ndarray) -> None:
    with pytest.raises(AnalysisError, match=r"signal h(as|olds)"):
        identify_noise(bad)
