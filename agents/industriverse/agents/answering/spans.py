"""Durations as people write them: ``90 min``, ``two hours``, ``1 h 30 min``, ``half an hour``."""

import re

__all__ = ["SPAN", "span_hours"]

_NUMBERS = {
    word: float(i)
    for i, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
        ]
    )
} | {"a": 1.0, "an": 1.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "forty-five": 45.0,
       "fifty": 50.0, "sixty": 60.0, "ninety": 90.0, "a hundred": 100.0}  # fmt: skip
_UNITS = (
    (r"seconds?|secs?|sekunden?|secondes?|segundos?|s", 1 / 3600),
    (r"minutes?|mins?|minuten|minutos?|minuti", 1 / 60),
    (r"hours?|hrs?|stunden?|std|heures?|horas?|uren|uur|h", 1.0),
    (r"days?|tagen?|tage?|jours?|d[ií]as?|d", 24.0),
    (r"weeks?|wks?|wochen?|semaines?|semanas?|w", 168.0),
)
_DIGITS = r"\d+(?:[.,]\d+)?"
_WORDS = r"(?:" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + r")"
_UNIT = r"(?:" + "|".join(spelling for spelling, _ in _UNITS) + r")"
_ONE = rf"(?:{_DIGITS}\s?|\b{_WORDS}\s){_UNIT}(?!\w)"
SPAN = (
    rf"(?:(?:half an?|a quarter of an?|three quarters of an?)\s(?:hour|day)|"
    rf"{_ONE}(?:\s?(?:,|and)?\s?{_ONE})*(?:\sand a half)?)(?!\w)"
)
"""Pattern of a duration, without groups."""

_FRACTIONS = {"half": 0.5, "quarter": 0.25, "three quarters": 0.75}
_PIECE = re.compile(rf"(?<![\w.])({_DIGITS}|{_WORDS}(?=\s))\s?({_UNIT})(?!\w)")


def _number(text: str) -> float:
    return _NUMBERS[text] if text in _NUMBERS else float(text.replace(",", "."))


def _factor(unit: str) -> float:
    return next(factor for spelling, factor in _UNITS if re.fullmatch(spelling, unit))


def span_hours(text: str) -> float:
    """Hours of a duration that :data:`SPAN` matches, or of ``hour``, ``day``, ``week`` alone."""
    text = text.strip()
    if text in ("month", "months"):
        return 30 * 24.0
    if re.fullmatch(_UNIT, text):
        return _factor(text)
    for words in ("three quarters", "quarter", "half"):
        if text.startswith((words, "a " + words)):
            return _FRACTIONS[words] * (24.0 if text.endswith("day") else 1.0)
    pieces = _PIECE.findall(text)
    hours = sum(_number(number) * _factor(unit) for number, unit in pieces)
    if text.endswith("and a half"):
        hours += _factor(pieces[-1][1]) / 2
    return hours
