"""How the grid moves in one step: dispatch, power flow, protection, relays that shed load.

What is left out: frequency and voltage swings inside a step, limits of reactive power, taps.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from industriverse.simulation.grid_case import BRANCHES, BUSES, GENERATORS
from industriverse.simulation.grid_flow import Flow, GridFlow
from industriverse.simulation.grid_layout import AREAS

__all__ = [
    "GridLaws",
    "GridOrders",
    "GridState",
    "GridStep",
    "Intrusion",
    "advance_grid",
    "day_factor",
    "schedule_mw",
]

NOMINAL_MW = np.array([row[1] for row in BUSES])
NOMINAL_MVAR = np.array([row[2] for row in BUSES])
LARGEST_MW = np.array([row[2] for row in GENERATORS])
# The rounded case loads line 6-8 to its limit at the published demand. Ratings are raised by this factor, so that the
# clean day peaks at about 85 % of the busiest rating, as a network that is run with care does.
RATING_FACTOR = 1.2
RATING_MVA = RATING_FACTOR * np.array([row[5] for row in BRANCHES])
RAMP_SHARE_PER_HOUR = 0.6
CURTAILED_SHARE = 0.05
RESERVE_SHARE = 0.25
UNDERVOLTAGE_PU, RELAY_BAND_PU = 0.92, 0.06


def day_factor(second_of_day: float) -> float:
    """Demand relative to the published one: a night at 0.62, a morning, an evening peak at 1.02."""
    hour = second_of_day / 3600
    return (
        0.82
        + 0.14 * math.sin(2 * math.pi * (hour - 9.0) / 24)
        + 0.07 * math.sin(4 * math.pi * (hour - 6.0) / 24)
    )


def schedule_mw(factor: float) -> NDArray[np.float64]:
    """Output of each generator for a demand, by its share of what is installed, MW, shape (6,)."""
    return factor * float(NOMINAL_MW.sum()) * 1.02 * LARGEST_MW / float(LARGEST_MW.sum())


@dataclass(frozen=True, slots=True)
class GridLaws:
    """Limits of the equipment as somebody knows them.

    Attributes:
        rating_scale: Factor on the ratings.
        trip_excess: Overload (load/rating)^2 - 1 times hours after which protection opens a branch.
        reclose_hours: After how long a dispatcher recloses what protection opened.
    """

    rating_scale: float = 1.0
    trip_excess: float = 0.2
    reclose_hours: float = 3.0


@dataclass(frozen=True, slots=True)
class GridOrders:
    """Commands in force.

    Attributes:
        held: Branches held closed, by position.
        on_schedule: Generators that follow the schedule.
        reserve: Generators whose reserve is called.
        local_voltage: Generators that hold their own voltage.
        curtailed: Areas whose switchable appliances are off.
        estimated_load: Whether the dispatch adds up the generators' meters.
        isolated: Whether all substations are off remote control.
    """

    held: frozenset[int] = frozenset()
    on_schedule: frozenset[int] = frozenset()
    reserve: frozenset[int] = frozenset()
    local_voltage: frozenset[int] = frozenset()
    curtailed: frozenset[str] = frozenset()
    estimated_load: bool = False
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Intrusion:
    """What somebody else does in a step.

    Attributes:
        opened: Branches ordered open, by position.
        set_points_mw: Foreign orders to generators.
        voltages_pu: Foreign voltage set-points.
        altered: Factor on the load of an area.
        reported_load: What the load's meter reports, given the truth; None for the truth.
        reported_mw: A load reported whatever the truth is, MW.
    """

    opened: frozenset[int] = frozenset()
    set_points_mw: Mapping[int, float] = field(default_factory=dict)
    voltages_pu: Mapping[int, float] = field(default_factory=dict)
    altered: Mapping[str, float] = field(default_factory=dict)
    reported_load: float = 1.0
    reported_mw: float | None = None


@dataclass(frozen=True, slots=True)
class GridState:
    """What lasts from step to step.

    Attributes:
        output_mw: Output of each generator, shape (6,).
        heat: Overload gathered by each branch, shape (41,).
        tripped_hours: Hours since protection opened a branch, by position.
    """

    output_mw: NDArray[np.float64]
    heat: NDArray[np.float64]
    tripped_hours: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GridStep:
    """What happened in a step.

    Attributes:
        state: At the end.
        flow: The power flow.
        open_branches: Positions of open branches.
        requested_mw: Demand without anything that somebody else switched on, by bus.
        served_mw: What was delivered of everything that was asked for, by bus.
        asked_mw: Everything that was asked for, by bus.
        reported_mw: What the load's meter said.
        shed_mw: Load cut by relays.
        voltages_pu: Set-points of the generators.
    """

    state: GridState
    flow: Flow
    open_branches: frozenset[int]
    requested_mw: NDArray[np.float64]
    served_mw: NDArray[np.float64]
    asked_mw: NDArray[np.float64]
    reported_mw: float
    shed_mw: float
    voltages_pu: NDArray[np.float64]

    @property
    def delivered_mw(self) -> float:
        """Genuine demand that was met: of each bus the share that it got of what it asked for."""
        share = np.divide(self.served_mw, self.asked_mw, out=np.zeros(len(BUSES)), where=self.asked_mw > 0)
        return float((self.requested_mw * np.minimum(share, 1.0)).sum())


def advance_grid(
    grid: GridFlow,
    state: GridState,
    orders: GridOrders,
    intrusion: Intrusion,
    *,
    demand: NDArray[np.float64],
    factor: float,
    laws: GridLaws,
    hours: float,
) -> GridStep:
    """One step.

    Args:
        grid: The network.
        state: At the beginning.
        orders: Commands in force.
        intrusion: What somebody else does.
        demand: Factor on the published demand of each bus, shape (30,).
        factor: Factor that the day-ahead schedule expected.
        laws: Limits of the equipment.
        hours: Length of the step.
    """
    requested = NOMINAL_MW * demand
    asked = requested.copy()
    for area, buses in AREAS.items():
        rows = list(buses)
        if area in orders.curtailed:
            # What is off can neither be wanted nor be abused.
            asked[rows] *= 1.0 - CURTAILED_SHARE
        else:
            asked[rows] *= intrusion.altered.get(area, 1.0)
    remote = not orders.isolated
    opened = {branch for branch in intrusion.opened if remote and branch not in orders.held}
    tripped = dict(state.tripped_hours)
    open_branches = frozenset(opened | set(tripped))
    reported = float(asked.sum()) * intrusion.reported_load
    if intrusion.reported_mw is not None:
        reported = intrusion.reported_mw
    believed = float(asked.sum()) if orders.estimated_load else reported
    output = _dispatch(state, orders, intrusion, believed, factor, hours)
    voltages = np.ones(len(GENERATORS))
    for generator, value in intrusion.voltages_pu.items():
        if remote and generator not in orders.local_voltage:
            voltages[generator] = value
    flow, served = _serve(grid, asked, output, voltages, open_branches)
    output = output.copy()
    output[0] = flow.slack_mw
    heat, now = _protect(state.heat, flow, laws, hours)
    kept = {b: h + hours for b, h in tripped.items() if h + hours < laws.reclose_hours}
    kept |= dict.fromkeys(now, 0.0)
    heat[now] = 0.0
    return GridStep(
        state=GridState(output, heat, kept),
        flow=flow,
        open_branches=open_branches,
        requested_mw=requested,
        served_mw=served,
        asked_mw=np.maximum(asked, requested),
        reported_mw=reported,
        shed_mw=float(asked.sum() - served.sum()),
        voltages_pu=voltages,
    )


def _dispatch(
    state: GridState,
    orders: GridOrders,
    intrusion: Intrusion,
    believed_mw: float,
    factor: float,
    hours: float,
) -> NDArray[np.float64]:
    """Set-points by share of what is installed, reached as fast as the machines can."""
    wanted = schedule_mw(believed_mw / float(NOMINAL_MW.sum()))
    planned = schedule_mw(factor)
    for generator in range(1, len(GENERATORS)):
        if orders.isolated or generator in orders.on_schedule:
            wanted[generator] = planned[generator]
        elif generator in intrusion.set_points_mw:
            wanted[generator] = intrusion.set_points_mw[generator]
        if generator in orders.reserve:
            wanted[generator] += RESERVE_SHARE * LARGEST_MW[generator]
    wanted = np.clip(wanted, 0.0, LARGEST_MW)
    step = RAMP_SHARE_PER_HOUR * hours * LARGEST_MW
    return np.asarray(state.output_mw + np.clip(wanted - state.output_mw, -step, step))


def _serve(
    grid: GridFlow,
    asked: NDArray[np.float64],
    output: NDArray[np.float64],
    voltages: NDArray[np.float64],
    open_branches: frozenset[int],
) -> tuple[Flow, NDArray[np.float64]]:
    """The power flow after the relays have cut what cannot be carried, and what each bus gets, MW."""
    kept = np.ones(len(BUSES))
    generation = {generator: float(output[generator]) for generator in range(1, len(GENERATORS))}
    volts = {generator: float(voltages[generator]) for generator in range(len(GENERATORS))}
    for _ in range(6):
        power_factor = np.divide(NOMINAL_MVAR, NOMINAL_MW, out=np.zeros(len(BUSES)), where=NOMINAL_MW > 0)
        load = asked * kept
        flow = grid.solve(load, load * power_factor, generation, volts, open_branches)
        if not flow.converged:
            kept = kept * 0.8
            continue
        before = kept.copy()
        missing = flow.slack_mw - LARGEST_MW[0]
        if missing > 0.01:
            # Under-frequency relays cut everywhere alike what the balancing generator cannot give.
            kept = kept * max(0.0, 1.0 - 1.02 * missing / max(float(load.sum()), 1e-9))
        level = np.abs(flow.voltage)
        low = (level < UNDERVOLTAGE_PU) & (level > 0)
        cut = np.where(low, np.clip((UNDERVOLTAGE_PU - level) / RELAY_BAND_PU, 0.0, 0.5), 0.0)
        kept = kept * (1.0 - cut)
        if np.allclose(kept, before):
            break
    served = np.array(asked * kept)
    served[list(flow.dark)] = 0.0
    return flow, served


def _protect(
    heat: NDArray[np.float64], flow: Flow, laws: GridLaws, hours: float
) -> tuple[NDArray[np.float64], list[int]]:
    """Overload gathered, and branches that protection opens now: an inverse-time law on the square of the load."""
    excess = (flow.loading_mva / (laws.rating_scale * RATING_MVA)) ** 2 - 1.0
    gathered = np.where(excess > 0, heat + excess * hours, heat * math.exp(-hours / 0.5))
    return gathered, [int(branch) for branch in np.flatnonzero(gathered > laws.trip_excess)]
