"""One step of the loop that plant and twin share: demand, controller, hydraulics, instruments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from industriverse.simulation.command_board import CommandBoard
from industriverse.simulation.controller import StationController
from industriverse.simulation.demand import DemandModel
from industriverse.simulation.hydraulics import HydraulicNetwork, StepTotals
from industriverse.simulation.level_estimator import LevelEstimator
from industriverse.simulation.net3 import (
    BYPASS,
    CHANNELS,
    CONTROL_TANK,
    LAKE_PUMP,
    RIVER_PUMP,
    SPILLING_TANKS,
    net3,
)
from industriverse.simulation.sensors import Actuators, noise_sd, read_instruments

__all__ = ["ClosedLoop", "Interference", "StepOutcome"]

_NAMES = [channel.name for channel in CHANNELS]
_LEVEL = _NAMES.index(f"tank-{CONTROL_TANK}.level")
_PRESSURE = _NAMES.index(f"tank-{CONTROL_TANK}.base_pressure")
_OUTFLOW = _NAMES.index(f"tank-{CONTROL_TANK}.outflow")


class Interference(Protocol):
    """Whatever stands between controller, instruments and pumps."""

    @property
    def stuck(self) -> Mapping[str, bool]:
        """Pumps that cannot move: id -> running."""
        ...

    def level(self, step: int, measured_m: float) -> float:
        """The level of tank 1 that controller and telemetry get, m."""
        ...

    def override(self, step: int) -> bool | None:
        """State forced on pump 335 over the network, None for none."""
        ...


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Telemetry of one sample and the volumes until the next."""

    telemetry: NDArray[np.float64]
    totals: StepTotals


class ClosedLoop:
    """The river station, the lake pump and the network between them.

    Args:
        interval_s: Length of a step, s.
        first_second_of_day: Time of day at step 0, s.
        board: Commands in force.
        interference: What disturbs level and pump.
        demand: What customers ask for.
        generator: Source of instrument noise; None for none.
        levels_m: Tank levels at the first step run; None for the file's.
        pump_on: Whether pump 335 is ordered to run at first.
        first_step: Number of the first step; negative while warming up.
    """

    def __init__(
        self,
        *,
        interval_s: int,
        first_second_of_day: float,
        board: CommandBoard,
        interference: Interference,
        demand: DemandModel,
        generator: np.random.Generator | None = None,
        levels_m: Mapping[str, float] | None = None,
        pump_on: bool = True,
        first_step: int = 0,
    ) -> None:
        self.hydraulics = HydraulicNetwork(
            net3(), interval_s=interval_s, levels_m=levels_m, spilling=SPILLING_TANKS
        )
        self.step = first_step
        self._interval_s = interval_s
        self._first_second_of_day = first_second_of_day
        self._board = board
        self._interference = interference
        self._demand = demand
        self._generator = generator
        self._noise_sd = noise_sd(CHANNELS)
        self._controller = StationController(board, pump_on=pump_on)
        self._estimator = LevelEstimator(net3().tanks[CONTROL_TANK], interval_s=interval_s)

    def advance(self) -> StepOutcome:
        """Run one step."""
        second_of_day = (self._first_second_of_day + self.step * self._interval_s) % 86_400
        noise = 0.0 * self._noise_sd
        if self._generator is not None:
            noise = self._noise_sd * self._generator.standard_normal(noise.size)
        measured = self.hydraulics.level_m(CONTROL_TANK) + float(noise[_LEVEL])
        by_radio = self._interference.level(self.step, measured)
        wired = self._board.holding("switch_sensor_link", f"tank-{CONTROL_TANK}") is not None
        reported = measured if wired else by_radio
        actuators = self._controller.decide(
            reported_level_m=reported,
            estimated_level_m=self._estimator.level_m,
            second_of_day=second_of_day,
            remote_override=self._interference.override(self.step),
            stuck=self._interference.stuck,
        )
        self.hydraulics.set_demands(self._demand.next(second_of_day))
        self._drive(actuators)
        self.hydraulics.solve()
        telemetry = read_instruments(CHANNELS, self.hydraulics, actuators) + noise
        telemetry[_LEVEL] = reported
        self._estimator.correct(
            pressure_m=float(telemetry[_PRESSURE]), outflow_m3_h=float(telemetry[_OUTFLOW])
        )
        self._estimator.predict(float(telemetry[_OUTFLOW]))
        self.step += 1
        return StepOutcome(telemetry, self.hydraulics.finish_step())

    def _drive(self, actuators: Actuators) -> None:
        self.hydraulics.set_link(RIVER_PUMP, is_open=actuators.river_running)
        self.hydraulics.set_link(BYPASS, is_open=actuators.bypass_open)
        self.hydraulics.set_link(LAKE_PUMP, is_open=actuators.lake_running)
        if actuators.lake_running:
            self.hydraulics.set_speed(LAKE_PUMP, actuators.lake_speed)
