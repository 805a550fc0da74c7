"""Streams of known make."""

import numpy as np
import pytest

from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame


def frame_of(values: np.ndarray, *, interval_s: float = 60.0, first: int = 0) -> Frame:
    """A frame of channels c0, c1, … at equal intervals."""
    times = (first + np.arange(len(values))) * round(interval_s * NANOSECONDS_PER_SECOND)
    return Frame(times, values, tuple(Channel(f"c{j}") for j in range(values.shape[1])))


def plant_values(rows: int, seed: int) -> np.ndarray:
    """Two inflows, an outflow that is their sum, a level that follows, and two sensors of one pressure."""
    rng = np.random.default_rng(seed)
    drive = np.zeros((rows, 3))
    for row in range(1, rows):
        drive[row] = 0.95 * drive[row - 1] + 0.3 * rng.standard_normal(3)
    first, second, pressure = 10 + drive[:, 0], 20 + drive[:, 1], 5 + drive[:, 2]
    noise = 0.03 * rng.standard_normal((rows, 5))
    columns = np.stack([first, second, first + second, pressure, 2.0 * pressure], axis=1)
    return np.asarray(columns + noise)


@pytest.fixture(scope="session")
def clean() -> Frame:
    """Clean rows of the small plant."""
    return frame_of(plant_values(1500, 1))


@pytest.fixture
def later() -> Frame:
    """Rows that follow the clean ones, clean as well."""
    return frame_of(plant_values(2100, 1), interval_s=60.0).rows(1500)
