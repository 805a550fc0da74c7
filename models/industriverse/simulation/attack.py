"""The intruder: a spoofed tank level and a remote pump override, unknown to the plant's operator."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from industriverse.simulation.errors import SimulationError

__all__ = ["AttackSpec", "Intruder", "SpoofMode"]

SpoofMode = Literal["freeze", "offset", "value", "replay", "none"]
_MODES = get_args(SpoofMode)


@dataclass(frozen=True, slots=True)
class AttackSpec:
    """What the intruder does, fixed before the run.

    Attributes:
        start_step: First step at which it acts.
        stop_step: First step at which it no longer acts; None for never.
        spoof: How the level of tank 1 is falsified on its radio link to controller and telemetry: ``freeze``
            repeats the reading of its first step, ``offset`` adds ``spoof_m``, ``value`` reports ``spoof_m``,
            ``replay`` plays back the readings of a day before, ``none`` leaves it.
        spoof_m: Offset or value, m.
        wait_below_m: The intruder strikes only once the real level is below this, m, as an observer of the
            plant would; None strikes at ``start_step``.
        override: State forced on pump 335 over the controller's network link, ``"none"`` for no override.
    """

    start_step: int
    stop_step: int | None = None
    spoof: SpoofMode = "freeze"
    spoof_m: float = 0.0
    override: Literal["closed", "open", "none"] = "closed"
    wait_below_m: float | None = None

    def __post_init__(self) -> None:
        if self.start_step < 0 or (self.stop_step is not None and self.stop_step <= self.start_step):
            raise SimulationError(
                f"an attack from step {self.start_step} to {self.stop_step} is empty or begins before 0",
                hint="give 0 <= start_step < stop_step",
            )
        if self.spoof not in _MODES or self.override not in ("closed", "open", "none"):
            raise SimulationError(
                f"unknown spoof {self.spoof!r} or override {self.override!r}",
                hint=f"spoof is one of {', '.join(_MODES)}; override is closed, open or none",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self)


class Intruder:
    """An attack at work on one plant.

    Args:
        spec: What it does; None for no attack.
        steps_per_day: How far back ``replay`` reaches.

    Attributes:
        began_step: The first step at which it acted, None so far.
    """

    def __init__(self, spec: AttackSpec | None, *, steps_per_day: int) -> None:
        self._spec = spec
        self._genuine: deque[float] = deque(maxlen=steps_per_day)
        self._frozen_m = 0.0
        self.began_step: int | None = None
        self.stuck: Mapping[str, bool] = {}

    def level(self, step: int, measured_m: float) -> float:
        """The level of tank 1 that controller and telemetry get, m; call it before ``override``."""
        spec = self._acting(step, measured_m)
        if spec is None:
            self._genuine.append(measured_m)
            return measured_m
        if spec.spoof == "offset":
            return measured_m + spec.spoof_m
        if spec.spoof == "value":
            return spec.spoof_m
        if spec.spoof == "freeze":
            return self._frozen_m
        if spec.spoof == "replay" and self._genuine:
            # Rotating the recorded day replays it over and over.
            self._genuine.rotate(-1)
            return self._genuine[-1]
        return measured_m

    def override(self, step: int) -> bool | None:
        """State forced on pump 335 over the network: True runs it, False stops it, None leaves it."""
        spec = self._acting(step, None)
        return None if spec is None or spec.override == "none" else spec.override == "open"

    def _acting(self, step: int, measured_m: float | None) -> AttackSpec | None:
        spec = self._spec
        if spec is None or step < spec.start_step or (spec.stop_step is not None and step >= spec.stop_step):
            return None
        if self.began_step is None and measured_m is not None:
            if spec.wait_below_m is not None and measured_m >= spec.wait_below_m:
                return None
            self.began_step, self._frozen_m = step, measured_m
        return None if self.began_step is None else spec
