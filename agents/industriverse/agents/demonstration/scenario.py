"""What the demonstration does, as data."""

from dataclasses import dataclass

__all__ = ["Scenario"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run of the simulated water network.

    Attributes:
        seed: Seed of demands and sensor noise.
        attacked: Whether the attack happens.
        respond: Whether a response is started on the first ticket after the attack began.
        approve: What the operator of the demonstration answers.
        clean_hours: Simulated hours that the reference is learned from.
        attack_hour: Simulated hour at which the attack begins.
        last_hour: Simulated hour at which the run ends, so that service is compared over equal times.
        budget_per_day: False tickets accepted.
    """

    seed: int = 7
    attacked: bool = True
    respond: bool = True
    approve: bool = True
    clean_hours: float = 21 * 24.0
    attack_hour: float = 22 * 24.0 + 9.0
    last_hour: float = 25 * 24.0
    budget_per_day: float = 1.0
