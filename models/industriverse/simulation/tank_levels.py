"""Tank levels from telemetry of which some is not believed, each with a bound on its error."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from industriverse.signals import Frame
from industriverse.simulation.errors import TwinError
from industriverse.simulation.level_estimator import LevelEstimator
from industriverse.simulation.net3 import TANKS, net3

__all__ = ["LevelEstimates", "estimate_levels"]

# Three standard deviations of the filter, and what the flow meter, read once a step, misses between readings.
_BOUND_SDS, _BOUND_FLOOR_M = 3.0, 0.05


@dataclass(frozen=True, slots=True)
class LevelEstimates:
    """Levels at the time of the sample after the last one given.

    Attributes:
        levels_m: Best estimate by entity, m.
        bounds_m: Bound on its error by entity, m: three standard deviations of the filter and 5 cm.
    """

    levels_m: Mapping[str, float]
    bounds_m: Mapping[str, float]


def estimate_levels(
    frame: Frame, distrusted: Collection[str] = (), *, trusted_until_ns: int | None = None
) -> LevelEstimates:
    """Filter every tank's level through a frame (see ``LevelEstimator`` for the equations).

    Trusted level sensors are used. A distrusted one is replaced by mass balance from the last trusted sample,
    corrected by the pressure at the tank's foot unless that is distrusted too.

    Args:
        frame: Telemetry with the plant's channels, evenly sampled, two samples or more.
        distrusted: Names of channels (``tank-1.level``) or of entities (``tank-1``: its level sensor; the
        other
            instruments of the tank are separate devices and must be named).
        trusted_until_ns: Time up to which distrusted channels are believed nevertheless; None for never.

    Raises:
        TwinError: If the frame is too short, lacks a channel, or nothing trusted tells a tank's level.
    """
    if len(frame) < 2:
        raise TwinError(f"{len(frame)} samples do not tell a level", hint="give two samples or more")
    levels, bounds = {}, {}
    for key in TANKS:
        estimator = _filtered(frame, key, distrusted, trusted_until_ns)
        entity = f"tank-{key}"
        if not math.isfinite(estimator.level_m):
            raise TwinError(
                f"nothing trusted tells the level of {entity}",
                hint="give telemetry from before the sensors were distrusted and its trusted_until_ns",
            )
        levels[entity] = estimator.level_m
        bounds[entity] = _BOUND_SDS * estimator.sd_m + _BOUND_FLOOR_M
    return LevelEstimates(levels, bounds)


def _filtered(
    frame: Frame, key: str, distrusted: Collection[str], trusted_until_ns: int | None
) -> LevelEstimator:
    entity = f"tank-{key}"
    names = [f"{entity}.level", f"{entity}.base_pressure", f"{entity}.outflow"]
    missing = [name for name in names if name not in frame.names]
    if missing:
        raise TwinError(f"telemetry has no channel {missing[0]!r}", hint="give the plant's own telemetry")
    doubted = [name in distrusted for name in names]
    doubted[0] = doubted[0] or entity in distrusted
    columns = [frame.column(name) for name in names]
    estimator = LevelEstimator(net3().tanks[key], interval_s=frame.interval_s)
    for row, time_ns in enumerate(frame.timestamps_ns):
        believed = trusted_until_ns is not None and time_ns <= trusted_until_ns
        level, pressure, outflow = (
            float(column[row]) if believed or not doubt else math.nan
            for column, doubt in zip(columns, doubted, strict=True)
        )
        estimator.observe_level(level)
        estimator.correct(pressure_m=pressure, outflow_m3_h=outflow)
        if math.isfinite(estimator.level_m):
            estimator.predict(outflow)
    return estimator
