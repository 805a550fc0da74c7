"""The dispatcher's view of the power grid: what is open, driven or falsified by somebody else, and what follows.

The dispatcher solves the same power-flow equations with reactances known to a few percent, ratings taken 5 % lower and
nominal demand; breakers, set-points, voltages and loads are read from telemetry against the schedule.
"""

from collections.abc import Sequence

import numpy as np

from industriverse.signals import NANOSECONDS_PER_SECOND, Frame
from industriverse.simulation.errors import TwinError
from industriverse.simulation.grid_case import BRANCHES, BUSES, GENERATORS
from industriverse.simulation.grid_dynamics import (
    NOMINAL_MW,
    GridLaws,
    GridOrders,
    GridState,
    Intrusion,
    advance_grid,
    day_factor,
    schedule_mw,
)
from industriverse.simulation.grid_flow import GridFlow
from industriverse.simulation.grid_layout import AREAS, CHANNELS, GENERATOR_NAMES, LINE_NAMES
from industriverse.simulation.plant import Command, CommandSpec, Prediction
from industriverse.simulation.power_grid import grid_orders, grid_telemetry
from industriverse.simulation.stepped_plant import Served, add_up

__all__ = ["GridOperator"]

RECENT_SAMPLES = 2
SET_POINT_MW, VOLTAGE_PU, LOAD_SHARE, METER_SHARE = 6.0, 0.008, 0.10, 0.05
"""Deviations from schedule, set-point, nominal load and balance that are not noise."""

REACTANCE_ERROR = 0.03
MODEL_SEED = 20_260_105


class GridOperator:
    """Telemetry in, expectations out; see ``plant.OperatorModel``.

    Args:
        interval_s: Seconds between predicted samples.
    """

    horizon_hours = 18.0
    settling_hours = 3.0
    evidence_hours = 20.0

    def __init__(self, interval_s: int) -> None:
        self._interval_s = interval_s
        errors = np.random.default_rng(MODEL_SEED).standard_normal(len(BRANCHES))
        self._grid = GridFlow(1.0 + REACTANCE_ERROR * errors)
        self._laws = GridLaws(rating_scale=0.95)
        self._start_ns: int | None = None
        self._intrusion = Intrusion()
        self._output = np.zeros(len(GENERATORS))

    def _second(self, row: int) -> float:
        assert self._start_ns is not None
        return float((self._start_ns // NANOSECONDS_PER_SECOND + row * self._interval_s) % 86_400)

    def observe(self, frame: Frame, clean: Frame, active: Sequence[Command]) -> None:  # noqa: ARG002
        """Read what differs from schedule, set-points and balance."""
        recent = frame.rows(max(0, len(frame) - RECENT_SAMPLES))

        def mean(name: str) -> float:
            return float(recent.column(name).mean())

        self._start_ns = int(frame.timestamps_ns[-1]) + self._interval_s * NANOSECONDS_PER_SECOND
        factor = day_factor(float(frame.timestamps_ns[-1] // NANOSECONDS_PER_SECOND % 86_400))
        orders = grid_orders(active)
        self._output = np.array([mean(f"{name}.power") for name in GENERATOR_NAMES])
        generated = float(self._output.sum())
        reported = mean("dispatch.load")
        # Losses are about 2 % of what is generated; what relays cut was asked for too.
        asked = 0.98 * generated + mean("dispatch.shed")
        bias = reported / asked if asked > 0 else 1.0
        believed = asked if orders.estimated_load else reported
        wanted = schedule_mw(believed / float(NOMINAL_MW.sum()))
        planned = schedule_mw(factor)
        set_points = {}
        for generator in range(1, len(GENERATORS)):
            expected = wanted[generator]
            if orders.isolated or generator in orders.on_schedule:
                expected = planned[generator]
            if generator in orders.reserve:
                continue
            if abs(self._output[generator] - expected) > SET_POINT_MW:
                last = frame.column(f"{GENERATOR_NAMES[generator]}.power")
                # Still on the way: the order lies farther out than the output has come.
                drift = float(last[-1] - last[-min(3, len(last))])
                set_points[generator] = float(max(0.0, self._output[generator] + 3 * drift))
        hidden = self._hidden(frame, orders)
        set_points |= hidden.set_points_mw
        self._intrusion = Intrusion(
            opened=hidden.opened
            | frozenset(b for b, name in LINE_NAMES.items() if mean(f"{name}.closed") < 0.75),
            set_points_mw=set_points,
            voltages_pu=dict(hidden.voltages_pu)
            | {
                generator: mean(f"{name}.voltage")
                for generator, name in enumerate(GENERATOR_NAMES)
                if 0.5 < mean(f"{name}.voltage") < 1.0 - VOLTAGE_PU
                or mean(f"{name}.voltage") > 1.0 + VOLTAGE_PU
            },
            altered=self._altered(recent, factor, orders.curtailed) | dict(hidden.altered),
            reported_load=bias if abs(bias - 1.0) > METER_SHARE else 1.0,
        )

    def _hidden(self, frame: Frame, orders: GridOrders) -> Intrusion:
        """What the measures in force keep from showing: what was there before them is taken to be there still."""
        opened = frozenset(
            b for b in orders.held if float(frame.column(f"{LINE_NAMES[b]}.closed").min()) < 0.5
        )
        voltages, set_points = {}, {}
        for generator in orders.local_voltage:
            seen = frame.column(f"{GENERATOR_NAMES[generator]}.voltage")
            farthest = float(seen[np.argmax(np.abs(seen - 1.0))])
            if abs(farthest - 1.0) > VOLTAGE_PU:
                voltages[generator] = farthest
        seconds = (frame.timestamps_ns // NANOSECONDS_PER_SECOND) % 86_400
        factors = np.array([day_factor(float(second)) for second in seconds])
        for generator in orders.on_schedule:
            seen = frame.column(f"{GENERATOR_NAMES[generator]}.power")
            planned = schedule_mw(1.0)[generator] * factors
            if float((planned - seen).max()) > SET_POINT_MW:
                set_points[generator] = max(0.0, float(seen.min()))
        altered = {}
        for area in orders.curtailed:
            nominal = float(NOMINAL_MW[list(AREAS[area])].sum()) * factors
            share = float((frame.column(f"{area}.load") / nominal).max())
            if share > 1.0 + LOAD_SHARE:
                altered[area] = share
        return Intrusion(opened=opened, set_points_mw=set_points, voltages_pu=voltages, altered=altered)

    def _altered(self, recent: Frame, factor: float, curtailed: frozenset[str]) -> dict[str, float]:
        """Areas that take more than an ordinary day explains, as factors."""
        found = {}
        for area, buses in AREAS.items():
            expected = factor * float(NOMINAL_MW[list(buses)].sum())
            share = float(recent.column(f"{area}.load").mean()) / expected
            if share > 1.0 + LOAD_SHARE and area not in curtailed:
                found[area] = share
        return found

    def offers(self, spec: CommandSpec) -> bool:
        """What is as it should be is left alone; reserves and customers help against any shortage."""
        seen = self._intrusion
        name = spec.target
        return {
            "hold_breaker": any(LINE_NAMES[branch] == name for branch in seen.opened),
            "hold_schedule": any(GENERATOR_NAMES[g] == name for g in seen.set_points_mw)
            or seen.reported_load != 1.0,
            "local_voltage": any(GENERATOR_NAMES[g] == name for g in seen.voltages_pu),
            "curtail_devices": name in seen.altered,
            "estimate_load": seen.reported_load != 1.0,
        }.get(spec.verb, True)

    def predict(self, commands: Sequence[Command]) -> Prediction:
        """What follows with these commands in force.

        Raises:
            TwinError: If nothing was observed yet.
        """
        if self._start_ns is None:
            raise TwinError("nothing was observed yet", hint="call observe first")
        steps = round(self.horizon_hours * 3600 / self._interval_s)
        orders, hours = grid_orders(commands), self._interval_s / 3600
        state = GridState(self._output, np.zeros(len(BRANCHES)))
        values, served = np.empty((steps, len(CHANNELS))), []
        for row in range(steps):
            factor = day_factor(self._second(row))
            step = advance_grid(
                self._grid,
                state,
                orders,
                self._intrusion,
                demand=np.full(len(BUSES), factor),
                factor=factor,
                laws=self._laws,
                hours=hours,
            )
            state = step.state
            values[row] = grid_telemetry(step)
            served.append(Served(float(step.requested_mw.sum()) * hours, step.delivered_mw * hours))
        times = self._start_ns + self._interval_s * NANOSECONDS_PER_SECOND * np.arange(steps)
        return Prediction(Frame(times, values, CHANNELS), add_up(served, "MWh"))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is taken to be somebody else's doing, in words."""
        seen = self._intrusion
        return (
            *(f"{LINE_NAMES[branch]} is open" for branch in sorted(seen.opened)),
            *(f"{GENERATOR_NAMES[g]} goes to {p:.0f} MW" for g, p in seen.set_points_mw.items()),
            *(f"{GENERATOR_NAMES[g]} holds {v:.3f} per unit" for g, v in seen.voltages_pu.items()),
            *(f"{area} takes {share:.0%} of its load" for area, share in seen.altered.items()),
            *((f"the load's meter shows {seen.reported_load:.0%}",) if seen.reported_load != 1.0 else ()),
        )
