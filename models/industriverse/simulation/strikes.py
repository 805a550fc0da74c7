"""What an intruder does to the power grid or the host cluster, fixed before the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from industriverse.simulation.errors import SimulationError

__all__ = ["Strike", "acting", "check_strikes", "strike_from_dict"]


@dataclass(frozen=True, slots=True)
class Strike:
    """One thing that an intruder does, for a time.

    Attributes:
        kind: What is done; the plant names what it knows.
        target: The asset that it is done to.
        start_step: First step at which it is done.
        stop_step: First step at which it no longer is; None for never.
        amount: How much, in the unit of its kind.
    """

    kind: str
    target: str
    start_step: int
    stop_step: int | None = None
    amount: float = 0.0

    def __post_init__(self) -> None:
        if self.start_step < 0 or (self.stop_step is not None and self.stop_step <= self.start_step):
            raise SimulationError(
                f"a strike from step {self.start_step} to {self.stop_step} is empty or begins before 0",
                hint="give 0 <= start_step < stop_step",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self)


def strike_from_dict(data: dict[str, Any]) -> Strike:
    """The inverse of ``Strike.to_dict``."""
    return Strike(**data)


def acting(strikes: Sequence[Strike], kind: str, target: str, step: int) -> Strike | None:
    """The strike of a kind on a target at a step; of several the one begun last."""
    found = [
        strike
        for strike in strikes
        if strike.kind == kind
        and strike.target == target
        and strike.start_step <= step
        and (strike.stop_step is None or step < strike.stop_step)
    ]
    return max(found, key=lambda strike: strike.start_step, default=None)


def check_strikes(strikes: Iterable[Strike], kinds: Mapping[str, Sequence[str]], targets: str) -> None:
    """Refuse strikes that a plant does not know.

    Args:
        strikes: What the intruder is to do.
        kinds: The plant's targets by kind of strike.
        targets: What its targets are, in words.

    Raises:
        SimulationError: If a kind, or a target for its kind, is not among them.
    """
    for strike in strikes:
        if strike.target not in kinds.get(strike.kind, ()):
            raise SimulationError(
                f"cannot {strike.kind[:40]!r} {strike.target[:40]!r}",
                hint=f"kinds are {', '.join(kinds)}; targets are {targets}",
            )
