"""Whether every number of a text stands in what tools have returned."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Number", "numbers_of", "strays", "unsupported"]

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


_TIME = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|\+00:00)?(?!\w)|\b\d{1,2}:\d{2}(?::\d{2})?\b"
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?")
_NAME = re.compile(r"[A-Za-z][\w.]*(?:-[\w.]*\w)*")
_KIND = re.compile(r"\b(?P<kind>[A-Za-z]{3,}) (?P<number>\d+)\b")


def _strings(told: Any) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        for key, value in told.items():
            yield str(key)
            yield from _strings(value)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from _strings(value)


def _numeric(told: Any) -> Iterator[float]:
    if isinstance(told, int | float) and not isinstance(told, bool):
        yield float(told)
    elif isinstance(told, str):
        # Amounts of the ledger are exact decimal text.
        if re.fullmatch(r"-?\d+\.\d{6}", told):
            yield float(told)
    elif isinstance(told, dict):
        for value in told.values():
            yield from _numeric(value)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from _numeric(value)


def unsupported(text: str, results: Any) -> list[str]:
    """Numbers, times and numbered names of a text that no result of a tool vouches for.

    Stricter than :func:`strays`: a number must be a numeric field. A number inside a text, which may come from
    telemetry and say anything, vouches for nothing; it may only be part of a name or a time that is quoted whole.

    Args:
        text: What a language model wants to say.
        results: Structured results of the calls that it cites.
    """
    strings = [string.casefold() for string in _strings(results)]
    times = [string for string in _strings(results) if _ISO.fullmatch(string)]
    wrong: list[str] = []

    def time(match: re.Match[str]) -> str:
        wanted = match[0].replace(" ", "T").removesuffix("Z").removesuffix("+00:00")
        if not any(wanted in told for told in times):
            wrong.append(match[0])
        return " "

    def name(match: re.Match[str]) -> str:
        if not any(c.isdigit() for c in match[0]):
            return match[0]
        if not any(match[0].casefold() in string for string in strings):
            wrong.append(match[0])
        return " "

    def kind(match: re.Match[str]) -> str:
        named = f"{match['kind']}-{match['number']}".casefold()
        return " " if any(re.search(rf"{re.escape(named)}(?!\d)", string) for string in strings) else match[0]

    rest = _KIND.sub(kind, _NAME.sub(name, _TIME.sub(time, text)))
    values = sorted(set(_numeric(results)))
    for number in numbers_of(rest):
        near = (abs(number.value - v) <= number.slack for v in values)
        percent = (number.percent and abs(number.value - 100 * v) <= number.slack for v in values)
        if not any(near) and not any(percent):
            wrong.append(number.shown)
    return wrong
