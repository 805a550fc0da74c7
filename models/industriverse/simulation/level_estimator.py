"""The level of a tank without its level sensor: mass balance corrected by the pressure at its foot."""

import math

from industriverse.simulation.net3 import STUBS
from industriverse.simulation.network_file import Tank
from industriverse.simulation.sensors import NOISE_SD

__all__ = ["LevelEstimator"]

# The flow is held over a step while it really drifts; this share of it is uncertain.
_FLOW_DRIFT_SHARE = 0.05
# Below zero gauge pressure the outlet is dry or shut and the gauge says nothing about the level.
_LOWEST_USEFUL_PRESSURE_M = 0.3


class LevelEstimator:
    """Scalar Kalman filter on one tank (R. E. Kalman, 1960, https://doi.org/10.1115/1.3662552).

    State: level L. Balance: L(t+dt) = L(t) - Q dt / A, Q the metered outflow. Measurement: L = p + h(Q), p
    the pressure head at the tank's foot and h the Hazen-Williams loss of the stub between tank and gauge.

    Args:
        tank: The tank.
        interval_s: Time between readings, s.

    Attributes:
        level_m: Best estimate, m; NaN before the first reading.
        sd_m: Its standard deviation, m.
    """

    def __init__(self, tank: Tank, *, interval_s: float) -> None:
        self._tank, self._stub = tank, STUBS[tank.id]
        self._interval_s = interval_s
        self.level_m = math.nan
        self.sd_m = math.inf

    def start(self, level_m: float, sd_m: float) -> None:
        """Begin from a trusted level."""
        self.level_m, self.sd_m = level_m, sd_m

    def correct(self, *, pressure_m: float, outflow_m3_h: float) -> None:
        """Use the gauge at the tank's foot; ignored where it is missing or says nothing."""
        if not (math.isfinite(pressure_m) and math.isfinite(outflow_m3_h)):
            return
        if pressure_m < _LOWEST_USEFUL_PRESSURE_M:
            return
        measured = pressure_m + self._stub.head_loss_m(outflow_m3_h)
        if not math.isfinite(self.level_m):
            self.start(measured, NOISE_SD["pressure"])
            return
        gain = self.sd_m**2 / (self.sd_m**2 + NOISE_SD["pressure"] ** 2)
        self.level_m = self._clip(self.level_m + gain * (measured - self.level_m))
        self.sd_m *= math.sqrt(1 - gain)

    def observe_level(self, level_m: float) -> None:
        """Use a trusted reading of the level sensor."""
        if not math.isfinite(level_m):
            return
        if not math.isfinite(self.level_m):
            self.start(level_m, NOISE_SD["level"])
            return
        gain = self.sd_m**2 / (self.sd_m**2 + NOISE_SD["level"] ** 2)
        self.level_m += gain * (level_m - self.level_m)
        self.sd_m *= math.sqrt(1 - gain)

    def predict(self, outflow_m3_h: float) -> None:
        """Move one interval on by the mass balance; a missing flow only adds uncertainty."""
        per_flow_m = self._interval_s / 3600 / self._tank.area_m2
        known = math.isfinite(outflow_m3_h)
        flow = outflow_m3_h if known else 0.0
        # Without a meter the flow may be anything that the stub carries; 500 m3/h is a usual size here.
        flow_sd = math.hypot(NOISE_SD["flow"], _FLOW_DRIFT_SHARE * flow) if known else 500.0
        self.level_m = self._clip(self.level_m - flow * per_flow_m)
        self.sd_m = math.hypot(self.sd_m, flow_sd * per_flow_m)

    def _clip(self, level_m: float) -> float:
        return min(max(level_m, self._tank.minimum_m), self._tank.maximum_m)
