"""EPANET stepped from outside, in metric units."""

import os
import tempfile
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.simulation.errors import HydraulicsError
from industriverse.simulation.network_file import FOOT_M, GALLON_PER_MINUTE_M3_H, NetworkFile

__all__ = ["HydraulicNetwork", "StepTotals"]

# Codes of the EPANET 2.2 toolkit (epanet2_enums.h).
_NODE_BASE_DEMAND, _NODE_TANK_LEVEL, _NODE_DEMAND, _NODE_HEAD, _NODE_CAN_OVERFLOW = 1, 8, 9, 10, 26
_LINK_FLOW, _LINK_STATUS, _LINK_SETTING, _LINK_POWER = 8, 11, 12, 13
_TIME_DURATION, _TIME_HYDRAULIC, _TIME_PATTERN, _TIME_REPORT = 0, 1, 3, 5
# EPANET stops at the end of its duration; ten years in seconds still fits its 32-bit time on Windows.
_DURATION_S = 10 * 365 * 86_400
# A step is split where a tank fills or empties; more splits than this means that the solver is stuck.
_MOST_SPLITS = 200
_INITIALISE_FLOWS_KEEP_NO_FILE = 10


@dataclass(frozen=True, slots=True)
class StepTotals:
    """Volumes of one step, m3."""

    requested_m3: float
    delivered_m3: float
    overflow_m3: float


class HydraulicNetwork:
    """One EPANET project: set demands and links, solve, read, move on by one interval.

    Args:
        network: The prepared network.
        interval_s: Length of a step, whole seconds.
        levels_m: Initial tank levels by id; missing tanks start at the file's level.
        spilling: Tanks that spill when full; the others shut their inlet.

    Raises:
        HydraulicsError: If EPANET refuses the network.
    """

    def __init__(
        self,
        network: NetworkFile,
        *,
        interval_s: int,
        levels_m: Mapping[str, float] | None = None,
        spilling: Collection[str] = (),
    ) -> None:
        self.network = network
        self.interval_s = interval_s
        self.time_s = 0
        folder = tempfile.TemporaryDirectory(prefix="industriverse-epanet-", ignore_cleanup_errors=True)
        source = Path(folder.name) / "network.inp"
        source.write_text(network.text, encoding="latin-1")
        self._epanet = _toolkit()
        self._epanet.ENopen(str(source), str(source.with_suffix(".rpt")), "")
        self._close = weakref.finalize(self, _close, self._epanet, folder)
        for code in (_TIME_HYDRAULIC, _TIME_PATTERN, _TIME_REPORT):
            self._epanet.ENsettimeparam(code, interval_s)
        self._epanet.ENsettimeparam(_TIME_DURATION, _DURATION_S)
        node, link = self._epanet.ENgetnodeindex, self._epanet.ENgetlinkindex
        drawing = [number for number, place in enumerate(network.junctions) if place.base_demand_m3_h > 0]
        self._drawing = np.array(drawing, dtype=np.intp)
        self._customers = [node(network.junctions[number].id) for number in drawing]
        self._tanks = {key: node(key) for key in network.tanks}
        self._node, self._link = _Indices(node), _Indices(link)
        self._elevation_m = {junction.id: junction.elevation_m for junction in network.junctions}
        self._requested_m3_h = 0.0
        self._spilling = frozenset(spilling)
        for key, index in self._tanks.items():
            level = (levels_m or {}).get(key, network.tanks[key].initial_m)
            self._epanet.ENsetnodevalue(index, _NODE_TANK_LEVEL, level / FOOT_M)
            self._epanet.ENsetnodevalue(index, _NODE_CAN_OVERFLOW, float(key in spilling))
        self._epanet.ENopenH()
        self._epanet.ENinitH(_INITIALISE_FLOWS_KEEP_NO_FILE)
        if os.name == "posix":
            # EPANET holds its files open; without names they vanish even if this process is killed.
            folder.cleanup()

    def close(self) -> None:
        """Free EPANET's memory and files; safe to call twice."""
        self._close()

    def set_demands(self, demands_m3_h: NDArray[np.float64]) -> None:
        """Set what each junction asks for, m3/h, in the order of ``network.junctions``.

        Junctions whose base demand is 0 in the file have no customers and are left out.
        """
        drawn = demands_m3_h[self._drawing]
        self._requested_m3_h = float(drawn.sum())
        for index, demand in zip(self._customers, (drawn / GALLON_PER_MINUTE_M3_H).tolist(), strict=True):
            self._epanet.ENsetnodevalue(index, _NODE_BASE_DEMAND, demand)

    def set_link(self, link: str, *, is_open: bool) -> None:
        """Open or close a pump or pipe."""
        self._epanet.ENsetlinkvalue(self._link[link], _LINK_STATUS, float(is_open))

    def set_speed(self, pump: str, fraction: float) -> None:
        """Run a pump at a fraction of its nominal speed; 0 stops it."""
        self._epanet.ENsetlinkvalue(self._link[pump], _LINK_SETTING, fraction)

    def solve(self) -> None:
        """Solve flows and heads for the present demands, links and levels."""
        self._epanet.ENrunH()

    def finish_step(self) -> StepTotals:
        """Integrate from the solved state to the next interval boundary.

        Raises:
            HydraulicsError: If the solver makes no progress.
        """
        boundary = self.time_s + self.interval_s
        delivered = overflow = 0.0
        for _ in range(_MOST_SPLITS):
            supply_m3_h, spill_m3_h = self._delivered_m3_h(), self._spill_m3_h()
            elapsed_s = self._epanet.ENnextH()
            if elapsed_s <= 0:
                raise HydraulicsError(
                    f"EPANET stopped at {self.time_s} s of simulated time",
                    hint=f"a plant runs at most {_DURATION_S // 86_400} days",
                )
            delivered += supply_m3_h * elapsed_s / 3600
            overflow += spill_m3_h * elapsed_s / 3600
            self.time_s += elapsed_s
            if self.time_s == boundary:
                requested = self._requested_m3_h * self.interval_s / 3600
                # The solver's tolerance lets delivery exceed demand by some millionths.
                return StepTotals(requested, min(delivered, requested), overflow)
            self._epanet.ENrunH()
        raise HydraulicsError(
            f"EPANET split one step more than {_MOST_SPLITS} times at {self.time_s} s",
            hint="use a shorter interval",
        )

    def level_m(self, tank: str) -> float:
        """Level of a tank above its floor, m; valid before and after ``solve``."""
        head = self._epanet.ENgetnodevalue(self._tanks[tank], _NODE_HEAD) * FOOT_M
        return float(head) - self.network.tanks[tank].elevation_m

    def pressure_m(self, junction: str) -> float:
        """Pressure head at a junction, m of water."""
        head = self._epanet.ENgetnodevalue(self._node[junction], _NODE_HEAD) * FOOT_M
        return float(head) - self._elevation_m[junction]

    def flow_m3_h(self, link: str) -> float:
        """Flow along a link in the file's direction, m3/h."""
        return float(self._epanet.ENgetlinkvalue(self._link[link], _LINK_FLOW)) * GALLON_PER_MINUTE_M3_H

    def power_kw(self, pump: str) -> float:
        """Electrical power drawn by a pump, kW."""
        return float(self._epanet.ENgetlinkvalue(self._link[pump], _LINK_POWER))

    def _delivered_m3_h(self) -> float:
        read = self._epanet.ENgetnodevalue
        gallons = sum(float(read(index, _NODE_DEMAND)) for index in self._customers)
        return gallons * GALLON_PER_MINUTE_M3_H

    def _spill_m3_h(self) -> float:
        spill = 0.0
        for key in self._spilling:
            if self.level_m(key) >= self.network.tanks[key].maximum_m - 1e-4:
                spill += max(0.0, self._epanet.ENgetnodevalue(self._tanks[key], _NODE_DEMAND))
        return spill * GALLON_PER_MINUTE_M3_H


class _Indices(dict[str, int]):
    """EPANET's index of a name, looked up once."""

    def __init__(self, look_up: Any) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, name: str) -> int:
        self[name] = index = int(self._look_up(name))
        return index


def _toolkit() -> Any:
    # Imported here because wntr takes seconds to import and most commands never simulate.
    from wntr.epanet.toolkit import ENepanet

    class Toolkit(ENepanet):  # type: ignore[misc]
        """wntr's binding with warnings ignored and errors as ours.

        EPANET warns at every step with negative pressure. Here low pressure is an outcome that the service
        figures report, so only real errors (codes from 100 on) matter.
        """

        def _error(self, *_arguments: object) -> None:
            if self.errcode >= 100:
                raise HydraulicsError(
                    f"EPANET error {self.errcode} at {self.cur_time} s",
                    hint="see the error codes in the EPANET 2.2 manual, appendix C.5",
                )

    return Toolkit()


def _close(epanet: Any, folder: "tempfile.TemporaryDirectory[str]") -> None:
    epanet.ENcloseH()
    epanet.ENclose()
    folder.cleanup()
