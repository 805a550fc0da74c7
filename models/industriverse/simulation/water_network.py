"""A simulated water network: EPANET Net3 in closed loop with controller, instruments and intruder."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from industriverse.signals import NANOSECONDS_PER_SECOND
from industriverse.simulation.attack import AttackSpec, Intruder
from industriverse.simulation.closed_loop import ClosedLoop
from industriverse.simulation.demand import DemandModel
from industriverse.simulation.errors import SimulationError
from industriverse.simulation.hydraulics import StepTotals
from industriverse.simulation.net3 import CHANNELS, COMMANDS, TANKS, net3
from industriverse.simulation.stepped_plant import Served, StepOutcome, SteppedPlant

__all__ = ["AttackSpec", "WaterNetworkPlant", "WaterNetworkSpec", "served_of"]

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


class WaterNetworkPlant(SteppedPlant[WaterNetworkSpec]):
    """A simulation of a town's water supply that answers to commands.

    Args:
        seed: Seed of demand and instrument noise.
        start_ns: Time of the first sample, nanoseconds since 1970-01-01 UTC.
        attack: What the intruder does; None for no attack.
        interval_s: Seconds between samples.

    Raises:
        SimulationError: If the specification is impossible or wntr is missing.
    """

    name = "simulation of a water network (EPANET Net3)"

    def __init__(
        self, seed: int, start_ns: int, attack: AttackSpec | None = None, *, interval_s: int = 300
    ) -> None:
        spec = WaterNetworkSpec(seed, start_ns, attack, interval_s)
        super().__init__(spec, CHANNELS, COMMANDS, "m3")
        demand_stream, noise_stream = np.random.SeedSequence(seed).spawn(2)
        self._intruder = Intruder(attack, steps_per_day=86_400 // interval_s)
        self._loop = ClosedLoop(
            interval_s=interval_s,
            first_second_of_day=start_ns // NANOSECONDS_PER_SECOND % 86_400,
            board=self.board,
            interference=self._intruder,
            demand=DemandModel(net3(), interval_s=interval_s, generator=np.random.default_rng(demand_stream)),
            generator=np.random.default_rng(noise_stream),
            first_step=-_WARM_UP_S // interval_s,
        )
        while self._loop.step < 0:
            self._loop.advance()

    @staticmethod
    def from_spec(spec: WaterNetworkSpec) -> "WaterNetworkPlant":
        """Build a plant at step 0."""
        return WaterNetworkPlant(spec.seed, spec.start_ns, spec.attack, interval_s=spec.interval_s)

    @property
    def pace_s(self) -> float:
        """Seconds in which the plant shows what a command did: tanks of this size answer within the hour."""
        return 3600.0

    def sample(self, step: int) -> StepOutcome:  # noqa: ARG002 - the loop counts for itself
        """Run one step."""
        outcome = self._loop.advance()
        return StepOutcome(outcome.telemetry, served_of(outcome.totals))

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


def served_of(totals: StepTotals) -> Served:
    """Volumes of one step as service, m3; what full tanks spill is wasted."""
    return Served(totals.requested_m3, totals.delivered_m3, totals.overflow_m3)
