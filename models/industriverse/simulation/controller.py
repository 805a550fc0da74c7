"""The logic of the river station and the lake pump, in place of EPANET's own controls."""

from collections.abc import Mapping

from industriverse.simulation.command_board import CommandBoard
from industriverse.simulation.net3 import (
    CONTROL_TANK,
    LAKE_HOURS,
    LAKE_PUMP,
    RIVER_PUMP,
    START_BELOW_M,
    STOP_ABOVE_M,
)
from industriverse.simulation.sensors import Actuators

__all__ = ["StationController"]


class StationController:
    """Two-point control of pump 335 on the level of tank 1, and a clock for pump 10.

    Orders rank: mechanical failure, hand switch at the pump, remote override (unless the controller is
    isolated), controller logic. The bypass is interlocked with the controller's own order, and shut while a
    hand switch runs the pump.

    Args:
        board: The commands in force.
        pump_on: Whether pump 335 is ordered to run at the start.
    """

    def __init__(self, board: CommandBoard, *, pump_on: bool = True) -> None:
        self._board = board
        self._pump_on = pump_on

    def decide(
        self,
        *,
        reported_level_m: float,
        estimated_level_m: float,
        second_of_day: float,
        remote_override: bool | None,
        stuck: Mapping[str, bool] | None = None,
    ) -> Actuators:
        """Choose the state of pumps and bypass for one step.

        Args:
            reported_level_m: Level of tank 1 as it reaches the controller, m.
            estimated_level_m: Level from flow and pressure, m.
            second_of_day: Time of day, s.
            remote_override: State forced on pump 335 over the network, None for none.
            stuck: Pumps that cannot move: id -> running.
        """
        estimated = self._board.holding("use_estimated_level", f"tank-{CONTROL_TANK}") is not None
        level = estimated_level_m if estimated else reported_level_m
        if level < START_BELOW_M:
            self._pump_on = True
        elif level > STOP_ABOVE_M:
            self._pump_on = False
        isolated = self._board.holding("isolate_controller", "plc-1") is not None
        running = self._pump_on
        if remote_override is not None and not isolated:
            running = remote_override
        hand = self._hand(RIVER_PUMP)
        if hand is not None:
            running = hand
        running = (stuck or {}).get(RIVER_PUMP, running)
        lake = self._lake_running(second_of_day, stuck or {})
        return Actuators(
            river_command=self._pump_on,
            river_running=running,
            bypass_open=not self._pump_on and not running,
            lake_running=lake,
            lake_speed=self._lake_speed(),
        )

    def _hand(self, pump: str) -> bool | None:
        command = self._board.holding("force_pump", f"pump-{pump}")
        return None if command is None else command.value == "open"

    def _lake_running(self, second_of_day: float, stuck: Mapping[str, bool]) -> bool:
        hand = self._hand(LAKE_PUMP)
        scheduled = LAKE_HOURS[0] <= second_of_day / 3600 < LAKE_HOURS[1]
        return stuck.get(LAKE_PUMP, scheduled if hand is None else hand)

    def _lake_speed(self) -> float:
        command = self._board.holding("throttle_pump", f"pump-{LAKE_PUMP}")
        return 1.0 if command is None or command.value is None else float(command.value)
