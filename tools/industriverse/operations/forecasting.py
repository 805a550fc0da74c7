"""Forecasts of a stream: what follows its latest samples, and whether the free energy stays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.nvp.forecast import VectorForecast
from industriverse.nvp.vector import VectorForecaster
from industriverse.operations.costs import count_steps
from industriverse.operations.errors import InvalidArgumentsError, OperationError
from industriverse.operations.services import Services
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["StreamForecast", "forecast_stream"]

COVERAGE = 0.9
SECONDS_PER_DAY = 86_400.0
MOST_FIT_ROWS = 6_000
"""Latest clean rows that a forecast is learned from; more of them changed no skill and only took longer."""

HISTORY_ROWS = 64
"""More than any order that the forecaster chooses from."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamForecast:
    """A forecast with the times and channels that it is about.

    Attributes:
        names: Channel names, one a column.
        units: UCUM codes, one a column.
        last: Latest value of each channel, shape (d,).
        timestamps_ns: Times of the forecast steps, shape (h,).
        forecast: Means and intervals, shape (h, d) each.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    last: NDArray[np.float64]
    timestamps_ns: NDArray[np.int64]
    forecast: VectorForecast


def forecast_stream(services: Services, stream: str, horizon_hours: float) -> StreamForecast:
    """Fit on the clean rows of a stream and forecast from its latest samples.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        InvalidArgumentsError: If the horizon is shorter than one sample.
        ForecastError: If the clean rows are too few for the horizon.
    """
    live = services.streams.watched(stream)
    interval_s = live.reference.interval_s
    horizon = round(horizon_hours * 3600 / interval_s)
    if horizon < 1:
        raise InvalidArgumentsError(
            f"horizon_hours: {horizon_hours} is less than one sample",
            hint=f"give at least {interval_s / 3600:g}",
        )
    frame = services.streams.store.frame(stream)
    clean_rows = live.reference.clean_rows
    if len(frame) < clean_rows:
        raise OperationError(
            f"stream {stream!r} lost samples that its reference was learned from", hint="learn again"
        )
    first = max(0, clean_rows - MOST_FIT_ROWS)
    count_steps(clean_rows - first + horizon)
    forecaster = VectorForecaster.fit(
        frame.values[first:clean_rows],
        coverage=COVERAGE,
        max_horizon=horizon,
        period=SECONDS_PER_DAY / interval_s,
    )
    start = max(0, len(frame) - HISTORY_ROWS)
    forecast = forecaster.forecast(frame.values[start:], horizon, start=start - first)
    steps = np.arange(1, horizon + 1) * round(interval_s * NANOSECONDS_PER_SECOND)
    return StreamForecast(
        names=frame.names,
        units=tuple(channel.unit for channel in frame.channels),
        last=frame.values[-1],
        timestamps_ns=frame.timestamps_ns[-1] + steps,
        forecast=forecast,
    )
