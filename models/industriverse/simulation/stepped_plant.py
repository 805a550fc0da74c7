"""What every plant of ours does alike: steps, the board of commands, the digest of its history, its service."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame
from industriverse.simulation.command_board import CommandBoard
from industriverse.simulation.errors import SimulationError
from industriverse.simulation.plant import Command, CommandSpec, PlantSpec, ServiceReport
from industriverse.simulation.strikes import Strike, strike_from_dict

__all__ = ["Served", "StepOutcome", "SteppedPlant", "SteppedSpec", "add_up", "first_strike"]

Spec = TypeVar("Spec", bound=PlantSpec)
"""What determines a run of a kind of plant."""


@dataclass(frozen=True, slots=True)
class SteppedSpec:
    """Everything that, with the commands, determines every value of a run.

    Attributes:
        kind: Which plant, a name of ``catalogue.KINDS``.
        seed: Seed of demand and instrument noise.
        start_ns: Time of the first sample, nanoseconds since 1970-01-01 UTC.
        interval_s: Seconds between samples.
        strikes: What the intruder does.
    """

    kind: str
    seed: int
    start_ns: int
    interval_s: int
    strikes: tuple[Strike, ...] = ()

    def __post_init__(self) -> None:
        if self.seed < 0 or self.start_ns < 0:
            raise SimulationError(
                f"seed {self.seed} or start_ns {self.start_ns} is negative", hint="use numbers from 0 on"
            )
        if self.interval_s not in (60, 300, 600, 900, 1800, 3600):
            raise SimulationError(
                f"an interval of {self.interval_s} s does not fit", hint="use 60, 300, 600, 900, 1800 or 3600"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return {
            "kind": self.kind,
            "seed": self.seed,
            "start_ns": self.start_ns,
            "interval_s": self.interval_s,
            "strikes": [strike.to_dict() for strike in self.strikes],
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> "SteppedSpec":
        """The inverse of ``to_dict``."""
        return SteppedSpec(**{**data, "strikes": tuple(strike_from_dict(s) for s in data["strikes"])})


@dataclass(frozen=True, slots=True)
class Served:
    """Service of one step: what was asked for, what was given, what was produced for nobody."""

    requested: float
    delivered: float
    wasted: float = 0.0


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Telemetry of one sample, with noise, and the service until the next."""

    telemetry: NDArray[np.float64]
    served: Served


def first_strike(strikes: Sequence[Strike], step: int) -> int | None:
    """First step before ``step`` at which a strike began, None if there is none."""
    return min((strike.start_step for strike in strikes if strike.start_step < step), default=None)


def add_up(steps: Sequence[Served], unit: str) -> ServiceReport:
    """Add up the service of successive steps."""
    requested = sum(step.requested for step in steps)
    delivered = sum(step.delivered for step in steps)
    last = steps[-1] if steps else Served(0.0, 0.0)
    return ServiceReport(
        requested=requested,
        delivered=delivered,
        lost=requested - delivered,
        wasted=sum(step.wasted for step in steps),
        steps=len(steps),
        last_step_lost=last.requested - last.delivered,
        last_step_requested=last.requested,
        unit=unit,
    )


class SteppedPlant(ABC, Generic[Spec]):
    """A plant that produces one sample a step and answers to commands.

    Two runs with equal specification and equal commands at equal steps give bit-identical telemetry, whether
    advanced one by one or in blocks.

    Args:
        spec: What determines the run.
        channels: Telemetry channels in column order.
        commands: Everything that the plant can be told to do.
        unit: Unit of service.
    """

    def __init__(
        self, spec: Spec, channels: tuple[Channel, ...], commands: tuple[CommandSpec, ...], unit: str
    ) -> None:
        self.spec = spec
        self.channels = channels
        self.board = CommandBoard(commands)
        self._commands = commands
        self._unit = unit
        self._served: list[Served] = []
        self._hash = hashlib.sha256()

    @property
    @abstractmethod
    def name(self) -> str:
        """Name, with the word simulation in it."""

    @abstractmethod
    def sample(self, step: int) -> StepOutcome:
        """Run one step."""

    @property
    def pace_s(self) -> float:
        """Seconds in which the plant shows what a command did."""
        return self.interval_s

    @property
    def interval_s(self) -> float:
        """Seconds between samples."""
        return float(self.spec.interval_s)

    @property
    def step(self) -> int:
        """Number of samples produced so far."""
        return len(self._served)

    @property
    def digest(self) -> str:
        """SHA-256 over all telemetry so far, hexadecimal: equal digests mean equal histories."""
        return self._hash.hexdigest()

    @property
    @abstractmethod
    def attack_began_step(self) -> int | None:
        """First step at which the intruder acted, None so far. For evaluation only."""

    def commands(self) -> tuple[CommandSpec, ...]:
        """Everything that the plant can be told to do."""
        return self._commands

    def active_commands(self) -> tuple[Command, ...]:
        """Commands applied and not reverted, oldest first."""
        return self.board.active()

    def check(self, command: Command) -> bool:
        """Raise CommandError if ``apply`` would; returns whether it would change anything."""
        return self.board.check(command)

    def check_revert(self, command_id: str) -> bool:
        """Raise CommandError if ``revert`` would; returns whether it would change anything."""
        return self.board.check_revert(command_id)

    def apply(self, command: Command) -> None:
        """Carry a command out from the next sample on; a known id changes nothing.

        Raises:
            CommandError: If the command is not among ``commands()`` or its id means another command.
        """
        self.board.apply(command)

    def revert(self, command_id: str) -> None:
        """Undo a command from the next sample on; reverting twice changes nothing.

        Raises:
            CommandError: If the id is unknown or the command is irreversible.
        """
        self.board.revert(command_id)

    def advance(self, steps: int) -> Frame:
        """Run for ``steps`` samples.

        Returns:
            The samples, values of shape (steps, channels).

        Raises:
            SimulationError: If ``steps`` is not positive.
        """
        if steps < 1:
            raise SimulationError(f"cannot advance by {steps} steps", hint="advance by 1 or more")
        first = self.step
        values = np.empty((steps, len(self.channels)))
        for row in range(steps):
            outcome = self.sample(first + row)
            values[row] = outcome.telemetry
            self._served.append(outcome.served)
            self._hash.update(values[row].tobytes())
        interval_ns = self.spec.interval_s * NANOSECONDS_PER_SECOND
        times = self.spec.start_ns + interval_ns * np.arange(first, first + steps)
        return Frame(times, values, self.channels)

    def service(self, since_step: int = 0) -> ServiceReport:
        """Service since a step (0 is the start)."""
        return add_up(self._served[since_step:], self._unit)

    def close(self) -> None:
        """Nothing is held outside this object."""
