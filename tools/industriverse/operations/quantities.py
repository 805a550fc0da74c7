"""Physical sense of numbers that come from outside: no infinities, and no value that its unit cannot have.

Names of fields end in their unit (``until_hours``, ``level_m``); the table below says what such a unit can hold. The
bounds are those of physics and of time that a computer can hold, not those of a plant.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["QuantityProblem", "first_problem", "parse_json", "unit_problem"]

_BIG: Final = 1e18
_YEAR_S: Final = 366 * 86_400.0

SUFFIX_BOUNDS: Final[dict[str, tuple[float, float, str]]] = {
    "_hours": (0.0, 1000 * _YEAR_S / 3600, "hours"),
    "_hour": (0.0, 1000 * _YEAR_S / 3600, "hours"),
    "_days": (0.0, 1000 * 366.0, "days"),
    "_per_day": (0.0, _BIG, "per day"),
    "_s": (-1000 * _YEAR_S, 1000 * _YEAR_S, "seconds"),
    "_m3": (0.0, _BIG, "m3"),
    "_kelvin": (0.0, 1e12, "kelvin"),
    "_kg": (0.0, _BIG, "kg"),
    "_hz": (0.0, 1e18, "Hz"),
    "_percent": (-1e6, 1e6, "percent"),
}
"""Smallest and largest value by the ending of a field's name."""

UNIT_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "K": (0.0, 1e12),
    "Cel": (-273.15, 1e12),
    "[degF]": (-459.67, 1e12),
    "m": (-_BIG, _BIG),
    "m3": (-_BIG, _BIG),
    "m3/s": (-_BIG, _BIG),
    "L/s": (-_BIG, _BIG),
    "Pa": (-1e18, 1e18),
    "kPa": (-1e15, 1e15),
    "bar": (-1e12, 1e12),
    "kg": (0.0, _BIG),
    "s": (-_BIG, _BIG),
    "Hz": (0.0, 1e18),
    "W": (-_BIG, _BIG),
    "kW": (-_BIG, _BIG),
    "J": (-_BIG, _BIG),
    "V": (-1e15, 1e15),
    "A": (-1e15, 1e15),
    "%": (-1e6, 1e6),
    "By": (0.0, _BIG),
    "m/s": (-3e8, 3e8),
    "rad/s": (-1e15, 1e15),
    "1": (-1e300, 1e300),
}
"""UCUM units that telemetry comes in, and what a value in them can be."""

_DEPTH_LIMIT: Final = 32
_SHOWN = 60


class QuantityProblem(Exception):  # noqa: N818  (says what is wrong with data; it is answered, not logged)
    """A number that cannot be."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field[:_SHOWN]}: {why}")
        self.field = field
        self.why = why


def _refuse_constant(text: str) -> float:
    raise QuantityProblem("body", f"{text} is no number in JSON")


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    value: Any
    depth: int


def parse_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it: NaN and Infinity, which Python would accept, are refused.

    Raises:
        QuantityProblem: If a number is not finite.
        ValueError: If it is no JSON.
    """
    return json.loads(body, parse_constant=_refuse_constant)


def first_problem(document: Any) -> QuantityProblem | None:
    """The first number in a JSON document that cannot be, None if all can."""
    waiting = [_Item("body", document, 0)]
    while waiting:
        item = waiting.pop()
        if item.depth > _DEPTH_LIMIT:
            return QuantityProblem(item.path, f"is nested more than {_DEPTH_LIMIT} deep")
        if isinstance(item.value, dict):
            for name, value in item.value.items():
                waiting.append(_Item(name, value, item.depth + 1))
        elif isinstance(item.value, list):
            waiting.extend(_Item(item.path, value, item.depth + 1) for value in item.value)
        elif isinstance(item.value, float | int) and not isinstance(item.value, bool):
            why = _number_problem(item.path, item.value)
            if why:
                return QuantityProblem(item.path, why)
    return None


def _number_problem(name: str, value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "is too large for a number"
    for suffix, (low, high, unit) in SUFFIX_BOUNDS.items():
        if name.endswith(suffix):
            return "" if low <= value <= high else f"{value!r:.30} {unit} lies outside {low:g} to {high:g}"
    return ""


def unit_problem(unit: str, value: float) -> str:
    """Why a value cannot be one in a UCUM unit, empty if it can or the unit is not in the table."""
    if not math.isfinite(value):
        return f"{value!r} is no measurement"
    low, high = UNIT_BOUNDS.get(unit, (-1e300, 1e300))
    return "" if low <= value <= high else f"{value:g} {unit} lies outside {low:g} to {high:g}"
