"""The nvp toolset: where a stream goes next, with intervals."""

import numpy as np
from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import Cost
from industriverse.operations.examples import nvp as examples
from industriverse.operations.forecasting import StreamForecast, forecast_stream
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.times import time_text

__all__ = ["ChannelForecast", "ForecastInput", "ForecastOutput", "nvp_forecast"]

MOST_CHANNELS = 40
CHANNELS_IN_SUMMARY = 3


class ForecastInput(OperationInput):
    """What to forecast."""

    stream: str = Field(description="Name of a stream with a reference")
    horizon_hours: float = Field(default=6.0, gt=0, le=48, description="How far ahead, hours")
    channels: list[str] | None = Field(default=None, description="Only these channels; all if absent")


class ChannelForecast(BaseModel):
    """One channel at the end of the horizon, with the interval that holds it with the stated coverage."""

    channel: str
    unit: str
    latest: float | None
    mean: float | None
    lower: float | None
    upper: float | None


class ForecastOutput(BaseModel):
    """A forecast by a ridge vector autoregression learned from the clean rows."""

    stream: str
    time: str
    horizon_hours: float
    track: str
    coverage: float
    measured_coverage: float
    skill_over_persistence: float
    abstained: bool
    reason: str
    channels: list[ChannelForecast]
    summary: str

    def __str__(self) -> str:
        return self.summary


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _summary(stream: str, hours: float, predicted: StreamForecast) -> str:
    forecast = predicted.forecast
    if forecast.abstained:
        return f"no forecast of {stream} worth giving: {forecast.reason}"
    half_width = (forecast.upper[-1] - forecast.lower[-1]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(forecast.mean[-1] - predicted.last) / half_width
    order = np.argsort(-np.nan_to_num(change, nan=0.0, posinf=0.0))[:CHANNELS_IN_SUMMARY]
    moves = ", ".join(
        f"{predicted.names[i]} {predicted.last[i]:.4g} -> {forecast.mean[-1, i]:.4g} {predicted.units[i]}"
        for i in order
    )
    return (
        f"in {hours:g} h, if the clean dynamics hold: {moves} (skill over persistence "
        f"{forecast.skill_over_persistence:.2f}, measured coverage {forecast.measured_coverage:.2f} of "
        f"{forecast.coverage:.2f})"
    )


@operation(
    "nvp_forecast",
    toolset="nvp",
    scope="forecast",
    title="Forecast a stream",
    task=True,
    read_only=True,
    cost=Cost(1_000, "horizon_hours", 12.0),
    default_on=True,
    examples=examples.FORECAST,
)
async def nvp_forecast(request: ForecastInput, context: OperationContext) -> ForecastOutput:
    """Forecast a stream from its latest samples with 90 % intervals; abstains where it is no better than persistence.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        ForecastError: If the clean rows are too few for the horizon.
    """
    predicted = await context.platform.run(
        forecast_stream, context.platform.services, request.stream, request.horizon_hours
    )
    forecast = predicted.forecast
    wanted = set(request.channels or predicted.names)
    rows = [
        ChannelForecast(
            channel=name,
            unit=predicted.units[i],
            latest=_finite(predicted.last[i]),
            mean=_finite(forecast.mean[-1, i]),
            lower=_finite(forecast.lower[-1, i]),
            upper=_finite(forecast.upper[-1, i]),
        )
        for i, name in enumerate(predicted.names)
        if name in wanted
    ]
    return ForecastOutput(
        stream=request.stream,
        time=time_text(int(predicted.timestamps_ns[-1])),
        horizon_hours=request.horizon_hours,
        track=forecast.track,
        coverage=forecast.coverage,
        measured_coverage=forecast.measured_coverage,
        skill_over_persistence=forecast.skill_over_persistence,
        abstained=forecast.abstained,
        reason=forecast.reason,
        channels=rows[:MOST_CHANNELS],
        summary=_summary(request.stream, request.horizon_hours, predicted),
    )
