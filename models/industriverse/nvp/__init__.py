"""NVP, Next Vector Prediction: forecasts with intervals."""

from industriverse.nvp.errors import ForecastError
from industriverse.nvp.forecast import VectorForecast
from industriverse.nvp.vector import VectorForecaster

__all__ = ["ForecastError", "VectorForecast", "VectorForecaster"]
