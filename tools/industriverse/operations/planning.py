"""Where a simulated plant goes under a set of commands, as its operator's model sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from industriverse.operations.costs import count_steps
from industriverse.operations.errors import OperationError
from industriverse.operations.services import Services
from industriverse.shield.plan import CommandCandidate, RolloutOutcome
from industriverse.shield.responder import ActuatorCommand
from industriverse.simulation import Command, CommandSpec
from industriverse.simulation.catalogue import make_operator
from industriverse.simulation.journaled_plant import JournaledPlant
from industriverse.simulation.plant import OperatorModel

__all__ = ["PlantActuator", "TwinForecast", "candidates_of"]


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


def candidates_of(
    plant: JournaledPlant, operator: OperatorModel, *, reversible_only: bool = False
) -> tuple[CommandCandidate, ...]:
    """What the plant can still be told to do that could make a difference, each setting a candidate."""
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
        and operator.offers(spec)
        and (spec.reversible or not reversible_only)
    )


@dataclass(frozen=True, slots=True)
class TwinForecast:
    """Forecasts sets of commands for one plant from its latest telemetry.

    Attributes:
        services: Stores; the detector of the stream measures the predicted telemetry.
        plant: The plant, of which only telemetry and active commands are looked at.
        operator: What its operator knows; it has observed the latest telemetry.
    """

    services: Services
    plant: JournaledPlant
    operator: OperatorModel

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
        operator = make_operator(plant.spec)
        rows = round(operator.evidence_hours * 3600 / plant.interval_s)
        frame = services.streams.store.frame(stream, last=rows)
        clean = services.streams.store.frame(stream).rows(
            0, services.streams.watched(stream).reference.clean_rows
        )
        operator.observe(frame, clean, plant.active_commands())
        return TwinForecast(services, plant, operator)

    def __call__(self, commands: Sequence[CommandCandidate]) -> RolloutOutcome:
        """What follows from commands added to those in force from now on.

        The loss is the service that is asked for and not given, and what is wasted. The
        model has no sensor noise, so of the free-energy excess only the work part is meaningful: it is the
        part that displaced means cause.
        """
        ordered = [
            Command(f"candidate-{position}", candidate.verb, candidate.target, candidate.value)
            for position, candidate in enumerate(commands)
        ]
        return self.under([*self.plant.active_commands(), *ordered])

    def under(self, commands: Sequence[Command]) -> RolloutOutcome:
        """What follows with exactly these commands in force from now on."""
        predicted = self.operator.predict(commands)
        count_steps(len(predicted.frame))
        live = self.services.streams.watched(self.plant_id)
        settled = round(self.operator.settling_hours * 3600 / self.plant.interval_s)
        return RolloutOutcome(
            free_energy_excess_kt=live.expected_work_kt(predicted.frame, from_row=settled),
            loss=predicted.service.harm,
            loss_unit=predicted.service.unit,
            requested=predicted.service.requested,
        )

    def candidates(self, *, reversible_only: bool = False) -> tuple[CommandCandidate, ...]:
        """What the plant can still be told to do that could make a difference, each setting a candidate."""
        return candidates_of(self.plant, self.operator, reversible_only=reversible_only)

    @property
    def plant_id(self) -> str:
        """Id of the plant, which is the name of its stream."""
        return self.plant.plant_id
