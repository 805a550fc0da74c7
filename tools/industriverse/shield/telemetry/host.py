"""Host sensors and energy: what a machine does and what that costs, each energy marked measured or estimated.

Measured energy comes from RAPL counters (Linux powercap interface) and from NVML where a GPU and its driver are
there. Where there is no counter the power is estimated from the load between an idle and a full figure, and is
called estimated; the two are never mixed in one channel.

Phantom heat: a machine that is hot or draws power while its processes are idle does something that its
operating system does not show, or its sensors lie. Both deserve a look.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from industriverse.shield.errors import CollectorError
from industriverse.shield.telemetry.intake import Intake
from industriverse.shield.telemetry.records import record_of

__all__ = ["EnergyReading", "HostSource", "PhantomHeat", "phantom_heat", "read_power"]

RAPL = Path("/sys/class/powercap")
IDLE_WATTS_PER_CORE = 2.0  # order of magnitude of a server core at rest; an estimate, and called so
FULL_WATTS_PER_CORE = 10.0
HOT_CELSIUS = 70.0
IDLE_LOAD = 0.10
HOT_POWER_SHARE = 0.6  # of the power at full load


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """Power of one domain.

    Attributes:
        domain: ``package-0``, ``gpu-0`` or ``cpu``.
        power_w: Watts.
        source: ``measured:rapl``, ``measured:nvml`` or ``estimated:load``.
    """

    domain: str
    power_w: float
    source: str


@dataclass(frozen=True, slots=True)
class PhantomHeat:
    """A machine that is hot and idle."""

    reason: str
    severity: float


def phantom_heat(
    *,
    load: float,
    temperature_c: float | None,
    power_w: float | None,
    full_power_w: float | None,
    measured: bool,
) -> PhantomHeat | None:
    """Whether heat lacks a cause.

    Args:
        load: Share of processor time in use, 0 to 1.
        temperature_c: Hottest processor sensor, degrees Celsius, None if there is none.
        power_w: Power drawn, watts, None if unknown.
        full_power_w: Power at full load, watts.
        measured: Whether the power was measured; an estimate follows the load and can convict nobody.
    """
    if load > IDLE_LOAD:
        return None
    if temperature_c is not None and temperature_c >= HOT_CELSIUS:
        excess = (temperature_c - HOT_CELSIUS) / 30.0
        return PhantomHeat(f"{temperature_c:.0f} °C at {load:.0%} load", min(1.0, 0.5 + excess))
    if measured and power_w is not None and full_power_w and power_w >= HOT_POWER_SHARE * full_power_w:
        return PhantomHeat(f"{power_w:.0f} W at {load:.0%} load", min(1.0, power_w / full_power_w))
    return None


class _Rapl:
    """Energy counters of the packages; they wrap, and only root may read them on most systems."""

    def __init__(self, root: Path = RAPL) -> None:
        self._last: dict[str, tuple[float, float]] = {}
        self._zones = sorted(root.glob("intel-rapl:?")) if root.is_dir() else []

    def read(self) -> list[EnergyReading]:
        found = []
        for zone in self._zones:
            try:
                joules = int((zone / "energy_uj").read_text()) / 1e6
                wraps_at = int((zone / "max_energy_range_uj").read_text()) / 1e6
                name = (zone / "name").read_text().strip()
            except (OSError, ValueError):
                continue  # a counter that may not be read is no counter; the load estimate stands in, marked
            now = time.monotonic()
            before = self._last.get(name)
            self._last[name] = (now, joules)
            if before is not None and now > before[0]:
                spent = joules - before[1] + (wraps_at if joules < before[1] else 0.0)
                found.append(EnergyReading(name, spent / (now - before[0]), "measured:rapl"))
        return found


def _nvml() -> list[EnergyReading]:
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(k) for k in range(pynvml.nvmlDeviceGetCount())]
        powers = [pynvml.nvmlDeviceGetPowerUsage(handle) / 1000.0 for handle in handles]
    except pynvml.NVMLError:
        return []
    return [EnergyReading(f"gpu-{k}", power, "measured:nvml") for k, power in enumerate(powers)]


def read_power(rapl: Any, load: float, cores: int) -> list[EnergyReading]:
    """Power of every domain that can be measured; of the processor an estimate where it cannot."""
    readings = [*rapl.read(), *_nvml()]
    if not any(reading.source == "measured:rapl" for reading in readings):
        watts = cores * (IDLE_WATTS_PER_CORE + load * (FULL_WATTS_PER_CORE - IDLE_WATTS_PER_CORE))
        readings.append(EnergyReading("cpu", watts, "estimated:load"))
    return readings


class HostSource:
    """The sensors of this machine, read once a poll (psutil).

    Args:
        entity: Name of the machine.

    Raises:
        CollectorError: If psutil is not installed.
    """

    def __init__(self, *, entity: str = "host") -> None:
        try:
            import psutil
        except ImportError:
            raise CollectorError(
                "host sensors need the package psutil", hint="pip install 'industriverse[collectors]'"
            ) from None
        self.name = f"host:{entity}"
        self._psutil: Any = psutil
        self._rapl = _Rapl()
        self._before: dict[str, float] = {}
        self._then = time.monotonic()
        psutil.cpu_percent()
        self._cores = int(psutil.cpu_count() or 1)

    def poll(self, intake: Intake) -> bool:
        """Offer one record of all sensors."""
        intake.offer(record_of(self.name, None, self.read()))
        return True

    def read(self) -> dict[str, float]:
        """Values by channel; rates are per second since the last reading, energy names its source."""
        psutil = self._psutil
        load = float(psutil.cpu_percent()) / 100.0
        memory = psutil.virtual_memory()
        values = {
            "cpu.load": load,
            "memory.used_share": float(memory.percent) / 100.0,
            "processes": float(len(psutil.pids())),
        }
        totals: dict[str, float] = {}
        network, disk = psutil.net_io_counters(), psutil.disk_io_counters()
        if network is not None:
            totals |= {"network.in_bytes": network.bytes_recv, "network.out_bytes": network.bytes_sent}
        if disk is not None:
            totals |= {"disk.read_bytes": disk.read_bytes, "disk.write_bytes": disk.write_bytes}
        now = time.monotonic()
        elapsed = max(now - self._then, 1e-3)
        for name, total in totals.items():
            values[f"{name}_per_s"] = max(total - self._before.get(name, total), 0.0) / elapsed
        self._before, self._then = {name: float(total) for name, total in totals.items()}, now
        hottest = self._hottest()
        if hottest is not None:
            values["cpu.temperature_c"] = hottest
        powers = read_power(self._rapl, load, self._cores)
        for reading in powers:
            values[f"power_w.{reading.domain}.{reading.source}"] = reading.power_w
        measured = [reading.power_w for reading in powers if reading.source == "measured:rapl"]
        heat = phantom_heat(
            load=load,
            temperature_c=hottest,
            power_w=sum(measured) if measured else None,
            full_power_w=self._cores * FULL_WATTS_PER_CORE,
            measured=bool(measured),
        )
        values["phantom_heat"] = 0.0 if heat is None else heat.severity
        return values

    def _hottest(self) -> float | None:
        read = getattr(self._psutil, "sensors_temperatures", None)
        groups = read() if read is not None else {}
        temperatures = [
            entry.current for group in groups.values() for entry in group if entry.current is not None
        ]
        return float(max(temperatures)) if temperatures else None

    def finish(self, intake: Intake) -> None:
        """Nothing is held back."""
        del intake
