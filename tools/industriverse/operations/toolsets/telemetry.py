"""The telemetry toolset: samples from outside become part of a stream and are scored at once."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import Cost, count_steps
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.incidents import keep_found_tickets, keep_tickets
from industriverse.operations.quantities import unit_problem
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time, time_text
from industriverse.signals import Channel, ChannelKind, Frame

__all__ = ["ChannelSpec", "IngestInput", "IngestOutput", "telemetry_ingest"]

ROWS_LIMIT = 5_000
CHANNELS_LIMIT = 1_000


class ChannelSpec(BaseModel):
    """What one column measures."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=120, description="Unique in the stream")
    unit: str = Field(default="1", max_length=40, description="UCUM code, e.g. Cel, kPa, m3/s")
    kind: Literal["continuous", "counter", "gauge", "categorical", "event"] = "continuous"
    entity: str = Field(default="", max_length=120, description="Asset that it observes, e.g. pump-1")
    quantity: str = Field(default="", max_length=120, description="What is observed, e.g. flow")


class IngestInput(OperationInput):
    """Samples in the order of time."""

    stream: str = Field(min_length=1, max_length=80, description="Name of the stream; made if it is new")
    channels: list[ChannelSpec] = Field(
        min_length=1, max_length=CHANNELS_LIMIT, description="The columns, the same in every call"
    )
    times: list[str] = Field(
        min_length=1, max_length=ROWS_LIMIT, description="ISO 8601, one a row, increasing"
    )
    values: list[list[float | None]] = Field(
        min_length=1,
        max_length=ROWS_LIMIT,
        description="One row a time, one value a channel; null if missing",
    )


class IngestOutput(BaseModel):
    """What the stream holds now, and what its detector says of the newest sample."""

    stream: str
    new_samples: int
    last_time: str
    learned: bool
    alarm: bool | None
    free_energy_kt: float | None
    p_value: float | None
    tickets: list[str]

    def __str__(self) -> str:
        if self.alarm is None:
            state = "learn a reference with signal_compile" if not self.learned else "not scored yet"
        else:
            state = f"{'in alarm' if self.alarm else 'calm'}, free-energy excess {self.free_energy_kt:.2f} kT"
        return f"{self.stream}: {self.new_samples} new samples until {self.last_time}; {state}"


def _frame(request: IngestInput) -> Frame:
    width = len(request.channels)
    if len(request.times) != len(request.values):
        raise InvalidArgumentsError(
            f"values: {len(request.values)} rows for {len(request.times)} times",
            hint="send one row for each time",
        )
    for row, sample in enumerate(request.values):
        if len(sample) != width:
            raise InvalidArgumentsError(
                f"values: row {row} has {len(sample)} values for {width} channels",
                hint="send null for missing ones",
            )
    _refuse_impossible(request)
    latest = datetime.now(UTC).timestamp() * 1e9 + 366 * 86_400e9
    times = np.array([parse_time(text, "times") for text in request.times], dtype=np.int64)
    if times[-1] > latest:
        raise InvalidArgumentsError(
            f"times: {request.times[-1]:.40} is more than a year ahead", hint="send times in UTC, ISO 8601"
        )
    values = np.array([[np.nan if v is None else v for v in sample] for sample in request.values])
    channels = tuple(
        Channel(spec.name, spec.unit, ChannelKind(spec.kind), spec.entity, spec.quantity)
        for spec in request.channels
    )
    return Frame(times, values.reshape(len(times), width), channels)


def _refuse_impossible(request: IngestInput) -> None:
    for row, sample in enumerate(request.values):
        for spec, value in zip(request.channels, sample, strict=True):
            why = "" if value is None else unit_problem(spec.unit, value)
            if why:
                raise InvalidArgumentsError(
                    f"values: {spec.name[:60]} in row {row}: {why}", hint="check the unit, or send null"
                )


def _ingest(services: Services, request: IngestInput) -> IngestOutput:
    frame = _frame(request)
    ingested = services.streams.ingest(request.stream, frame)
    tickets = keep_tickets(services, request.stream, ingested.tickets)
    tickets += keep_found_tickets(services, request.stream)
    count_steps(max(1, ingested.new_samples))
    live = services.streams.live(request.stream)
    readings = None if live is None else live.readings
    last = None if readings is None or not len(readings) else readings[len(readings) - 1]
    return IngestOutput(
        stream=request.stream,
        new_samples=ingested.new_samples,
        last_time=time_text(int(frame.timestamps_ns[-1])),
        learned=live is not None,
        alarm=None if last is None else bool(last.alarm),
        free_energy_kt=None if last is None else float(last.free_energy),
        p_value=None if last is None else float(last.p_value),
        tickets=tickets,
    )


@operation(
    "telemetry_ingest",
    toolset="telemetry",
    scope="ingest",
    title="Send telemetry",
    idempotent=True,
    cost=Cost(base=1),
)
async def telemetry_ingest(request: IngestInput, context: OperationContext) -> IngestOutput:
    """Append samples to a stream and score them; samples that are there already change nothing.

    Raises:
        InvalidArgumentsError: If rows and channels do not fit, or a value cannot be one in its unit.
        OperationError: If the stream has other channels, or a sample is older than its last.
    """
    return await context.platform.run(_ingest, context.platform.services, request)
