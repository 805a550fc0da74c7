"""An EPANET input file made ready to be driven from outside: no controls of its own, lost service physical.

The text format is that of Rossman et al., "EPANET 2.2 User Manual", EPA/600/R-20/133, appendix C.
"""

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from industriverse.simulation.errors import SimulationError

__all__ = ["FOOT_M", "GALLON_PER_MINUTE_M3_H", "Junction", "NetworkFile", "Tank", "shipped_network"]

FOOT_M = 0.3048
# One US gallon is 231 cubic inches by definition.
GALLON_PER_MINUTE_M3_H = 231 * 0.0254**3 * 60


@dataclass(frozen=True, slots=True)
class Junction:
    """A place where customers draw water.

    Attributes:
        id: EPANET's name.
        elevation_m: Elevation, m.
        base_demand_m3_h: Demand before the daily pattern, m3/h.
        pattern: Name of the daily pattern.
    """

    id: str
    elevation_m: float
    base_demand_m3_h: float
    pattern: str


@dataclass(frozen=True, slots=True)
class Tank:
    """A cylindrical tank; levels are above its floor.

    Attributes:
        id: EPANET's name.
        elevation_m: Elevation of the floor, m.
        initial_m: Level at the start, m.
        minimum_m: Level below which nothing flows out, m.
        maximum_m: Level above which it spills, m.
        diameter_m: Diameter, m.
    """

    id: str
    elevation_m: float
    initial_m: float
    minimum_m: float
    maximum_m: float
    diameter_m: float

    @property
    def area_m2(self) -> float:
        """Cross-section, m2."""
        return 0.7853981633974483 * self.diameter_m**2


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network as EPANET will read it, with what was taken out of the text.

    Attributes:
        name: Name of the network.
        text: EPANET input, US units, demands constant until set from outside.
        junctions: Junctions in file order.
        tanks: Tanks by id.
        patterns: Daily patterns by id, one multiplier an hour.
        digest: SHA-256 of ``text``, hexadecimal.
    """

    name: str
    text: str
    junctions: tuple[Junction, ...]
    tanks: Mapping[str, Tank]
    patterns: Mapping[str, tuple[float, ...]]
    digest: str


def shipped_network(
    name: str, *, required_pressure_m: float, pipes_inch: Mapping[str, tuple[float, float]]
) -> NetworkFile:
    """Read a network that ships with wntr and prepare it for closed-loop use.

    Controls and rules are removed, patterns become constant (demands are set from outside), demand depends on
    pressure: delivered = requested * sqrt(p / p_required) for 0 < p < p_required (Wagner, Shamir and Marks,
    1988, https://doi.org/10.1061/(ASCE)0733-9496(1988)114:3(276)), and tanks may spill.

    Args:
        name: File name without suffix.
        required_pressure_m: Pressure head at which customers get all that they ask for, m.
        pipes_inch: Pipes to replace: id -> (diameter in inches, Hazen-Williams roughness).

    Raises:
        SimulationError: If wntr or the network is not installed, or the file is not in US gallons per minute.
    """
    package = importlib.util.find_spec("wntr")
    if package is None or not package.submodule_search_locations:
        raise SimulationError("wntr is not installed", hint="pip install 'wntr>=1.4' six")
    path = Path(package.submodule_search_locations[0]) / "library" / "networks" / f"{name}.inp"
    if not path.exists():
        raise SimulationError(f"wntr ships no network {name!r}", hint="Net3 is the one that is modelled")
    sections = _sections(path.read_text(encoding="latin-1"))
    if not any(re.match(r"units\s+gpm", line, re.I) for line in sections["OPTIONS"]):
        raise SimulationError(f"network {name} is not in gallons per minute", hint="use a network in GPM")
    patterns = _patterns(sections["PATTERNS"])
    junctions = tuple(_junction(line.split()) for line in sections["JUNCTIONS"])
    tanks = {tank.id: tank for tank in (_tank(line.split()) for line in sections["TANKS"])}
    sections = _closed_loop(sections, patterns, required_pressure_m / FOOT_M * 0.4333, pipes_inch)
    text = "".join(f"[{title}]\n" + "".join(f"{line}\n" for line in body) for title, body in sections.items())
    return NetworkFile(
        name, text + "[END]\n", junctions, tanks, patterns, hashlib.sha256(text.encode()).hexdigest()
    )


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    title = ""
    for raw in text.splitlines():
        line = raw.split(";")[0].strip() if title != "TITLE" else raw.strip()
        if line.startswith("["):
            title = line.strip("[]").upper()
            sections.setdefault(title, [])
        elif line:
            sections[title].append(line)
    return sections


def _patterns(lines: list[str]) -> dict[str, tuple[float, ...]]:
    patterns: dict[str, tuple[float, ...]] = {}
    for line in lines:
        key, *values = line.split()
        patterns[key] = patterns.get(key, ()) + tuple(float(v) for v in values)
    return patterns


def _junction(fields: list[str]) -> Junction:
    pattern = fields[3] if len(fields) > 3 else "1"
    return Junction(fields[0], float(fields[1]) * FOOT_M, float(fields[2]) * GALLON_PER_MINUTE_M3_H, pattern)


def _tank(fields: list[str]) -> Tank:
    elevation, initial, minimum, maximum, diameter = (float(v) * FOOT_M for v in fields[1:6])
    return Tank(fields[0], elevation, initial, minimum, maximum, diameter)


def _closed_loop(
    sections: dict[str, list[str]],
    patterns: Mapping[str, tuple[float, ...]],
    required_psi: float,
    pipes_inch: Mapping[str, tuple[float, float]],
) -> dict[str, list[str]]:
    dropped = {"CONTROLS", "RULES", "QUALITY", "REACTIONS", "SOURCES", "MIXING", "END"}
    drawing = {"COORDINATES", "VERTICES", "LABELS", "BACKDROP"}
    kept = {title: body for title, body in sections.items() if title not in dropped | drawing}
    kept["PATTERNS"] = [f"{key} 1.0" for key in patterns]
    kept["OPTIONS"] = [
        *(line for line in kept["OPTIONS"] if not line.lower().startswith(("quality", "accuracy"))),
        "Quality None",
        "Accuracy 0.0001",
        "Demand Model PDA",
        "Minimum Pressure 0",
        f"Required Pressure {required_psi:.6f}",
        "Pressure Exponent 0.5",
    ]
    kept["REPORT"] = ["Status No", "Summary No", "Messages No"]
    kept["PIPES"] = [_replaced_pipe(line.split(), pipes_inch) for line in kept["PIPES"]]
    return kept


def _replaced_pipe(fields: list[str], pipes_inch: Mapping[str, tuple[float, float]]) -> str:
    if fields[0] in pipes_inch:
        fields[4], fields[5] = (f"{value}" for value in pipes_inch[fields[0]])
    return " ".join(fields)
