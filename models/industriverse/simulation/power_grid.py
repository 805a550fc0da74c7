"""A simulated power grid: the 30-bus system with dispatch, protection, relays, meters and an intruder."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industriverse.simulation.grid_case import BRANCHES, BUSES, GENERATORS
from industriverse.simulation.grid_dynamics import (
    NOMINAL_MW,
    GridLaws,
    GridOrders,
    GridState,
    GridStep,
    Intrusion,
    advance_grid,
    day_factor,
    schedule_mw,
)
from industriverse.simulation.grid_flow import GridFlow
from industriverse.simulation.grid_layout import (
    AREAS,
    CHANNELS,
    COMMANDS,
    GENERATOR_NAMES,
    LINE_NAMES,
    VOLTAGE_BUSES,
)
from industriverse.simulation.plant import Command
from industriverse.simulation.stepped_plant import (
    Served,
    StepOutcome,
    SteppedPlant,
    SteppedSpec,
    first_strike,
)
from industriverse.simulation.strikes import Strike, acting, check_strikes

__all__ = ["STRIKE_KINDS", "PowerGridPlant", "grid_orders", "grid_telemetry"]

LINE_OF = {name: position for position, name in LINE_NAMES.items()}
GENERATOR_OF = {name: position for position, name in enumerate(GENERATOR_NAMES)}

STRIKE_KINDS: dict[str, tuple[str, ...]] = {
    "open_breaker": tuple(LINE_OF),
    "set_point": GENERATOR_NAMES[1:],
    "voltage": GENERATOR_NAMES,
    "alter_load": tuple(AREAS),
    "bias_load": ("dispatch",),
    "freeze_load": ("dispatch",),
    "freeze_flow": tuple(LINE_OF),
}
"""What an intruder can do, and to what. ``amount``: MW (set_point), per unit (voltage), share of load added
(alter_load), share added to the reported load (bias_load)."""

_NOISE = {"power": 0.25, "voltage": 0.0008, "flow": 0.25, "state": 0.0}


def grid_orders(commands: Sequence[Command]) -> GridOrders:
    """Commands in force as the grid takes them."""

    def targets(verb: str) -> list[str]:
        return [command.target for command in commands if command.verb == verb]

    return GridOrders(
        held=frozenset(LINE_OF[name] for name in targets("hold_breaker")),
        on_schedule=frozenset(GENERATOR_OF[name] for name in targets("hold_schedule")),
        reserve=frozenset(GENERATOR_OF[name] for name in targets("raise_reserve")),
        local_voltage=frozenset(GENERATOR_OF[name] for name in targets("local_voltage")),
        curtailed=frozenset(targets("curtail_devices")),
        estimated_load=bool(targets("estimate_load")),
        isolated=bool(targets("isolate_substations")),
    )


def grid_telemetry(step: GridStep) -> NDArray[np.float64]:
    """What instruments without noise show of a step, in the order of ``CHANNELS``."""
    volts = np.abs(step.flow.voltage)
    position = {row[0]: place for place, row in enumerate(BUSES)}
    values: list[float] = []
    for generator, row in enumerate(GENERATORS):
        values += [float(step.state.output_mw[generator]), float(volts[position[row[0]]])]
    for branch in LINE_NAMES:
        closed = 0.0 if branch in step.open_branches else 1.0
        values += [float(step.flow.from_mva[branch].real), closed]
    values += [float(step.served_mw[list(buses)].sum()) for buses in AREAS.values()]
    values += [float(volts[bus]) for bus in VOLTAGE_BUSES]
    return np.array([*values, step.reported_mw, step.shed_mw])


class PowerGridPlant(SteppedPlant[SteppedSpec]):
    """Thirty buses under a daily load; see ``grid_dynamics`` for what is in and what is left out.

    Args:
        spec: What determines the run.
    """

    name = "simulation of a power grid (IEEE 30-bus system, AC power flow by lightsim2grid)"

    def __init__(self, spec: SteppedSpec) -> None:
        check_strikes(spec.strikes, STRIKE_KINDS, "lines, generators, areas, dispatch")
        super().__init__(spec, CHANNELS, COMMANDS, "MWh")
        self._random = np.random.default_rng(spec.seed)
        self._grid = GridFlow()
        self._laws = GridLaws()
        factor = self._factor(0)
        self._state = GridState(schedule_mw(factor), np.zeros(len(BRANCHES)))
        self._wander = 0.0
        self._local = np.zeros(len(BUSES))
        self._frozen: dict[str, float] = {}
        self.last: GridStep | None = None

    def _factor(self, step: int) -> float:
        return day_factor((self.spec.start_ns // 10**9 + step * self.spec.interval_s) % 86_400)

    @property
    def attack_began_step(self) -> int | None:
        """First step at which the intruder acted, None so far. For evaluation only."""
        return first_strike(self.spec.strikes, self.step)

    def sample(self, step: int) -> StepOutcome:
        """Run one step."""
        factor = self._factor(step)
        self._wander = 0.95 * self._wander + 0.006 * float(self._random.standard_normal())
        self._local = 0.8 * self._local + 0.012 * self._random.standard_normal(len(BUSES))
        demand = factor * (1.0 + self._wander + self._local)
        moved = advance_grid(
            self._grid,
            self._state,
            grid_orders(self.board.active()),
            self._intrusion(step, float((NOMINAL_MW * demand).sum())),
            demand=demand,
            factor=factor,
            laws=self._laws,
            hours=self.interval_s / 3600,
        )
        self._state, self.last = moved.state, moved
        hours = self.interval_s / 3600
        scale = np.array([_NOISE[channel.quantity or "power"] for channel in CHANNELS])
        values = grid_telemetry(moved) + scale * self._random.standard_normal(len(CHANNELS))
        self._freeze(values, step)
        requested = float(moved.requested_mw.sum())
        return StepOutcome(values, Served(requested * hours, moved.delivered_mw * hours))

    def _intrusion(self, step: int, demand_mw: float) -> Intrusion:
        def on(kind: str) -> list[Strike]:
            found = (acting(self.spec.strikes, kind, target, step) for target in STRIKE_KINDS[kind])
            return [strike for strike in found if strike is not None]

        bias = on("bias_load")
        held = None
        if on("freeze_load"):
            held = self._frozen.setdefault("dispatch.load", demand_mw)
        else:
            self._frozen.pop("dispatch.load", None)
        return Intrusion(
            opened=frozenset(LINE_OF[strike.target] for strike in on("open_breaker")),
            set_points_mw={GENERATOR_OF[strike.target]: strike.amount for strike in on("set_point")},
            voltages_pu={GENERATOR_OF[strike.target]: strike.amount for strike in on("voltage")},
            altered={strike.target: 1.0 + strike.amount for strike in on("alter_load")},
            reported_load=1.0 + bias[0].amount if bias else 1.0,
            reported_mw=held,
        )

    def _freeze(self, values: NDArray[np.float64], step: int) -> None:
        """Repeat flow and breaker state of lines whose meters are held."""
        for column, channel in enumerate(CHANNELS):
            if channel.entity not in LINE_OF:
                continue
            if acting(self.spec.strikes, "freeze_flow", channel.entity, step) is None:
                self._frozen.pop(channel.name, None)
            else:
                values[column] = self._frozen.setdefault(channel.name, float(values[column]))
