"""The operator's model of the simulated network: what would happen if, by nominal demand and a hypothesis."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from industriverse.signals import NANOSECONDS_PER_SECOND, Frame
from industriverse.simulation.closed_loop import ClosedLoop
from industriverse.simulation.command_board import CommandBoard
from industriverse.simulation.demand import DemandModel
from industriverse.simulation.errors import TwinError
from industriverse.simulation.net3 import (
    CHANNELS,
    COMMANDS,
    CONTROL_TANK,
    LAKE_PUMP,
    RIVER_PUMP,
    TANKS,
    net3,
)
from industriverse.simulation.plant import Command, ServiceReport
from industriverse.simulation.stepped_plant import add_up
from industriverse.simulation.tank_levels import LevelEstimates, estimate_levels
from industriverse.simulation.water_network import served_of

__all__ = ["Hypothesis", "TwinRollout", "WaterNetworkTwin"]

_COMMAND_CHANNEL = f"plc-1.pump-{RIVER_PUMP}.command"
_PUMPS = {f"pump-{key}": key for key in (RIVER_PUMP, LAKE_PUMP)}
_MOST_HOURS = 24 * 14


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the operator believes is wrong.

    Attributes:
        overridden: Pumps driven by a foreign order over the controller's network link: entity -> ``"closed"``
        or
            ``"open"``. Only ``pump-335`` has such a link.
        stuck: Pumps that obey nobody: entity -> ``"closed"`` or ``"open"``.
        false_level_m: What tank 1's level goes on being reported as by radio, m; None for the truth.
    """

    overridden: Mapping[str, str] = field(default_factory=dict)
    stuck: Mapping[str, str] = field(default_factory=dict)
    false_level_m: float | None = None

    def __post_init__(self) -> None:
        for entity, state in (*self.overridden.items(), *self.stuck.items()):
            if entity not in _PUMPS or state not in ("closed", "open"):
                raise TwinError(
                    f"hypothesis says that {entity!r} is {state!r}",
                    hint=f"name {' or '.join(_PUMPS)} and closed or open",
                )
        if set(self.overridden) - {f"pump-{RIVER_PUMP}"}:
            raise TwinError(
                f"hypothesis overrides {', '.join(self.overridden)}",
                hint=f"only pump-{RIVER_PUMP} takes remote orders; call others stuck",
            )


@dataclass(frozen=True, slots=True)
class TwinRollout:
    """A predicted run.

    Attributes:
        frame: Telemetry as the plant's instruments would show it, without noise.
        service: Predicted service.
        levels_m: Real tank levels by entity, m, shape (samples,) each.
    """

    frame: Frame
    service: ServiceReport
    levels_m: Mapping[str, NDArray[np.float64]]


class WaterNetworkTwin:
    """The same network and controller with nominal demands, no noise and no knowledge of any intruder.

    Args:
        interval_s: Seconds between predicted samples.
    """

    def __init__(self, *, interval_s: int = 300) -> None:
        self.interval_s = interval_s

    def estimate_levels(
        self, frame: Frame, distrusted: Collection[str] = (), *, trusted_until_ns: int | None = None
    ) -> LevelEstimates:
        """Tank levels one interval after the frame's last sample; see ``tank_levels.estimate_levels``."""
        return estimate_levels(frame, distrusted, trusted_until_ns=trusted_until_ns)

    def infer_hypothesis(self, frame: Frame, distrusted: Collection[str] = ()) -> Hypothesis:
        """The simplest hypothesis that the latest sample and the distrusted channels suggest.

        A river pump that does not do what its controller orders is taken for overridden from afar, a
        distrusted level of tank 1 for stuck at its latest value.

        Args:
            frame: Telemetry with the plant's channels.
            distrusted: Channel names or entities.
        """
        latest = frame.rows(len(frame) - 1)
        running = float(latest.column(f"pump-{RIVER_PUMP}.running")[0])
        ordered = float(latest.column(_COMMAND_CHANNEL)[0])
        overridden = {f"pump-{RIVER_PUMP}": "open" if running else "closed"} if running != ordered else {}
        level = f"tank-{CONTROL_TANK}.level"
        doubted = level in distrusted or f"tank-{CONTROL_TANK}" in distrusted
        return Hypothesis(
            overridden=overridden, false_level_m=float(latest.column(level)[0]) if doubted else None
        )

    def predict(
        self,
        levels: Mapping[str, float],
        *,
        start_ns: int,
        hours: float,
        pump_ordered: bool,
        hypothesis: Hypothesis | None = None,
        commands: Sequence[Command] = (),
    ) -> TwinRollout:
        """Run the model from given tank levels.

        Args:
            levels: Level of each tank by entity, m.
            start_ns: Time of the first predicted sample, nanoseconds since 1970-01-01 UTC.
            hours: How far to predict, at most 14 days.
            pump_ordered: Whether the controller orders pump 335 to run at the start.
            hypothesis: What is wrong; None for nothing.
            commands: Commands in force from the start.

        Raises:
            TwinError: If a tank is missing, a level is impossible or the horizon is out of range.
            CommandError: If a command does not exist.
        """
        steps = self._steps(hours)
        self._check_levels(levels)
        board = CommandBoard(COMMANDS)
        for command in commands:
            board.apply(command)
        loop = ClosedLoop(
            interval_s=self.interval_s,
            first_second_of_day=start_ns // NANOSECONDS_PER_SECOND % 86_400,
            board=board,
            interference=_Supposed(hypothesis or Hypothesis()),
            demand=DemandModel(net3(), interval_s=self.interval_s),
            levels_m={key: levels[f"tank-{key}"] for key in TANKS},
            pump_on=pump_ordered,
        )
        values, served = np.empty((steps, len(CHANNELS))), []
        paths = {f"tank-{key}": np.empty(steps) for key in TANKS}
        for row in range(steps):
            for key in TANKS:
                paths[f"tank-{key}"][row] = loop.hydraulics.level_m(key)
            outcome = loop.advance()
            values[row] = outcome.telemetry
            served.append(served_of(outcome.totals))
        loop.hydraulics.close()
        times = start_ns + self.interval_s * NANOSECONDS_PER_SECOND * np.arange(steps)
        return TwinRollout(Frame(times, values, CHANNELS), add_up(served, "m3"), paths)

    def predict_from(
        self,
        frame: Frame,
        *,
        hours: float,
        distrusted: Collection[str] = (),
        trusted_until_ns: int | None = None,
        hypothesis: Hypothesis | None = None,
        commands: Sequence[Command] = (),
    ) -> TwinRollout:
        """Predict what follows a frame of telemetry: levels, orders and hypothesis are read from it.

        Args:
            frame: Telemetry with the plant's channels, ending now.
            hours: How far to predict.
            distrusted: Channel names or entities not to be believed.
            trusted_until_ns: Time up to which the distrusted channels are believed nevertheless.
            hypothesis: What is wrong; None infers it.
            commands: Commands in force, those already applied included.

        Raises:
            TwinError: If the frame does not tell the levels, or as in ``predict``.
        """
        estimates = self.estimate_levels(frame, distrusted, trusted_until_ns=trusted_until_ns)
        return self.predict(
            estimates.levels_m,
            start_ns=int(frame.timestamps_ns[-1]) + self.interval_s * NANOSECONDS_PER_SECOND,
            hours=hours,
            pump_ordered=bool(frame.column(_COMMAND_CHANNEL)[-1]),
            hypothesis=self.infer_hypothesis(frame, distrusted) if hypothesis is None else hypothesis,
            commands=commands,
        )

    def _steps(self, hours: float) -> int:
        if not 0 < hours <= _MOST_HOURS:
            raise TwinError(f"cannot predict {hours} hours", hint=f"give 1 to {_MOST_HOURS}")
        return max(1, round(hours * 3600 / self.interval_s))

    def _check_levels(self, levels: Mapping[str, float]) -> None:
        for key in TANKS:
            tank, level = net3().tanks[key], levels.get(f"tank-{key}")
            if level is None or not 0 <= level <= tank.maximum_m:
                raise TwinError(
                    f"level of tank-{key} is {level}", hint=f"give a level from 0 to {tank.maximum_m:.2f} m"
                )


class _Supposed:
    """A hypothesis as the thing that stands between controller, sensors and pumps."""

    def __init__(self, hypothesis: Hypothesis) -> None:
        self.stuck = {_PUMPS[entity]: state == "open" for entity, state in hypothesis.stuck.items()}
        order = hypothesis.overridden.get(f"pump-{RIVER_PUMP}")
        self._override = None if order is None else order == "open"
        self._false_level_m = hypothesis.false_level_m

    def level(self, _step: int, measured_m: float) -> float:
        return measured_m if self._false_level_m is None else self._false_level_m

    def override(self, _step: int) -> bool | None:
        return self._override
