"""The words for a plant that answers to commands, whatever simulates it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from industriverse.signals import Channel, Frame

__all__ = [
    "Command",
    "CommandSpec",
    "OperatorModel",
    "Plant",
    "PlantSpec",
    "Prediction",
    "ServiceReport",
    "SimulatedPlant",
]


@dataclass(frozen=True, slots=True)
class Command:
    """One order to a plant.

    Attributes:
        id: Chosen by the caller. A plant carries out one id at most once.
        verb: One of the verbs in ``Plant.commands()``.
        target: One of the targets in ``Plant.commands()``.
        value: Setting, for verbs that need one; None otherwise.
    """

    id: str
    verb: str
    target: str
    value: float | str | None = None


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """What a plant can be told to do.

    Attributes:
        verb: Name of the order.
        target: What it acts on.
        description: What it does, in one sentence.
        reversible: Whether ``Plant.revert`` undoes it from the control room.
        cost: Effort and wear relative to a change of set-point, which costs 1.
        entity: The asset concerned.
        values: Settings to choose from; empty if the verb takes none or takes a number.
        minimum: Lowest number allowed, None if the verb takes no number.
        maximum: Highest number allowed, None if the verb takes no number.
        reversal: What undoes it.
    """

    verb: str
    target: str
    description: str
    reversible: bool
    cost: float
    entity: str
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    reversal: str = ""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """Service asked for and received over a range of steps, in the plant's unit of service.

    Attributes:
        requested: What was asked for.
        delivered: What was received.
        lost: requested - delivered.
        wasted: What was produced and reached nobody, such as water spilled by full tanks.
        steps: Number of steps counted.
        last_step_lost: lost of the latest step alone.
        last_step_requested: requested of the latest step alone.
        unit: ``m3``, ``MWh`` or ``requests``.
    """

    requested: float
    delivered: float
    lost: float
    wasted: float
    steps: int
    last_step_lost: float
    last_step_requested: float
    unit: str = "m3"

    @property
    def lost_share(self) -> float:
        """Share of demand lost, 0 where nothing was requested."""
        return self.lost / self.requested if self.requested > 0 else 0.0

    @property
    def harm(self) -> float:
        """What a response is to keep small: lost and wasted together."""
        return self.lost + self.wasted


@runtime_checkable
class Plant(Protocol):
    """A simulated plant: telemetry out, commands in."""

    @property
    def name(self) -> str:
        """Name, with the word simulation in it."""
        ...

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Telemetry channels in column order."""
        ...

    @property
    def interval_s(self) -> float:
        """Seconds between samples."""
        ...

    @property
    def step(self) -> int:
        """Number of samples produced so far."""
        ...

    def commands(self) -> tuple[CommandSpec, ...]:
        """Everything that the plant can be told to do."""
        ...

    def active_commands(self) -> tuple[Command, ...]:
        """Commands applied and not reverted, oldest first."""
        ...

    def advance(self, steps: int) -> Frame:
        """Run for ``steps`` samples and return them, shape (steps, channels)."""
        ...

    def apply(self, command: Command) -> None:
        """Carry a command out from the next sample on; a known id changes nothing."""
        ...

    def revert(self, command_id: str) -> None:
        """Undo a command from the next sample on; reverting twice changes nothing."""
        ...

    def service(self, since_step: int = 0) -> ServiceReport:
        """Service since a step (0 is the start)."""
        ...


class PlantSpec(Protocol):
    """Everything that, with the commands, determines every value of a run."""

    @property
    def seed(self) -> int:
        """Seed of demand and instrument noise."""
        ...

    @property
    def start_ns(self) -> int:
        """Time of the first sample, nanoseconds since 1970-01-01 UTC."""
        ...

    @property
    def interval_s(self) -> int:
        """Seconds between samples."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        ...


class SimulatedPlant(Plant, Protocol):
    """A plant that a journal can replay: same specification and commands, same bits."""

    @property
    def spec(self) -> PlantSpec:
        """What determines the run."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 over all telemetry so far, hexadecimal."""
        ...

    @property
    def pace_s(self) -> float:
        """Seconds in which the plant shows what a command did: how often it is worth looking."""
        ...

    def check(self, command: Command) -> bool:
        """Raise CommandError if ``apply`` would; returns whether it would change anything."""
        ...

    def check_revert(self, command_id: str) -> bool:
        """Raise CommandError if ``revert`` would; returns whether it would change anything."""
        ...

    @property
    def attack_began_step(self) -> int | None:
        """First step at which an intruder acted, None so far. For evaluation only."""
        ...

    def close(self) -> None:
        """Free what the simulation holds."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an operator's model expects.

    Attributes:
        frame: Telemetry without noise, as the plant's instruments would show it.
        service: Service over the horizon.
    """

    frame: Frame
    service: ServiceReport


class OperatorModel(Protocol):
    """What an operator knows of a plant: its equations, nominal demand, and what telemetry shows. No intruder.

    Attributes:
        horizon_hours: How far a plan looks ahead.
        settling_hours: Of these, hours that are the way back and say nothing about where a plan leads.
        evidence_hours: Telemetry looked at.
    """

    horizon_hours: float
    settling_hours: float
    evidence_hours: float

    def observe(self, frame: Frame, clean: Frame, active: Sequence[Command]) -> None:
        """Read the state and what is wrong from the latest telemetry, with clean telemetry as the yardstick."""
        ...

    def offers(self, spec: CommandSpec) -> bool:
        """Whether a command could make a difference to what was observed."""
        ...

    def predict(self, commands: Sequence[Command]) -> Prediction:
        """What follows what was observed, with these commands in force from now on."""
        ...

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is taken to be wrong, in words."""
        ...
