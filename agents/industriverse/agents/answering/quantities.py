"""Units that people ask in, and exact factors between them."""

import re
from typing import Final

__all__ = ["asked_unit", "convert"]

_SI: Final[dict[str, tuple[str, float]]] = {
    # name: (dimension, factor to the coherent SI unit); NIST SP 811 (2008), appendix B.8
    "m[H2O]": ("pressure", 9806.65),
    "psi": ("pressure", 6894.757293168),
    "bar": ("pressure", 1e5),
    "mbar": ("pressure", 100.0),
    "kPa": ("pressure", 1e3),
    "Pa": ("pressure", 1.0),
    "atm": ("pressure", 101325.0),
    "m3/h": ("flow", 1 / 3600),
    "m3/s": ("flow", 1.0),
    "L/s": ("flow", 1e-3),
    "L/min": ("flow", 1e-3 / 60),
    "gpm": ("flow", 3.785411784e-3 / 60),
    "m": ("length", 1.0),
    "cm": ("length", 0.01),
    "mm": ("length", 1e-3),
    "ft": ("length", 0.3048),
    "in": ("length", 0.0254),
    "W": ("power", 1.0),
    "kW": ("power", 1e3),
    "MW": ("power", 1e6),
    "hp": ("power", 745.69987158227022),
}

_SPELLINGS: Final[dict[str, str]] = {
    "psi": "psi|psig|pounds? per square inch",
    "mbar": "mbar|millibars?",
    "bar": "bars?",
    "kPa": "kpa|kilopascals?",
    "Pa": "pascals?",
    "atm": "atm|atmospheres?",
    "m[H2O]": r"m\[h2o\]|mh2o|mwc|met(?:er|re)s? of (?:water|head)",
    "m3/h": r"m\^?3\s?/\s?h(?:r|our)?|cbm/h|m3h|cubic met(?:er|re)s? (?:per|an) hour",
    "m3/s": r"m\^?3\s?/\s?s|cubic met(?:er|re)s? per second",
    "L/s": r"l/s(?:ec)?|lit(?:er|re)s? (?:per|a) second",
    "L/min": r"l/min|lpm|lit(?:er|re)s? (?:per|a) minute",
    "gpm": r"gpm|gallons? (?:per|a) minute",
    "cm": "cm|centimet(?:er|re)s?",
    "mm": "mm|millimet(?:er|re)s?",
    "ft": "ft|feet|foot",
    "MW": "megawatts?",
    "kW": "kw|kilowatts?",
    "W": "watts?",
    "hp": "hp|horsepower",
    "m": "met(?:er|re)s?",
}
_PATTERN = re.compile(
    r"(?:(?<![\w/])(?P<number>[-+]?\d+(?:[.,]\d+)?)\s*|\bin\s+|\b)(?:"
    + "|".join(f"(?P<u{i}>{spelling})" for i, spelling in enumerate(_SPELLINGS.values()))
    + r")(?![\w/])"
)
_UNITS: Final = tuple(_SPELLINGS)


def asked_unit(folded: str) -> tuple[str, str]:
    """The text with amounts such as ``30 psi`` and ``in bar`` masked, and the unit named last (or empty)."""
    unit = ""

    def mask(match: re.Match[str]) -> str:
        nonlocal unit
        unit = next(_UNITS[i] for i in range(len(_UNITS)) if match[f"u{i}"] is not None)
        return " AMOUNT " if match["number"] else " UNIT "

    return " ".join(_PATTERN.sub(mask, folded).split()), unit


def convert(value: float, unit: str, wanted: str) -> float | None:
    """A value in another unit of the same dimension, None where there is none."""
    if unit not in _SI or wanted not in _SI or unit == wanted or _SI[unit][0] != _SI[wanted][0]:
        return None
    return value * _SI[unit][1] / _SI[wanted][1]
