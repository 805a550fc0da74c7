"""Errors of Next Vector Prediction."""

from industriverse.physics.errors import IndustriverseError

__all__ = ["ForecastError"]


class ForecastError(IndustriverseError):
    """A forecaster cannot be fitted or asked as requested; the message names the argument."""
