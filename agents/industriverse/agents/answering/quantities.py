"""Units that people ask in, and exact factors between them."""

import re
from typing import Final

__all__ = ["asked_unit", "convert", "dimension_of"]

_SI: Final[dict[str, tuple[str, float]]] = {
    # name: (dimension, factor to the coherent SI unit); NIST SP 811 (2008), appendix B.8
    "m[H2O]": ("pressure", 9806.65),
    "psi": ("pressure", 6894.757293168),
    "bar": ("pressure", 1e5),
    "mbar": ("pressure", 100.0),
    "kPa": ("pressure", 1e3),
    "hPa": ("pressure", 100.0),
    "MPa": ("pressure", 1e6),
    "kgf/cm2": ("pressure", 98066.5),
    "Pa": ("pressure", 1.0),
    "atm": ("pressure", 101325.0),
    "m3/h": ("flow", 1 / 3600),
    "m3/s": ("flow", 1.0),
    "L/s": ("flow", 1e-3),
    "L/min": ("flow", 1e-3 / 60),
    "L/h": ("flow", 1e-3 / 3600),
    "ft3/s": ("flow", 0.028316846592),
    "Mgal/d": ("flow", 3.785411784e3 / 86400),
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
    "PS": ("power", 735.49875),
}

_PER = r"(?:per|an?|pro|par|por)"
_SPELLINGS: Final[dict[str, str]] = {
    "psi": "psi|psig|pounds? per square inch",
    "mbar": "mbar|milli-?bars?",
    "hPa": "hpa|hecto-?pascals?",
    "kgf/cm2": r"kgf?/cm\^?2|kp/cm\^?2",
    "bar": "bars?",
    "kPa": "kpa|kilo-?pascals?",
    "MPa": "mpa|mega-?pascals?",
    "Pa": "pascals?",
    "atm": "atm|atmospheres?|atmosphären?",
    "m[H2O]": r"m\[h2o\]|mh2o|mwc|mwg|mws|met(?:er|re)s? of (?:water|head)|meter wassersäule",
    "m3/h": rf"m\^?3\s?/\s?h(?:r|our)?|cbm/h|m3h|(?:cubic met(?:er|re)s?|kubikmeter|mètres? cubes?|metros cúbicos) "
    rf"{_PER} (?:hour|stunde|heure|hora)",
    "m3/s": rf"m\^?3\s?/\s?s|(?:cubic met(?:er|re)s?|kubikmeter|mètres? cubes?|metros cúbicos) "
    rf"{_PER} (?:second|sekunde|seconde|segundo)",
    "L/s": rf"l/s(?:ec)?|lps|(?:lit(?:er|re)s?|litros) {_PER} (?:second|sekunde|seconde|segundo)",
    "L/min": rf"l/min|lpm|(?:lit(?:er|re)s?|litros) {_PER} minut[eo]?",
    "L/h": rf"l/hr?|lph|(?:lit(?:er|re)s?|litros) {_PER} (?:hour|stunde|heure|hora)",
    "gpm": rf"gpm|(?:us )?gallons? {_PER} minute",
    "ft3/s": rf"cfs|ft\^?3/s|cubic f(?:ee|oo)t {_PER} second",
    "Mgal/d": rf"mgd|million gallons? {_PER} day",
    "cm": "cm|centimet(?:er|re)s?|zentimetern?|centimètres?|centímetros?",
    "mm": "mm|millimet(?:er|re)s?|millimetern?|millimètres?|milímetros?",
    "ft": "ft|feet|foot|fuss|pieds?|pies",
    "in": "inch(?:es)?|zoll|pouces?|pulgadas?",
    "MW": "megawatts?",
    "kW": "kw|kilo-?watts?|kilovatios?",
    "W": "watts?|vatios?",
    "hp": "hp|bhp|horse-?power",
    "PS": "ps|pferdestärken?",
    "m": r"met(?:er|re)s?|metern|mètres?|metros?|(?<=\d )m|(?<=\d)m",
}
"""Spellings in English, German, French and Spanish, folded."""
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


def dimension_of(unit: str) -> str:
    """The dimension of a unit, empty for one that is not known."""
    return _SI[unit][0] if unit in _SI else ""


def convert(value: float, unit: str, wanted: str) -> float | None:
    """A value in another unit of the same dimension, None where there is none."""
    if unit not in _SI or wanted not in _SI or unit == wanted or _SI[unit][0] != _SI[wanted][0]:
        return None
    return value * _SI[unit][1] / _SI[wanted][1]
