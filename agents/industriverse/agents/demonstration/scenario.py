"""What the demonstration does, as data."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ATTENDED", "UNATTENDED", "Scenario"]

ATTENDED, UNATTENDED = "water", "water-unattended"
"""Names of the simulated plant, and of its twin that suffers the same attack without a response."""

HOURS_PER_DAY = 24.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run of the simulated water network.

    Attributes:
        seed: Seed of demands and sensor noise.
        attacked: Whether the attack happens.
        respond: Whether a response is started when a ticket comes.
        approve: What the operator of the demonstration answers.
        clean_days: Days that the reference is learned from.
        armed_day: Day from which the intruder waits for a low tank; days and hours count from the start.
        strike_below_m: Level of tank 1 below which he strikes, m.
        last_day: Day on which the run ends.
        interval_s: Seconds between samples.
        start: Time of the first sample, ISO 8601.
        budget_per_day: False tickets accepted: one a month.
    """

    seed: int = 7
    attacked: bool = True
    respond: bool = True
    approve: bool = True
    clean_days: float = 160.0
    armed_day: float = 160.5
    strike_below_m: float = 5.2
    last_day: float = 164.0
    interval_s: int = 900
    start: str = "2026-01-05T00:00:00+00:00"
    budget_per_day: float = 1.0 / 30.0

    def plant(self) -> dict[str, Any]:
        """The ``create`` argument of ``sim_run``."""
        attack = {"start_hour": self.armed_day * HOURS_PER_DAY, "wait_below_m": self.strike_below_m}
        return {
            "seed": self.seed,
            "interval_s": self.interval_s,
            "start": self.start,
            "attack": {**attack, "spoof": "freeze", "override": "closed"} if self.attacked else None,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data, to tell one run from another."""
        return asdict(self)
