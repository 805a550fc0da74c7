"""Whether every number of a text stands in what tools have returned."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Number", "numbers_of", "strays"]

_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>(?:(?<=[\s(=:,;\[])|(?<=^))[-+\u2212])?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<exponent>[eE][-+]?\d{1,2}(?!\w))?(?P<percent>\s?%)?"
)
_INSIDE = re.compile(r"\d+(?:\.\d+)?")
_WORDS = {
    word: value
    for value, words in {
        2: "two twice", 3: "three thrice", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten",
        11: "eleven", 12: "twelve dozen", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen",
        17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 30: "thirty", 40: "forty", 50: "fifty",
        60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety", 100: "hundred hundreds", 1000: "thousand thousands",
        1_000_000: "million millions", 0.5: "half", 0.25: "quarter",
    }.items()
    for word in words.split()
}  # fmt: skip
_WORD = re.compile(r"\b(?:" + "|".join(_WORDS) + r")\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written.

    Attributes:
        shown: How it is written.
        value: What it is.
        slack: Half a unit of its last digit: how far the rounded number may be from the exact one.
        percent: Whether it is a percentage, which a fraction may stand behind.
    """

    shown: str
    value: float
    slack: float
    percent: bool = False


def _number(match: re.Match[str]) -> Number:
    digits, exponent = match["digits"].replace(",", ""), match["exponent"] or ""
    sign = -1.0 if (match["sign"] or "+") not in "+" else 1.0
    decimals = (
        len(digits.partition(".")[2]) - int(exponent[1:] or 0) if exponent else len(digits.partition(".")[2])
    )
    value = sign * float(digits + exponent)
    return Number(match[0].strip(), value, 0.5 * 10.0**-decimals * (1 + 1e-9), bool(match["percent"]))


def numbers_of(text: str) -> list[Number]:
    """Numbers of a text, those spelt out in words from two on among them."""
    found = [_number(match) for match in _NUMBER.finditer(text)]
    # Digits inside a name, such as tank-3 or T0831, count too: a name that no tool returned is as wrong.
    bare = _NUMBER.sub(" ", text)
    found += [Number(m[0], float(m[0]), 1e-9) for m in _INSIDE.finditer(bare)]
    return found + [Number(m[0], float(_WORDS[m[0].lower()]), 1e-9) for m in _WORD.finditer(text)]


def _values(told: Any) -> Iterator[float]:
    if isinstance(told, bool) or told is None:
        return
    if isinstance(told, int | float):
        yield float(told)
    elif isinstance(told, str):
        for match in _NUMBER.finditer(told):
            yield _number(match).value
        for inside in _INSIDE.finditer(told):
            yield float(inside[0])
    elif isinstance(told, dict):
        for key, value in told.items():
            yield from _values(key)
            yield from _values(value)
    elif isinstance(told, Iterable):
        for value in told:
            yield from _values(value)
    else:
        yield from _values(json.loads(json.dumps(told, default=str)))


def strays(text: str, told: Any) -> list[str]:
    """Numbers of a text that are not, rounded as they are shown, among the numbers that were told.

    Args:
        text: What is to be said.
        told: Results of tools, as JSON values; numbers inside their texts count.
    """
    values = sorted(set(_values(told)))
    return [
        number.shown
        for number in numbers_of(text)
        if not any(
            abs(number.value - value) <= number.slack
            or (number.percent and abs(number.value - 100 * value) <= number.slack)
            for value in values
        )
    ]
