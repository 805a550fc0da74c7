"""The e-detector keeps its average run length under the clean law and finds a change soon."""

import numpy as np
import pytest

from industriverse.eil.edetector import EDetector, e_value
from industriverse.eil.errors import CalibrationError


def test_evidence_has_mean_one_at_most_under_the_clean_law() -> None:
    # In closed form each kappa contributes exactly 1 over uniform p; bounded below 1 on the grid of a finite sample.
    grid = np.arange(1, 100_001) / 100_001
    assert np.mean([e_value(float(p)) for p in grid]) <= 1.0


def test_the_run_length_on_clean_blocks_is_at_least_what_was_asked() -> None:
    generator = np.random.default_rng(0)
    asked, alarms, blocks = 50.0, 0, 0
    for _ in range(40):
        detector = EDetector(generator.normal(size=400), asked)
        alarms += sum(detector.feed(float(x)) for x in generator.normal(size=1000))
        blocks += 1000
    assert blocks / max(alarms, 1) >= asked


def test_a_change_is_found_within_few_blocks() -> None:
    generator = np.random.default_rng(1)
    detector = EDetector(generator.normal(size=500), 100.0)
    assert any(detector.feed(float(x)) for x in 4.0 + generator.normal(size=5))


@pytest.mark.parametrize(("count", "length"), [(0, 10.0), (10, 0.5), (10, float("nan"))])
def test_no_clean_block_or_a_senseless_run_length_is_refused(count: int, length: float) -> None:
    with pytest.raises(CalibrationError):
        EDetector(np.zeros(count), length)
