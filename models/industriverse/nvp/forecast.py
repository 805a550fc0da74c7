"""What a forecast of vectors says, and whether to believe it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["VectorForecast"]


@dataclass(frozen=True, slots=True, eq=False)
class VectorForecast:
    """A forecast of d channels over h steps.

    Attributes:
        mean: Shape (h, d). NaN for channels that had no data to learn from.
        lower: Lower end of the interval, shape (h, d).
        upper: Upper end of the interval, shape (h, d).
        coverage: Promised share of outcomes inside the interval, channel by channel and step by step.
        measured_coverage: Share found inside on held-out data over the same steps.
        order: Number of past samples used.
        residual_sd: Standard deviation of the one-step error on calibration data, shape (d,).
        skill_over_persistence: 1 - RMSE / RMSE of "stays as it is", on held-out data, channels scaled to unit
            variance and pooled over the h steps. 0 is no better, 1 is perfect.
        abstained: Whether the forecaster advises against using this forecast.
        reason: Why it abstains, empty if it does not.
        track: Name of the method.
    """

    mean: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    coverage: float
    measured_coverage: float
    order: int
    residual_sd: NDArray[np.float64]
    skill_over_persistence: float
    abstained: bool
    reason: str
    track: str = "vector"
