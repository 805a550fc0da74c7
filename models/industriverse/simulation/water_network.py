"""A simulated water network: EPANET Net3 in closed loop with controller, instruments and intruder."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame
from industriverse.simulation.attack import AttackSpec, Intruder
from industriverse.simulation.closed_loop import ClosedLoop
from industriverse.simulation.command_board import CommandBoard
from industriverse.simulation.demand import DemandModel
from industriverse.simulation.errors import SimulationError
from industriverse.simulation.hydraulics import StepTotals
from industriverse.simulation.net3 import CHANNELS, COMMANDS, TANKS, net3
from industriverse.simulation.plant import Command, CommandSpec, ServiceReport

__all__ = ["AttackSpec", "WaterNetworkPlant", "WaterNetworkSpec"]

# A day without record lets tanks forget the levels in the file before the first sample.
_WARM_UP_S = 86_400


@dataclass(frozen=True, slots=True)
class WaterNetworkSpec:
    """Everything that, with the commands, determines every value of a run.

    Attributes:
        seed: Seed of demand and instrument noise.
        start_ns: Time of the first sample, nanoseconds since 1970-01-01 UTC.
        attack: What the intruder does; None for no attack.
        interval_s: Seconds between samples; a divisor of one hour.
    """

    seed: int
    start_ns: int
    attack: AttackSpec | None = None
    interval_s: int = 300

    def __post_init__(self) -> None:
        if self.interval_s < 60 or 3600 % self.interval_s:
            raise SimulationError(
                f"an interval of {self.interval_s} s does not fit", hint="use 60, 300, 600, 900, 1800 or 3600"
            )
        if self.seed < 0 or self.start_ns < 0:
            raise SimulationError(
                f"seed {self.seed} or start_ns {self.start_ns} is negative", hint="use numbers from 0 on"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> "WaterNetworkSpec":
        """The inverse of ``to_dict``."""
        attack = data.get("attack")
        return WaterNetworkSpec(**{**data, "attack": AttackSpec(**attack) if attack else None})


class WaterNetworkPlant:
    """A simulation of a town's water supply that answers to commands.

    Two runs with equal specification and equal commands at equal steps give bit-identical telemetry, whether
    advanced one by one or in blocks.

    Args:
        seed: Seed of demand and instrument noise.
        start_ns: Time of the first sample, nanoseconds since 1970-01-01 UTC.
        attack: What the intruder does; None for no attack.
        interval_s: Seconds between samples.

    Raises:
        SimulationError: If the specification is impossible or wntr is missing.
    """

    name = "simulation of a water network (EPANET Net3)"
    channels: tuple[Channel, ...] = CHANNELS

    def __init__(
        self, seed: int, start_ns: int, attack: AttackSpec | None = None, *, interval_s: int = 300
    ) -> None:
        self.spec = WaterNetworkSpec(seed, start_ns, attack, interval_s)
        demand_stream, noise_stream = np.random.SeedSequence(seed).spawn(2)
        self._board = CommandBoard(COMMANDS)
        self._intruder = Intruder(attack, steps_per_day=86_400 // interval_s)
        self._loop = ClosedLoop(
            interval_s=interval_s,
            first_second_of_day=start_ns // NANOSECONDS_PER_SECOND % 86_400,
            board=self._board,
            interference=self._intruder,
            demand=DemandModel(net3(), interval_s=interval_s, generator=np.random.default_rng(demand_stream)),
            generator=np.random.default_rng(noise_stream),
            first_step=-_WARM_UP_S // interval_s,
        )
        self._totals: list[StepTotals] = []
        self._hash = hashlib.sha256()
        while self._loop.step < 0:
            self._loop.advance()

    @staticmethod
    def from_spec(spec: WaterNetworkSpec) -> "WaterNetworkPlant":
        """Build a plant at step 0."""
        return WaterNetworkPlant(spec.seed, spec.start_ns, spec.attack, interval_s=spec.interval_s)

    @property
    def interval_s(self) -> float:
        """Seconds between samples."""
        return float(self.spec.interval_s)

    @property
    def pace_s(self) -> float:
        """Seconds in which the plant shows what a command did: tanks of this size answer within the hour."""
        return 3600.0

    @property
    def step(self) -> int:
        """Number of samples produced so far."""
        return len(self._totals)

    @property
    def digest(self) -> str:
        """SHA-256 over all telemetry so far, hexadecimal: equal digests mean equal histories."""
        return self._hash.hexdigest()

    def commands(self) -> tuple[CommandSpec, ...]:
        """Everything that the plant can be told to do."""
        return COMMANDS

    def active_commands(self) -> tuple[Command, ...]:
        """Commands applied and not reverted, oldest first."""
        return self._board.active()

    def check(self, command: Command) -> bool:
        """Raise CommandError if ``apply`` would; returns whether it would change anything."""
        return self._board.check(command)

    def check_revert(self, command_id: str) -> bool:
        """Raise CommandError if ``revert`` would; returns whether it would change anything."""
        return self._board.check_revert(command_id)

    def apply(self, command: Command) -> None:
        """Carry a command out from the next sample on; a known id changes nothing.

        Raises:
            CommandError: If the command is not among ``commands()`` or its id means another command.
        """
        self._board.apply(command)

    def revert(self, command_id: str) -> None:
        """Undo a command from the next sample on; reverting twice changes nothing.

        Raises:
            CommandError: If the id is unknown or the command is irreversible.
        """
        self._board.revert(command_id)

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
        values = np.empty((steps, len(CHANNELS)))
        for row in range(steps):
            outcome = self._loop.advance()
            values[row] = outcome.telemetry
            self._totals.append(outcome.totals)
            self._hash.update(values[row].tobytes())
        interval_ns = self.spec.interval_s * NANOSECONDS_PER_SECOND
        return Frame(self.spec.start_ns + interval_ns * np.arange(first, first + steps), values, CHANNELS)

    def service(self, since_step: int = 0) -> ServiceReport:
        """Service since a step (0 is the start)."""
        return summarise(self._totals[since_step:])

    def lost_by_step_m3(self) -> NDArray[np.float64]:
        """Demand not delivered in each step so far, m3, shape (step,)."""
        return np.array([totals.requested_m3 - totals.delivered_m3 for totals in self._totals])

    def true_levels_m(self) -> dict[str, float]:
        """Real tank levels by entity, m, which instruments may hide. For evaluation only."""
        return {f"tank-{key}": self._loop.hydraulics.level_m(key) for key in TANKS}

    @property
    def attack_began_step(self) -> int | None:
        """First step at which the intruder acted, None so far. For evaluation only."""
        return self._intruder.began_step

    def close(self) -> None:
        """Free the solver."""
        self._loop.hydraulics.close()


def summarise(totals: list[StepTotals]) -> ServiceReport:
    """Add up the volumes of successive steps."""
    requested = sum(t.requested_m3 for t in totals)
    delivered = sum(t.delivered_m3 for t in totals)
    last = totals[-1] if totals else StepTotals(0.0, 0.0, 0.0)
    return ServiceReport(
        requested=requested,
        delivered=delivered,
        lost=requested - delivered,
        wasted=sum(t.overflow_m3 for t in totals),
        steps=len(totals),
        last_step_lost=last.requested_m3 - last.delivered_m3,
        last_step_requested=last.requested_m3,
    )
