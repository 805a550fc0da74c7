"""The words for a plant that answers to commands, whatever simulates it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from industriverse.signals import Channel, Frame

__all__ = ["Command", "CommandSpec", "Plant", "ServiceReport"]


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
    """Water asked for and received by customers over a range of steps.

    Attributes:
        requested_m3: Demand of all customers, m3.
        delivered_m3: What they received, m3.
        lost_m3: requested - delivered, m3.
        overflow_m3: Water spilled by full tanks, m3.
        steps: Number of steps counted.
        last_step_lost_m3: lost_m3 of the latest step alone.
        last_step_requested_m3: requested_m3 of the latest step alone.
    """

    requested_m3: float
    delivered_m3: float
    lost_m3: float
    overflow_m3: float
    steps: int
    last_step_lost_m3: float
    last_step_requested_m3: float

    @property
    def lost_share(self) -> float:
        """Share of demand lost, 0 where nothing was requested."""
        return self.lost_m3 / self.requested_m3 if self.requested_m3 > 0 else 0.0


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
