"""The operator's view of the water network: which level sensors to believe, and what commands lead to."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from industriverse.signals import Frame
from industriverse.simulation.errors import TwinError
from industriverse.simulation.net3 import CONTROL_TANK, RIVER_PUMP
from industriverse.simulation.plant import Command, CommandSpec, Prediction
from industriverse.simulation.twin import Hypothesis, WaterNetworkTwin

__all__ = ["WaterOperator", "distrusted_levels"]

_RIVER = f"pump-{RIVER_PUMP}"
_LEVEL = f"tank-{CONTROL_TANK}.level"

CLEAN_LOOKS = 60
"""Stretches of clean telemetry that show how far sensors of one tank ordinarily are apart."""

MEMORY_STRIDE = 4
"""Samples between two looks back."""

DISTRUST_FACTOR = 2.0
"""Times the largest ordinary contradiction from which a sensor is not believed."""


def _contradiction(frame: Frame, name: str, twin: WaterNetworkTwin) -> float:
    """How far a level sensor is from the level that flow and pressure at its own tank tell, m."""
    estimate = twin.estimate_levels(frame, {name})
    return abs(float(frame.column(name)[-1]) - estimate.levels_m[name.removesuffix(".level")])


def distrusted_levels(frame: Frame, clean: Frame, twin: WaterNetworkTwin) -> frozenset[str]:
    """Level sensors that contradict flow and pressure at their own tank more than they ever did when clean.

    Args:
        frame: Latest telemetry.
        clean: Clean telemetry; contradictions at the ends of CLEAN_LOOKS stretches of it are the yardstick.
        twin: The operator's model.
    """
    names = [name for name in frame.names if name.endswith(".level")]
    length = len(frame)
    return frozenset(
        name
        for name in names
        if _contradiction(frame, name, twin) > DISTRUST_FACTOR * _ordinary(clean, name, length, twin)
    )


def _ordinary(clean: Frame, name: str, length: int, twin: WaterNetworkTwin) -> float:
    """The largest contradiction that a sensor showed when clean, m."""
    stops = np.linspace(length, len(clean), CLEAN_LOOKS).astype(int)
    return max(_contradiction(clean.rows(stop - length, stop), name, twin) for stop in stops)


def _last_false_level(frame: Frame, clean: Frame, twin: WaterNetworkTwin) -> float | None:
    """What tank 1's level was last reported as while it was not to be believed, m; None if it always was."""
    length = len(frame) // 2
    ordinary = _ordinary(clean, _LEVEL, length, twin)
    for stop in range(len(frame), length - 1, -MEMORY_STRIDE):
        window = frame.rows(stop - length, stop)
        if _contradiction(window, _LEVEL, twin) > DISTRUST_FACTOR * ordinary:
            return float(window.column(_LEVEL)[-1])
    return None


def _first_disobedience(frame: Frame) -> str | None:
    """What the river pump did when it first did not do as ordered, None if it always obeyed."""
    running, ordered = frame.column(f"{_RIVER}.running"), frame.column(f"plc-1.{_RIVER}.command")
    disobeyed = np.flatnonzero(running != ordered)
    return None if not disobeyed.size else ("open" if running[disobeyed[0]] else "closed")


class WaterOperator:
    """Telemetry in, expectations out; see ``plant.OperatorModel``.

    Args:
        interval_s: Seconds between predicted samples.
    """

    horizon_hours = 48.0
    # Two cycles of demand: one to settle, one to see where the plant has settled.
    settling_hours = 24.0
    evidence_hours = 24.0

    def __init__(self, interval_s: int) -> None:
        self._twin = WaterNetworkTwin(interval_s=interval_s)
        self._frame: Frame | None = None
        self._distrusted: frozenset[str] = frozenset()
        self._hypothesis = Hypothesis()

    def observe(self, frame: Frame, clean: Frame, active: Sequence[Command]) -> None:
        """Read which levels to believe and which pump obeys somebody else, now or earlier in the frame."""
        self._frame = frame
        self._distrusted = distrusted_levels(frame, clean, self._twin)
        self._hypothesis = self._twin.infer_hypothesis(frame, self._distrusted)
        if any(command.verb == "switch_sensor_link" for command in active):
            # The wire tells the truth now; the radio, read again without it, goes on lying.
            false_level_m = _last_false_level(frame, clean, self._twin)
            self._hypothesis = replace(self._hypothesis, false_level_m=false_level_m)
        cut_off = any(command.verb == "isolate_controller" for command in active)
        forced = any((c.verb, c.target) == ("force_pump", _RIVER) for c in active)
        if cut_off or not (forced or not self._hypothesis.overridden):
            return
        # An intruder who wants what the controller orders anyway cannot be seen; he is still there.
        earlier = _first_disobedience(frame)
        if earlier is not None:
            self._hypothesis = replace(self._hypothesis, overridden={_RIVER: earlier})

    def offers(self, spec: CommandSpec) -> bool:  # noqa: ARG002
        """Every command may matter: all of them act on the one loop of pump, tank and controller."""
        return True

    def predict(self, commands: Sequence[Command]) -> Prediction:
        """What follows with these commands in force.

        Raises:
            TwinError: If nothing was observed yet.
        """
        if self._frame is None:
            raise TwinError("nothing was observed yet", hint="call observe first")
        rollout = self._twin.predict_from(
            self._frame,
            hours=self.horizon_hours,
            distrusted=self._distrusted,
            hypothesis=self._hypothesis,
            commands=commands,
        )
        return Prediction(rollout.frame, rollout.service)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Sensors not believed and pumps that obey a foreign order."""
        sensors = tuple(f"{name} is not believed" for name in sorted(self._distrusted))
        pumps = tuple(f"{pump} is held {state}" for pump, state in self._hypothesis.overridden.items())
        return sensors + pumps
