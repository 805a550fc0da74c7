"""Where a simulated plant goes under a set of commands, as its operator's model sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from industriverse.operations.costs import count_steps
from industriverse.operations.errors import OperationError
from industriverse.operations.services import Services
from industriverse.shield.plan import CommandCandidate, RolloutOutcome
from industriverse.shield.responder import ActuatorCommand
from industriverse.signals import Frame
from industriverse.simulation import Command, CommandSpec
from industriverse.simulation.journaled_plant import JournaledPlant
from industriverse.simulation.twin import WaterNetworkTwin

__all__ = ["HORIZON_HOURS", "PlantActuator", "TwinForecast", "candidates_of", "distrusted_levels"]

HORIZON_HOURS = 48.0
"""Two cycles of demand: one to settle, one to see where the plant has settled."""

SETTLING_HOURS = 24.0
"""Excess during these is the way back, which every good plan has to go; it says nothing about where it leads."""

EVIDENCE_HOURS = 24.0
"""Telemetry from which the operator's model takes the tank levels."""

CLEAN_LOOKS = 60
"""Stretches of clean telemetry that show how far sensors of one tank ordinarily are apart."""

DISTRUST_FACTOR = 2.0
"""Times the largest ordinary contradiction from which a sensor is not believed."""

LOSS_UNIT = "m3"


class PlantActuator:
    """Carries the responder's commands out on a simulated plant."""

    def __init__(self, plant: JournaledPlant) -> None:
        self._plant = plant

    def apply(self, command: ActuatorCommand) -> None:
        """Apply a command; a known id changes nothing."""
        self._plant.apply(Command(command.id, command.verb, command.target, command.value))

    def revert(self, command_id: str) -> None:
        """Take a command back; one that was never applied has nothing to take back."""
        if any(command.id == command_id for command in self._plant.active_commands()):
            self._plant.revert(command_id)


def _settings(spec: CommandSpec) -> tuple[float | str | None, ...]:
    if spec.values:
        return spec.values
    return (None,) if spec.minimum is None else (spec.minimum,)


def candidates_of(plant: JournaledPlant) -> tuple[CommandCandidate, ...]:
    """Everything that the plant can still be told to do, each setting a candidate."""
    active = {(command.verb, command.target, command.value) for command in plant.active_commands()}
    return tuple(
        CommandCandidate(
            verb=spec.verb,
            target=spec.target,
            value=value,
            entity=spec.entity,
            description=spec.description,
            reversible=spec.reversible,
            cost=spec.cost,
            reversal=spec.reversal,
        )
        for spec in plant.commands()
        for value in _settings(spec)
        if (spec.verb, spec.target, value) not in active
    )


def _contradiction(frame: Frame, name: str, twin: WaterNetworkTwin) -> float:
    """How far a level sensor is from the level that flow and pressure at its own tank tell, m."""
    estimate = twin.estimate_levels(frame, {name})
    return abs(float(frame.column(name)[-1]) - estimate.levels_m[name.removesuffix(".level")])


def distrusted_levels(frame: Frame, clean: Frame, twin: WaterNetworkTwin) -> frozenset[str]:
    """Level sensors that contradict flow and pressure at their own tank more than they ever did when clean.

    Args:
        frame: Latest telemetry.
        clean: Clean telemetry; contradictions at the ends of CLEAN_LOOKS stretches of it are the yardstick.
        twin: The operator's model.
    """
    length = len(frame)
    stops = np.linspace(length, len(clean), CLEAN_LOOKS).astype(int)
    distrusted = set()
    for name in (name for name in frame.names if name.endswith(".level")):
        ordinary = max(_contradiction(clean.rows(stop - length, stop), name, twin) for stop in stops)
        if _contradiction(frame, name, twin) > DISTRUST_FACTOR * ordinary:
            distrusted.add(name)
    return frozenset(distrusted)


@dataclass(frozen=True, slots=True)
class TwinForecast:
    """Forecasts sets of commands for one plant from its latest telemetry.

    Attributes:
        services: Stores; the detector of the stream measures the predicted telemetry.
        plant: The plant, of which only telemetry and active commands are looked at.
        frame: Its latest telemetry.
        distrusted: Sensors that are not believed.
    """

    services: Services
    plant: JournaledPlant
    frame: Frame
    distrusted: frozenset[str]
    twin: WaterNetworkTwin

    @staticmethod
    def of(services: Services, stream: str) -> "TwinForecast":
        """A forecast from the latest telemetry of a stream.

        Raises:
            OperationError: If no simulated plant is behind the stream.
        """
        if not services.plants.exists(stream):
            raise OperationError(
                f"stream {stream!r} has no actuators that this platform can reach",
                hint="plans exist for simulated plants; respond by hand and record it",
            )
        plant = services.plants.find(stream)
        rows = round(EVIDENCE_HOURS * 3600 / plant.interval_s)
        frame = services.streams.store.frame(stream, last=rows)
        clean = services.streams.store.frame(stream).rows(
            0, services.streams.watched(stream).reference.clean_rows
        )
        twin = WaterNetworkTwin(interval_s=round(plant.interval_s))
        return TwinForecast(services, plant, frame, distrusted_levels(frame, clean, twin), twin)

    def __call__(self, commands: Sequence[CommandCandidate]) -> RolloutOutcome:
        """What follows from commands in force from now on.

        The loss is the water that customers ask for and do not get, and the water that full tanks spill. The
        model has no sensor noise, so of the free-energy excess only the work part is meaningful: it is the
        part that displaced means cause.
        """
        ordered = [
            Command(f"candidate-{position}", candidate.verb, candidate.target, candidate.value)
            for position, candidate in enumerate(commands)
        ]
        rollout = self.twin.predict_from(
            self.frame,
            hours=HORIZON_HOURS,
            distrusted=self.distrusted,
            commands=[*self.plant.active_commands(), *ordered],
        )
        count_steps(len(rollout.frame))
        live = self.services.streams.watched(self.plant_id)
        settled = round(SETTLING_HOURS * 3600 / self.plant.interval_s)
        return RolloutOutcome(
            free_energy_excess_kt=live.expected_work_kt(rollout.frame, from_row=settled),
            loss=rollout.service.lost_m3 + rollout.service.overflow_m3,
            loss_unit=LOSS_UNIT,
        )

    @property
    def plant_id(self) -> str:
        """Id of the plant, which is the name of its stream."""
        return self.plant.plant_id
