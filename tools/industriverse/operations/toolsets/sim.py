"""The sim toolset: plants to practise on. Everything here is a simulation and says so."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import Cost, count_steps
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.examples import agents as examples
from industriverse.operations.incidents import keep_found_tickets, keep_tickets
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time, time_text

__all__ = ["AttackInput", "CreatePlant", "CurvePoint", "RunInput", "RunOutput", "Service", "sim_run"]

CHUNK_HOURS = 24.0
"""Simulated hours between two reports of progress."""

MOST_HOURS = 24 * 366
"""Longest life of a simulated plant."""

CURVE_POINTS = 120
"""Most points of the energy curve in one answer."""


class AttackInput(OperationInput):
    """An intruder's doing: a falsified level of tank 1 and a remote override of pump 335."""

    start_hour: float = Field(ge=0, le=MOST_HOURS, description="Simulated hour at which it begins")
    stop_hour: float | None = Field(
        default=None, ge=0, le=MOST_HOURS, description="Simulated hour at which it ends; never if absent"
    )
    spoof: Literal["freeze", "offset", "value", "replay", "none"] = Field(
        default="freeze", description="What is done to the reported level of tank 1"
    )
    spoof_m: float = Field(default=0.0, ge=-100, le=100, description="Offset or value of the spoof, m")
    wait_below_m: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="The intruder waits until tank 1 is really below this level, m",
    )
    override: Literal["closed", "open", "none"] = Field(
        default="closed", description="State forced on pump 335"
    )


class CreatePlant(OperationInput):
    """How a new plant is made; needed the first time only."""

    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Seed of demands and sensor noise")
    start: str = Field(default="2026-01-05T00:00:00Z", description="ISO 8601 time of the first sample")
    interval_s: Literal[60, 300, 600, 900, 1800, 3600] = Field(
        default=900, description="Seconds between samples"
    )
    attack: AttackInput | None = Field(default=None, description="What the intruder does; nothing if absent")


class RunInput(OperationInput):
    """Which plant, and until when it runs."""

    plant_id: str = Field(
        min_length=1, max_length=80, description="Name of the plant; also its stream's name"
    )
    until_hours: float = Field(
        ge=0, le=MOST_HOURS, description="Run until this many simulated hours since its start"
    )
    create: CreatePlant | None = Field(default=None, description="Make the plant if it does not exist")
    stop_on_ticket: bool = Field(default=False, description="Stop at the first sample that raises a ticket")
    curve_from_hours: float | None = Field(
        default=None, ge=0, description="Return the energy curve since this hour; since this call if absent"
    )


class CurvePoint(BaseModel):
    """One reading of the plant's stream."""

    hours: float
    free_energy_kt: float
    alarm: bool


class Service(BaseModel):
    """Water asked for and received by customers since the plant's start, m3."""

    requested_m3: float
    delivered_m3: float
    lost_m3: float
    last_hour_lost_m3: float
    spilled_m3: float


class RunOutput(BaseModel):
    """Where the simulated plant stands."""

    plant_id: str
    simulation: str
    time: str
    hours: float
    plant_hours: float = Field(description="Where the plant stands, beyond hours if it ran further before")
    samples_added: int
    tickets: list[str]
    curve: list[CurvePoint]
    service: Service
    attack_began_hours: float | None = Field(
        description="When the intruder struck, known only to a simulation"
    )

    def __str__(self) -> str:
        return (
            f"{self.simulation}: {self.plant_id} at hour {self.hours:.2f} ({self.time}), "
            f"{self.samples_added} new samples, {len(self.tickets)} new tickets, "
            f"{self.service.lost_m3:.0f} m3 of {self.service.requested_m3:.0f} m3 not delivered"
        )


def _create(services: Services, plant_id: str, create: CreatePlant) -> None:
    from industriverse.simulation import AttackSpec
    from industriverse.simulation.water_network import WaterNetworkSpec

    def step(hour: float) -> int:
        return round(hour * 3600 / create.interval_s)

    attack = None
    if create.attack is not None:
        given = create.attack
        attack = AttackSpec(
            start_step=step(given.start_hour),
            stop_step=None if given.stop_hour is None else step(given.stop_hour),
            spoof=given.spoof,
            spoof_m=given.spoof_m,
            override=given.override,
            wait_below_m=given.wait_below_m,
        )
    start_ns = parse_time(create.start, "create.start")
    services.plants.create(plant_id, WaterNetworkSpec(create.seed, start_ns, attack, create.interval_s))


def _catch_up(services: Services, plant_id: str) -> tuple[int, list[str]]:
    """Do what a process left undone when it ended: samples not sent to the stream, tickets not kept."""
    plant, streams = services.plants.find(plant_id), services.streams
    known = streams.store.count(plant_id) if plant_id in streams.store.names() else 0
    added = 0
    if known < plant.step:
        added = streams.ingest(plant_id, plant.telemetry(known)).new_samples
    return added, keep_found_tickets(services, plant_id) if plant.step else []


def _advance(
    services: Services, plant_id: str, until_step: int, *, stop_on_ticket: bool
) -> tuple[int, list[str]]:
    """Run a plant to a step and send its telemetry to its stream."""
    plant = services.plants.find(plant_id)
    added = 0
    tickets: list[str] = []
    while plant.step < until_step and not (stop_on_ticket and tickets):
        steps = 1 if stop_on_ticket else until_step - plant.step
        count_steps(steps)
        ingested = services.streams.ingest(plant_id, services.challenges.advance(plant_id, steps))
        added += ingested.new_samples
        tickets += keep_tickets(services, plant_id, ingested.tickets)
    return added, tickets


def _curve(services: Services, plant_id: str, first_step: int) -> list[CurvePoint]:
    """Readings since a step, at most CURVE_POINTS of them: of each stretch the one with the largest excess."""
    live = services.streams.live(plant_id)
    readings = None if live is None else live.readings
    if readings is None:
        return []
    plant = services.plants.find(plant_id)
    steps = np.round((readings.timestamps_ns - plant.spec.start_ns) / (plant.interval_s * 1e9)).astype(int)
    rows = np.flatnonzero(steps >= first_step)
    if not rows.size:
        return []
    stretches = np.array_split(rows, min(CURVE_POINTS, rows.size))
    peaks = [int(stretch[np.argmax(readings.free_energy[stretch])]) for stretch in stretches]
    return [
        CurvePoint(
            hours=float((steps[row] + 1) * plant.interval_s / 3600),
            free_energy_kt=float(readings.free_energy[row]),
            alarm=bool(readings.alarm[stretch].any()),
        )
        for row, stretch in zip(peaks, stretches, strict=True)
    ]


def _output(
    services: Services, plant_id: str, first_step: int, until_step: int, added: int, tickets: list[str]
) -> RunOutput:
    plant = services.plants.find(plant_id)
    step = min(plant.step, until_step)
    total = plant.service()
    last_hour = plant.service(max(0, plant.step - round(3600 / plant.interval_s)))
    began = plant.attack_began_step
    sample_ns = plant.spec.start_ns + round(max(0, step - 1) * plant.interval_s * 1e9)
    return RunOutput(
        plant_id=plant_id,
        simulation=plant.name,
        time=time_text(sample_ns),
        hours=step * plant.interval_s / 3600,
        plant_hours=plant.step * plant.interval_s / 3600,
        samples_added=added,
        tickets=tickets,
        curve=_curve(services, plant_id, first_step),
        service=Service(
            requested_m3=total.requested,
            delivered_m3=total.delivered,
            lost_m3=total.lost,
            last_hour_lost_m3=last_hour.lost,
            spilled_m3=total.wasted,
        ),
        attack_began_hours=None if began is None else began * plant.interval_s / 3600,
    )


@operation(
    "sim_run",
    toolset="sim",
    scope="simulate",
    title="Run a simulated plant",
    task=True,
    idempotent=True,
    examples=examples.SIMULATE,
    cost=Cost(10, "until_hours", 12.0),
)
async def sim_run(request: RunInput, context: OperationContext) -> RunOutput:
    """Run a SIMULATED water network until an hour; its telemetry becomes a stream of the same name.

    Running until an hour that has passed changes nothing.

    Raises:
        NotFoundError: If the plant does not exist and is not created.
        JournalError: If it exists with another specification.
    """
    services, run = context.platform.services, context.platform.run
    if request.create is not None:
        await run(_create, services, request.plant_id, request.create)
    plant = await run(lambda: services.plants.find(request.plant_id))
    steps_per_hour = 3600 / plant.interval_s
    until_step = round(request.until_hours * steps_per_hour)
    if until_step < 1:
        raise InvalidArgumentsError(
            f"until_hours: {request.until_hours} is before the first sample",
            hint=f"give at least {plant.interval_s / 3600:g}",
        )
    first_step = min(plant.step, until_step)
    if request.curve_from_hours is not None:
        first_step = round(request.curve_from_hours * steps_per_hour)
    added, tickets = await run(_catch_up, services, request.plant_id)
    while plant.step < until_step and not (request.stop_on_ticket and tickets):
        target = min(until_step, plant.step + round(CHUNK_HOURS * steps_per_hour))
        more, raised = await run(
            _advance, services, request.plant_id, target, stop_on_ticket=request.stop_on_ticket
        )
        added, tickets = added + more, tickets + raised
        hours = plant.step / steps_per_hour
        await context.progress(hours, request.until_hours, f"simulated hour {hours:.0f}")
    return await run(_output, services, request.plant_id, first_step, until_step, added, tickets)
