"""AC power flow of the 30-bus system under any set of open branches; islands without the slack bus are dark.

The equations are solved by lightsim2grid (Newton-Raphson); branch flows are computed here from its voltages by the pi
model, S_f = V_f conj((y + jb/2) V_f - y V_t), so that a test can balance every bus independently of the solver.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from industriverse.simulation.errors import SimulationError
from industriverse.simulation.grid_case import BASE_MVA, BRANCHES, BUSES, GENERATORS, matpower_case

__all__ = ["Flow", "GridFlow"]

_NUMBERS = [row[0] for row in BUSES]
_POSITION = {number: position for position, number in enumerate(_NUMBERS)}
_FROM = np.array([_POSITION[row[0]] for row in BRANCHES])
_TO = np.array([_POSITION[row[1]] for row in BRANCHES])
_SLACK = _POSITION[GENERATORS[0][0]]
_TOLERANCE, _MOST_ITERATIONS = 1e-10, 20


@dataclass(frozen=True, slots=True)
class Flow:
    """A solved state.

    Attributes:
        voltage: Complex bus voltages, per unit, shape (30,); 0 where the bus is dark.
        from_mva: Complex power into each branch at its first end, MVA, shape (41,).
        to_mva: The same at its second end.
        slack_mw: Output of the generator that balances, MW.
        dark: Positions of buses without supply.
        converged: Whether there is a solution; without one everything is dark.
    """

    voltage: NDArray[np.complex128]
    from_mva: NDArray[np.complex128]
    to_mva: NDArray[np.complex128]
    slack_mw: float
    dark: frozenset[int]
    converged: bool

    @property
    def loading_mva(self) -> NDArray[np.float64]:
        """Apparent power of each branch at its busier end, MVA, shape (41,)."""
        return np.maximum(np.abs(self.from_mva), np.abs(self.to_mva))


class GridFlow:
    """Solves the network; grids of the same topology are built once.

    Args:
        reactance_scale: Factor on each branch's reactance, shape (41,): 1 for the plant, other numbers for whoever
            knows the network only roughly.

    Raises:
        SimulationError: If lightsim2grid is not installed.
    """

    def __init__(self, reactance_scale: NDArray[np.float64] | None = None) -> None:
        try:
            from lightsim2grid.network import init_from_matpower
        except ImportError as error:
            raise SimulationError(
                "the power grid needs lightsim2grid", hint="pip install 'industriverse[twins]'"
            ) from error
        self._build = init_from_matpower
        scale = np.ones(len(BRANCHES)) if reactance_scale is None else reactance_scale
        self._x = np.array([row[3] for row in BRANCHES]) * scale
        resistance = np.array([row[2] for row in BRANCHES])
        self._y = 1.0 / (resistance + 1j * self._x)
        self._half_charge = 0.5j * np.array([row[4] for row in BRANCHES])
        self._grids: dict[frozenset[int], tuple[Any, list[int], list[int], list[int]]] = {}

    def solve(
        self,
        load_mw: NDArray[np.float64],
        load_mvar: NDArray[np.float64],
        generation_mw: Mapping[int, float],
        voltage_pu: Mapping[int, float],
        open_branches: frozenset[int],
    ) -> Flow:
        """One power flow.

        Args:
            load_mw: Active demand by bus, MW, shape (30,).
            load_mvar: Reactive demand by bus, Mvar, shape (30,).
            generation_mw: Output by position in ``GENERATORS``; the first balances and is ignored.
            voltage_pu: Voltage held by each generator, per unit.
            open_branches: Positions of branches that are open.
        """
        dead = _dark_buses(open_branches)
        if len(dead) == len(BUSES) - 1:
            return _alone(load_mw, float(voltage_pu[0]), dead)
        grid, live, loads, generators = self._grid(open_branches)
        dark = frozenset(range(len(BUSES))) - frozenset(live)
        for index, bus in enumerate(loads):
            grid.change_p_load(index, float(load_mw[bus]))
            grid.change_q_load(index, float(load_mvar[bus]))
        for index, generator in enumerate(generators):
            if generator != 0:
                grid.change_p_gen(index, float(generation_mw[generator]))
            grid.change_v_gen(index, float(voltage_pu[generator]))
        solved = grid.ac_pf(np.ones(len(live), dtype=complex), _MOST_ITERATIONS, _TOLERANCE)
        if not len(solved):
            nothing = np.zeros(len(BRANCHES), dtype=complex)
            everywhere = frozenset(range(len(BUSES)))
            return Flow(np.zeros(len(BUSES), dtype=complex), nothing, nothing, 0.0, everywhere, False)
        voltage = np.zeros(len(BUSES), dtype=complex)
        voltage[live] = solved
        return self._flow(voltage, load_mw, dark, open_branches)

    def _flow(
        self,
        voltage: NDArray[np.complex128],
        load_mw: NDArray[np.float64],
        dark: frozenset[int],
        open_branches: frozenset[int],
    ) -> Flow:
        closed = np.ones(len(BRANCHES))
        closed[list(open_branches)] = 0.0
        start, end = voltage[_FROM], voltage[_TO]
        from_mva = closed * BASE_MVA * start * np.conj((self._y + self._half_charge) * start - self._y * end)
        to_mva = closed * BASE_MVA * end * np.conj((self._y + self._half_charge) * end - self._y * start)
        injected = from_mva[_FROM == _SLACK].sum() + to_mva[_TO == _SLACK].sum()
        return Flow(voltage, from_mva, to_mva, float(injected.real + load_mw[_SLACK]), dark, True)

    def _grid(self, open_branches: frozenset[int]) -> tuple[Any, list[int], list[int], list[int]]:
        """A grid of this topology with the positions of its buses, loads and generators."""
        if open_branches not in self._grids:
            dead = _dark_buses(open_branches)
            case = matpower_case(open_branches, dead)
            branch = np.array(case["branch"])
            kept = [
                position
                for position in range(len(BRANCHES))
                if position not in open_branches and not {int(_FROM[position]), int(_TO[position])} & dead
            ]
            branch[:, 3] = self._x[kept]
            live = [position for position in range(len(BUSES)) if position not in dead]
            loads = [position for position in live if BUSES[position][1] or BUSES[position][2]]
            generators = [index for index, row in enumerate(GENERATORS) if _POSITION[row[0]] not in dead]
            grid = self._build({**case, "branch": branch})
            self._grids[open_branches] = (grid, live, loads, generators)
        return self._grids[open_branches]


def _alone(load_mw: NDArray[np.float64], voltage_pu: float, dark: frozenset[int]) -> Flow:
    """The balancing generator with its own bus: nothing flows, and everything else is dark."""
    voltage = np.zeros(len(BUSES), dtype=complex)
    voltage[_SLACK] = voltage_pu
    nothing = np.zeros(len(BRANCHES), dtype=complex)
    return Flow(voltage, nothing, nothing, float(load_mw[_SLACK]), dark, True)


@lru_cache(maxsize=4096)
def _dark_buses(open_branches: frozenset[int]) -> frozenset[int]:
    """Positions of buses that no closed path joins to the slack bus."""
    closed = [position for position in range(len(BRANCHES)) if position not in open_branches]
    size = len(BUSES)
    joined = coo_matrix((np.ones(len(closed)), (_FROM[closed], _TO[closed])), shape=(size, size))
    _, label = connected_components(joined, directed=False)
    return frozenset(int(position) for position in np.flatnonzero(label != label[_SLACK]))
