"""Whether a text says of a state, calm or in alarm, proved or not, only what tools have returned.

A sentence without a number can be as wrong as one with. The fields that speak of states are few: ``alarm`` of a stream,
``regime`` of a recorded state, open incidents, and the id of a certificate.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["misstated"]

_CALM_WORDS = (
    r"(?:calm|quiet|undisturbed|healthy|all clear|in equilibrium|at equilibrium|"
    r"back to normal|normal|stable|safe)"
)
_ALARM_WORDS = (
    r"(?:in alarm|alarming|disturbed|abnormal|anomalous|unstable|under attack|attacked|compromised|unsafe|"
    r"out of equilibrium|far from equilibrium)"
)
_NOT = r"(?:not|no longer|never|isn't|is not|wasn't|aren't|hardly|without|neither|nor)"
_BETWEEN = r"\s+(?:\w+\s+){0,2}?"
_PROVED = r"(?:proved|proven|certified)"

_NOT_ALARM = re.compile(
    rf"\b{_NOT}{_BETWEEN}{_ALARM_WORDS}\b|"
    r"\b(?:no|without(?: an| any)?|zero) (?:\w+ )?(?:alarms?|incidents?|attacks?|threats?|disturbances?)\b",
    re.IGNORECASE,
)
_NOT_CALM = re.compile(rf"\b{_NOT}{_BETWEEN}{_CALM_WORDS}\b", re.IGNORECASE)
_NOT_PROVED = re.compile(rf"\b{_NOT}{_BETWEEN}{_PROVED}\b", re.IGNORECASE)
_CALM = re.compile(rf"\b{_CALM_WORDS}\b", re.IGNORECASE)
_ALARM = re.compile(rf"\b{_ALARM_WORDS}\b", re.IGNORECASE)
_IS_PROVED = re.compile(rf"\b{_PROVED}\b", re.IGNORECASE)
_CALM_REGIMES = frozenset(["reference", "recovered"])


@dataclass(frozen=True, slots=True)
class _Told:
    """What the results say of states."""

    calm: bool
    alarm: bool
    proved: bool


def _fields(told: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(told, dict):
        for key, value in told.items():
            yield str(key), value
            yield from _fields(value)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from _fields(value)


def _told(results: Any) -> _Told:
    calm = alarm = proved = False
    for name, value in _fields(results):
        if name == "alarm" and isinstance(value, bool):
            calm, alarm = calm or not value, alarm or value
        elif name == "open_incidents" and isinstance(value, int):
            calm, alarm = calm or value == 0, alarm or value > 0
        elif name == "incidents" and isinstance(value, list):
            still_open = any(isinstance(row, dict) and row.get("closed") is None for row in value)
            calm, alarm = calm or not still_open, alarm or still_open
        elif name == "regime" and isinstance(value, str):
            calm, alarm = calm or value in _CALM_REGIMES, alarm or value == "disturbed"
        elif name == "certificate_id" and value:
            proved = True
    return _Told(calm, alarm, proved)


def misstated(text: str, results: Any) -> list[str]:
    """Words of a text on states that no field of the results supports.

    Args:
        text: What a language model wants to say.
        results: Structured results of the calls that it cites, without their arguments.
    """
    told, wrong, rest = _told(results), [], text
    for pattern, stands in (
        (_NOT_ALARM, told.calm),
        (_NOT_CALM, told.alarm),
        (_NOT_PROVED, True),
        (_CALM, told.calm),
        (_ALARM, told.alarm),
        (_IS_PROVED, told.proved),
    ):
        if not stands:
            wrong += [match[0] for match in pattern.finditer(rest)]
        # What a negation covers is no claim of the word that it negates.
        rest = pattern.sub(" ", rest)
    return wrong
