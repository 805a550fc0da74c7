"""Synthetic streams with known equilibrium, shared by the tests of the layer."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from industriverse.eil.detector import Detector
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

Array = NDArray[np.float64]
MakeFrame = Callable[..., Frame]


def vector_autoregression(rows: int, channels: int, seed: int) -> Array:
    """A stable, mildly coupled and irreversible VAR(1) with unit innovations, shape (rows, channels)."""
    generator = np.random.default_rng(seed)
    coupling = 0.6 * np.eye(channels) + 0.1 * np.roll(np.eye(channels), 1, axis=1)
    values = np.zeros((rows + 100, channels))
    for t in range(1, len(values)):
        values[t] = values[t - 1] @ coupling.T + generator.normal(size=channels)
    return values[100:]


def frame_of(values: Array, *, interval_s: float = 60.0, start_row: int = 0) -> Frame:
    step = round(interval_s * NANOSECONDS_PER_SECOND)
    times = (start_row + np.arange(len(values), dtype=np.int64)) * step
    return Frame(times, values, tuple(Channel(f"c{j}", unit="m") for j in range(values.shape[1])))


@pytest.fixture
def make_frame() -> MakeFrame:
    return frame_of


@pytest.fixture(scope="session")
def clean_stream() -> Frame:
    """6,000 clean rows of 6 channels, one a minute."""
    return frame_of(vector_autoregression(6000, 6, seed=1))


@pytest.fixture(scope="session")
def fitted(clean_stream: Frame) -> Detector:
    """Fitted on the first 3,000 rows; take ``Detector.from_reference(fitted.reference)`` to score."""
    return Detector(budget_per_day=2.0).fit(clean_stream.rows(0, 3000))
