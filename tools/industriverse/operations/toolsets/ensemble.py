"""Fields to be forecast, and forecasts that come with the measurements by which they can be questioned."""

import math
from typing import Any, Literal

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import count_steps
from industriverse.operations.ensembling import (
    EnsembleSettings,
    Measured,
    measure_field,
    measure_stream,
    store_field,
)
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.examples import nvp as examples
from industriverse.operations.registry import OperationInput, operation

__all__ = ["EnsembleInput", "EnsembleOutput", "FieldInput", "FieldOutput", "nvp_ensemble", "nvp_field"]


class FieldInput(OperationInput):
    """Recent frames of a field and the equation that it is held to obey."""

    domain: Literal[
        "advection_diffusion", "allen_cahn", "burgers", "cahn_hilliard", "heat", "navier_stokes"
    ] = Field(description="Equation; see docs/nvp.md")
    frames: list[list[list[list[float]]]] = Field(
        min_length=1, max_length=64, description="Frames, oldest first: frames x channels x cells x cells"
    )
    frame_s: float = Field(gt=0, le=1e9, description="Seconds between frames")
    length: float = Field(default=1.0, gt=0, le=1e9, description="Side of the square, m")
    boundary: Literal["periodic", "wall"] = Field(default="periodic", description="What happens at the rim")
    coefficients: dict[str, float] = Field(default={}, description="Coefficients of the equation by name")
    infer: list[str] = Field(default=[], max_length=8, description="Coefficients that the frames may correct")
    conductivity: float = Field(default=1.0, gt=0, le=1e9, description="For heat: conductivity, m2/s")


class FieldOutput(BaseModel):
    """Where the field is kept."""

    field_id: str
    domain: str
    frames: int

    def __str__(self) -> str:
        return f"field {self.field_id[:16]}: {self.frames} frames of {self.domain}"


class EnsembleInput(OperationInput):
    """What to forecast, and how it is computed."""

    field_id: str | None = Field(default=None, max_length=64, description="A field, from nvp_field")
    stream: str | None = Field(default=None, max_length=80, description="Or a stream with a reference")
    horizon_frames: int = Field(default=5, ge=1, le=100, description="For a field: frames ahead")
    horizon_hours: float = Field(default=6.0, gt=0, le=48, description="For a stream: hours ahead")
    channel: str | None = Field(default=None, description="For a stream: channel of the decision")
    limit: float | None = Field(default=None, description="Decision: is the forecast above this?")
    refinement: int = Field(default=1, ge=1, le=32, description="Multiple of the stable number of substeps")
    padding: float = Field(
        default=1.0, ge=1, le=3, description="Width of the product grid of spectral solvers"
    )
    members: int = Field(default=4, ge=2, le=32, description="Ensemble members")
    infer: list[str] = Field(default=[], max_length=8, description="Coefficients read from the frames")
    history_rows: int = Field(
        default=1500, ge=200, le=100_000, description="For a stream: rows a member learns"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Of the ensemble")
    with_values: bool = Field(default=False, description="Return the forecast itself, not only its summary")


class EnsembleOutput(BaseModel):
    """A forecast with its estimated error by source; errors relative to the spread of what is forecast."""

    error: float | None = Field(description="Estimated relative error; absent if it cannot be told")
    width: float = Field(description="Relative width of the central 90 % band")
    half_step_change: float
    resolution: float | None
    coefficient_change: float | None
    disagreement: float
    misfit: float | None
    balance_error: float | None
    second_law: bool | None
    entropy_produced: float | None
    above: float | None
    steps: int
    forecast_id: str
    summary: str
    remedies: list[str]
    field_values: list[list[list[float]]] | None = Field(description="channels x cells x cells")
    stream_values: dict[str, float] | None = Field(description="Mean by channel")

    def __str__(self) -> str:
        error = "unknown" if self.error is None else f"{self.error:.2%}"
        return f"{self.summary} (estimated error {error}, {self.steps} steps)"


@operation(
    "nvp_field",
    toolset="nvp",
    scope="forecast",
    title="Keep a field to be forecast",
    examples=examples.FIELD,
    idempotent=True,
)
async def nvp_field(request: FieldInput, context: OperationContext) -> FieldOutput:
    """Keep recent frames of a two-dimensional field and its equation; nvp_ensemble and agent_run forecast it.

    The same content gets the same id again.

    Raises:
        FieldError: If the equation does not admit a frame or a coefficient.
    """
    question = request.model_dump(mode="json")
    field_id = await context.platform.run(store_field, context.platform.services, question)
    return FieldOutput(field_id=field_id, domain=request.domain, frames=len(request.frames))


def _output(found: Measured, with_values: bool) -> EnsembleOutput:
    measured: dict[str, Any] = {
        name: getattr(found, name) for name in EnsembleOutput.model_fields if hasattr(found, name)
    }
    told = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in measured.items()
    }
    kept = found.values if with_values else None
    values = {
        "field_values": kept if isinstance(kept, list) else None,
        "stream_values": kept if isinstance(kept, dict) else None,
    }
    return EnsembleOutput.model_validate(told | values)


@operation(
    "nvp_ensemble",
    toolset="nvp",
    scope="forecast",
    title="Forecast with measurements",
    read_only=True,
    examples=examples.ENSEMBLE,
    cost=1_000,
)
async def nvp_ensemble(request: EnsembleInput, context: OperationContext) -> EnsembleOutput:
    """Forecast a field or a stream by an ensemble, with the error by source, the balance and the entropy.

    Raises:
        InvalidArgumentsError: If not exactly one of field_id and stream is given.
        NotFoundError: If there is no such field or stream.
    """
    if (request.field_id is None) == (request.stream is None):
        raise InvalidArgumentsError("field_id or stream: give exactly one", hint="nvp_field makes a field_id")
    settings = EnsembleSettings(
        request.refinement, request.padding, request.members, tuple(request.infer), request.history_rows
    )
    services, run = context.platform.services, context.platform.run
    if request.field_id is not None:
        found = await run(
            measure_field,
            services,
            request.field_id,
            request.horizon_frames,
            settings,
            limit=request.limit,
            seed=request.seed,
        )
    else:
        assert request.stream is not None
        found = await run(
            measure_stream,
            services,
            request.stream,
            request.horizon_hours,
            settings,
            channel=request.channel,
            limit=request.limit,
        )
    count_steps(found.steps)
    return _output(found, request.with_values)
