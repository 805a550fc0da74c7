"""The nvp toolset: where a stream, a field or a telemetry graph goes next."""

import asyncio
import time
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import Cost, count_steps
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.examples import nvp as examples
from industriverse.operations.forecasting import StreamForecast, forecast_stream
from industriverse.operations.forecasting_fields import (
    FieldRequest,
    decoded,
    encoded,
    forecast_field,
    forecast_graph,
)
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.times import time_text

__all__ = [
    "ChannelForecast",
    "FieldCertificate",
    "FieldInput",
    "ForecastInput",
    "ForecastOutput",
    "GraphInput",
    "nvp_forecast",
]

MOST_CHANNELS = 40
CHANNELS_IN_SUMMARY = 3


class FieldInput(OperationInput):
    """A field of which the equation is known: heat, burgers, navier_stokes, shallow_water and others."""

    domain: str = Field(description="Equation; an unknown one lists them")
    frames: str | list[Any] = Field(
        description="Oldest first, (time, channels, n, n): nested lists, or base64 of little-endian float32"
    )
    shape: list[int] | None = Field(default=None, description="Shape of base64 frames")
    frame_s: float = Field(gt=0, description="Seconds between frames")
    horizon: int = Field(default=1, ge=1, le=200, description="Frames ahead")
    length: float = Field(default=1.0, gt=0, description="Side, m")
    boundary: Literal["periodic", "wall"] = "periodic"
    coefficients: dict[str, float] = Field(default_factory=dict)
    static: dict[str, Any] = Field(default_factory=dict, description="Media, (n, n) each, as frames")
    infer: list[str] = Field(default_factory=list, description="Coefficients to read from the frames")
    members: int = Field(default=0, ge=0, le=64, description="Ensemble for a 90 % band; 0 for none")
    seed: int = Field(default=0, ge=0)


class GraphInput(OperationInput):
    """Stocks (bytes queued, sessions, joules) on the nodes of a telemetry graph."""

    links: list[tuple[int, int]]
    stocks: list[list[float]] = Field(description="(frames + 1, nodes), oldest first")
    exchange: list[list[float]] = Field(description="Metered exchange, (frames, nodes)")
    horizon: int = Field(default=1, ge=1, le=200)


class ForecastInput(OperationInput):
    """What to forecast: one of stream, field and graph."""

    stream: str | None = Field(default=None, description="Name of a stream with a reference")
    field: FieldInput | None = Field(default=None, description="Frames of a field of a known equation")
    graph: GraphInput | None = Field(default=None, description="Stocks on a telemetry graph")
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


class FieldCertificate(BaseModel):
    """What a forecast of a field proves about itself; infinite and absent figures are null."""

    valid: bool
    energy_fidelity: float | None
    second_law: bool | None
    entropy_name: str
    courant: float
    error_estimate: float | None
    residuals: dict[str, float]
    coefficients: dict[str, float]
    coefficient_errors: dict[str, float]
    band: str | None = Field(default=None, description="How the band was calibrated; null without one")
    band_errors: int | None = None


class ForecastOutput(BaseModel):
    """A forecast; of a stream its last step, of a field or a graph every frame."""

    # An output is read by programs too: what does not apply is null.
    model_config = ConfigDict(extra="forbid")

    stream: str | None = None
    time: str | None = None
    horizon_hours: float | None = None
    track: str
    coverage: float | None = None
    measured_coverage: float | None = None
    skill_over_persistence: float | None = None
    abstained: bool
    reason: str
    channels: list[ChannelForecast] = Field(default_factory=list)
    residuals: dict[str, float] = Field(default_factory=dict)
    certificate: FieldCertificate | None = None
    shape: list[int] | None = None
    mean: str | None = Field(default=None, description="Base64 of little-endian float32, of the shape")
    lower: str | None = None
    upper: str | None = None
    elapsed_ms: float | None = None
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


def _field_output(request: FieldInput, found: Any, elapsed_ms: float) -> ForecastOutput:
    certificate = found.certificate
    mean = found.mean[:, 0].numpy()
    last = found.mean[-1, 0]
    valid = bool(certificate.valid)
    fidelity = certificate.energy_fidelity
    told = "an open system" if fidelity is None else f"energy fidelity {fidelity:.9f}"
    tried = ", ".join(f"{name} {value:.2g}" for name, value in certificate.residuals.items())
    return ForecastOutput(
        track=found.track,
        abstained=not valid,
        reason="" if valid else "the certificate does not hold: see its figures",
        residuals=dict(certificate.residuals),
        certificate=FieldCertificate(
            valid=valid,
            energy_fidelity=fidelity,
            second_law=certificate.second_law,
            entropy_name=certificate.entropy_name,
            courant=certificate.courant,
            error_estimate=_finite(certificate.error_estimate),
            residuals=dict(certificate.residuals),
            coefficients=dict(certificate.coefficients),
            coefficient_errors=dict(certificate.coefficient_errors),
            band=None if certificate.band is None else certificate.band.text,
            band_errors=None if certificate.band is None else certificate.band.errors,
        ),
        shape=list(mean.shape),
        mean=encoded(mean),
        lower=None if found.lower is None else encoded(found.lower[:, 0].numpy()),
        upper=None if found.upper is None else encoded(found.upper[:, 0].numpy()),
        coverage=None if certificate.band is None else certificate.band.level,
        elapsed_ms=elapsed_ms,
        summary=(
            f"{request.domain}, {request.horizon} frames ahead by track {found.track!r}"
            + (f" (one-frame misses: {tried})" if tried else " (one frame: nothing to choose by)")
            + f": {told}, {'valid' if valid else 'NOT valid'}; values now {float(last.min()):.4g} to "
            f"{float(last.max()):.4g} at the end"
        ),
    )


async def _forecast_field(request: FieldInput, context: OperationContext) -> ForecastOutput:
    loop = asyncio.get_running_loop()
    told: set[asyncio.Future[None]] = set()

    def progress(done: int, total: int) -> None:
        # From the computing thread; a report is dropped rather than waited for.
        report = context.progress(float(done), float(total), f"frame {done} of {total}")
        loop.call_soon_threadsafe(lambda: told.add(asyncio.ensure_future(report)))

    started = time.perf_counter()
    frames = decoded("field.frames", request.frames, request.shape)
    field = FieldRequest(
        frames,
        request.domain,
        request.frame_s,
        request.length,
        request.boundary,
        request.coefficients,
        {
            name: decoded(f"field.static.{name}", values, (request.shape or [])[-2:])
            for name, values in request.static.items()
        },
        tuple(request.infer),
        request.horizon,
        request.members,
        request.seed,
    )
    found = await asyncio.to_thread(forecast_field, field, progress)
    count_steps(len(frames) + max(1, request.members) * len(found.mean))
    await asyncio.gather(*told)
    return _field_output(request, found, 1e3 * (time.perf_counter() - started))


async def _forecast_graph(request: GraphInput, context: OperationContext) -> ForecastOutput:
    await context.progress(0.0, 1.0, "fitting stock and flow")
    started = time.perf_counter()
    stocks = decoded("graph.stocks", request.stocks, None)
    found = await asyncio.to_thread(
        forecast_graph,
        request.links,
        stocks,
        decoded("graph.exchange", request.exchange, None),
        request.horizon,
    )
    count_steps(len(stocks) + len(found.mean))
    balance = "" if found.balance is None else f", balance kept to {found.balance:.1e} of the stock"
    return ForecastOutput(
        track=found.track,
        abstained=False,
        reason="",
        residuals=found.residuals,
        shape=list(found.mean.shape),
        mean=encoded(found.mean),
        elapsed_ms=1e3 * (time.perf_counter() - started),
        summary=(
            f"{found.mean.shape[1]} nodes, {request.horizon} frames ahead by track {found.track!r} (one-frame "
            f"misses: {', '.join(f'{k} {v:.3g}' for k, v in found.residuals.items())}){balance}"
        ),
    )


@operation(
    "nvp_forecast",
    toolset="nvp",
    scope="forecast",
    title="Forecast a stream, field or graph",
    task=True,
    read_only=True,
    cost=Cost(1_000, "horizon_hours", 12.0),
    default_on=True,
    examples=examples.FORECAST,
)
async def nvp_forecast(request: ForecastInput, context: OperationContext) -> ForecastOutput:
    """Forecast a stream with 90 % intervals (it abstains where it is no better than persistence), a field or a graph.

    Raises:
        InvalidArgumentsError: If not exactly one of stream, field and graph is given.
        NotFoundError: If there is no such stream or nothing was learned from it.
        ForecastError: If the clean rows are too few for the horizon.
        FieldError: If a field or coefficient is not admissible; the range that is stands in it.
    """
    given = [name for name in ("stream", "field", "graph") if getattr(request, name) is not None]
    if len(given) != 1:
        raise InvalidArgumentsError(
            f"{' and '.join(given) or 'nothing'} given to forecast",
            hint="give one of stream, field and graph",
        )
    if request.field is not None:
        return await _forecast_field(request.field, context)
    if request.graph is not None:
        return await _forecast_graph(request.graph, context)
    assert request.stream is not None
    return await _forecast_stream(request.stream, request, context)


async def _forecast_stream(stream: str, request: ForecastInput, context: OperationContext) -> ForecastOutput:
    predicted = await context.platform.run(
        forecast_stream, context.platform.services, stream, request.horizon_hours
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
        stream=stream,
        time=time_text(int(predicted.timestamps_ns[-1])),
        horizon_hours=request.horizon_hours,
        track=forecast.track,
        coverage=forecast.coverage,
        measured_coverage=forecast.measured_coverage,
        skill_over_persistence=forecast.skill_over_persistence,
        abstained=forecast.abstained,
        reason=forecast.reason,
        channels=rows[:MOST_CHANNELS],
        summary=_summary(stream, request.horizon_hours, predicted),
    )
