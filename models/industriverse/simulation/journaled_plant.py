"""A plant whose every event is written down before it happens."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from industriverse.signals import Channel, Frame
from industriverse.simulation.errors import JournalError, SimulationError
from industriverse.simulation.plant import Command, CommandSpec, PlantSpec, ServiceReport, SimulatedPlant

__all__ = ["Event", "EventLog", "JournaledPlant"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a plant was told.

    Attributes:
        sequence: 1, 2, 3, ... within the plant.
        kind: ``advance``, ``apply`` or ``revert``.
        payload: ``to_step``, the command's fields, or ``command_id``.
        digest_before: SHA-256 over all telemetry before it, by which replay proves itself.
    """

    sequence: int
    kind: str
    payload: dict[str, Any]
    digest_before: str


class EventLog(Protocol):
    """Where events are kept."""

    def events(self, plant_id: str, *, after: int = 0) -> tuple[Event, ...]:
        """Events above a sequence number, in order."""
        ...

    def append(self, plant_id: str, event: Event) -> bool:
        """Record an event durably unless its sequence number is taken."""
        ...


class JournaledPlant:
    """A simulated plant that survives its process.

    Args:
        log: Where events are kept.
        plant_id: The plant's name in it.
        plant: The plant at step 0; recorded events are replayed on it.

    Raises:
        JournalError: If replay does not give the recorded history.
    """

    def __init__(self, log: EventLog, plant_id: str, plant: SimulatedPlant) -> None:
        self.plant_id = plant_id
        self._log = log
        self._plant = plant
        self._sequence = 0
        self._frames: list[Frame] = []
        self._lock = threading.RLock()
        self._catch_up()

    @property
    def name(self) -> str:
        """Name, with the word simulation in it."""
        return self._plant.name

    @property
    def spec(self) -> PlantSpec:
        """What determines the run."""
        return self._plant.spec

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Telemetry channels in column order."""
        return self._plant.channels

    @property
    def interval_s(self) -> float:
        """Seconds between samples."""
        return self._plant.interval_s

    @property
    def step(self) -> int:
        """Number of samples produced so far."""
        return self._plant.step

    @property
    def digest(self) -> str:
        """SHA-256 over all telemetry so far, hexadecimal."""
        return self._plant.digest

    def commands(self) -> tuple[CommandSpec, ...]:
        """Everything that the plant can be told to do."""
        return self._plant.commands()

    def active_commands(self) -> tuple[Command, ...]:
        """Commands applied and not reverted, oldest first."""
        return self._plant.active_commands()

    def service(self, since_step: int = 0) -> ServiceReport:
        """Service since a step (0 is the start)."""
        return self._plant.service(since_step)

    @property
    def pace_s(self) -> float:
        """Seconds in which the plant shows what a command did."""
        return self._plant.pace_s

    @property
    def attack_began_step(self) -> int | None:
        """First step at which the intruder acted, None so far. For evaluation only."""
        return self._plant.attack_began_step

    def telemetry(self, first_step: int = 0, stop_step: int | None = None) -> Frame:
        """Recorded samples from a step on, also those produced before a restart.

        Raises:
            SimulationError: If the plant has not run yet.
        """
        with self._lock:
            if not self._frames:
                raise SimulationError(f"plant {self.plant_id!r} has no telemetry yet", hint="advance it")
            self._frames = [Frame.concatenate(self._frames)]
            return self._frames[0].rows(first_step, stop_step)

    def advance(self, steps: int) -> Frame:
        """Run for ``steps`` samples after whatever the journal holds, and return them.

        Raises:
            SimulationError: If ``steps`` is not positive.
        """
        if steps < 1:
            raise SimulationError(f"cannot advance by {steps} steps", hint="advance by 1 or more")
        with self._lock:
            self._write(lambda: ("advance", {"to_step": self.step + steps}))
            return self._frames[-1]

    def advance_to(self, step: int) -> Frame | None:
        """Run until ``step`` samples exist; None if they already do. Safe to repeat after a crash."""
        with self._lock:
            before = self.step
            self._write(lambda: ("advance", {"to_step": step}) if self.step < step else None)
            return self.telemetry(before) if self.step > before else None

    def apply(self, command: Command) -> None:
        """Carry a command out from the next sample on; a known id changes nothing, before or after a crash.

        Raises:
            CommandError: If the command is not among ``commands()`` or its id means another command.
        """
        with self._lock:
            self._write(lambda: ("apply", asdict(command)) if self._plant.check(command) else None)

    def revert(self, command_id: str) -> None:
        """Undo a command from the next sample on; reverting twice changes nothing.

        Raises:
            CommandError: If the id is unknown or the command is irreversible.
        """
        with self._lock:
            self._write(
                lambda: (
                    ("revert", {"command_id": command_id}) if self._plant.check_revert(command_id) else None
                )
            )

    def close(self) -> None:
        """Free the solver."""
        self._plant.close()

    def _write(self, decide: Callable[[], tuple[str, dict[str, Any]] | None]) -> None:
        while True:
            self._catch_up()
            decided = decide()
            if decided is None:
                return
            event = Event(self._sequence + 1, decided[0], decided[1], self._plant.digest)
            if self._log.append(self.plant_id, event):
                self._carry_out(event)
                return

    def _catch_up(self) -> None:
        for event in self._log.events(self.plant_id, after=self._sequence):
            if event.digest_before != self._plant.digest:
                raise JournalError(
                    f"replay of plant {self.plant_id!r} differs from its record at event {event.sequence}",
                    hint="another EPANET build or machine recorded it; replay it there or start a new plant",
                )
            self._carry_out(event)

    def _carry_out(self, event: Event) -> None:
        if event.kind == "advance":
            self._frames.append(self._plant.advance(event.payload["to_step"] - self.step))
        elif event.kind == "apply":
            self._plant.apply(Command(**event.payload))
        else:
            self._plant.revert(event.payload["command_id"])
        self._sequence = event.sequence
