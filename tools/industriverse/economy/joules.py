"""Joules beside CEU: what the machine's own counters say, or an estimate that is marked as one.

Counters: Intel and AMD processors through Linux's powercap (RAPL,
https://www.kernel.org/doc/html/latest/power/powercap/powercap.html), NVIDIA devices through NVML's
``nvmlDeviceGetTotalEnergyConsumption``. Both count the whole package or board, other programs and idle draw
included, and the sources' names say so.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["ESTIMATED_WATTS_PER_CORE", "EnergySource", "energy_source"]

# A busy core of a server processor with its share of memory and losses: between 5 W and 15 W on machines that
# publish both their power and their number of cores. It is a guess, and every figure that rests on it says so.
ESTIMATED_WATTS_PER_CORE = 10.0
_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class EnergySource:
    """A counter of joules.

    Attributes:
        name: ``"rapl (package)"``, ``"nvml (board)"``, both joined by ``+``, or ``"estimated"``.
        read: Joules so far, counted from an arbitrary start.
    """

    name: str
    read: Callable[[], float]

    @property
    def estimated(self) -> bool:
        """Whether it is a guess from processor time."""
        return self.name == "estimated"


def energy_source(powercap: Path = _POWERCAP) -> EnergySource:
    """The best source on this machine.

    Args:
        powercap: Folder of Linux's powercap.
    """
    found = [source for source in (_rapl(powercap), _nvml()) if source is not None]
    if not found:
        return EnergySource("estimated", lambda: time.process_time() * ESTIMATED_WATTS_PER_CORE)
    return EnergySource(
        "+".join(source.name for source in found), lambda: sum(source.read() for source in found)
    )


class _Zone:
    """One RAPL package; its counter starts again from zero at a limit."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._limit = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._file.read_text())
        self._total = 0

    def joules(self) -> float:
        now = int(self._file.read_text())
        self._total += now - self._last if now >= self._last else now + self._limit - self._last
        self._last = now
        return self._total / 1e6


def _rapl(powercap: Path) -> EnergySource | None:
    zones = []
    # Zones with two numbers are parts of those with one.
    for folder in sorted(powercap.glob("*-rapl:*")):
        if folder.name.count(":") > 1:
            continue
        try:
            zones.append(_Zone(folder))
        except (OSError, ValueError):
            # Since 2020 most systems let only the superuser read them.
            continue
    if not zones:
        return None
    return EnergySource("rapl (package)", lambda: sum(zone.joules() for zone in zones))


def _nvml() -> EnergySource | None:
    if find_spec("pynvml") is None:
        return None
    nvml: Any = import_module("pynvml")
    try:
        nvml.nvmlInit()
        devices = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        for device in devices:
            nvml.nvmlDeviceGetTotalEnergyConsumption(device)
    except nvml.NVMLError:
        return None
    if not devices:
        return None
    return EnergySource(
        "nvml (board)",
        lambda: sum(nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in devices) / 1e3,
    )
