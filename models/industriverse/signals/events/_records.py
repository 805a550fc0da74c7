"""Records of any sensor: JSON objects of lines, and the values of a record that are set and of their kind."""

import json
from typing import Any

from industriverse.signals.events._lines import clean_text
from industriverse.signals.events.event import FieldValue

__all__ = ["NO_ENTITY", "NO_SYMBOL", "NO_TIME", "Record", "collect", "json_object"]

# Reasons for which a record is no event.
NO_TIME = "no time"
NO_ENTITY = "no originator or responder"
NO_SYMBOL = "no function"

Record = dict[str, Any]


def json_object(line: str) -> Record | None:
    """The JSON object of a line, or None; NaN, Infinity and nesting without end are not JSON."""
    try:
        record = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def collect(record: Record, texts: dict[str, str], numbers: dict[str, str]) -> dict[str, FieldValue]:
    """The named values of a record that are set and of their kind, under our names."""
    fields: dict[str, FieldValue] = {}
    for name, ours in texts.items():
        value = record.get(name)
        if isinstance(value, bool):
            value = "T" if value else "F"  # as Zeek writes it in columns
        if isinstance(value, str | int | float) and value != "":
            fields[ours] = clean_text(str(value))
    for name, ours in numbers.items():
        number = _as_number(record.get(name))
        if number is not None:
            fields[ours] = number
    return fields


def _as_number(value: object) -> int | float | None:
    """A finite number of at most 64 bits, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not abs(number) < 2.0**63:
        return None
    return int(number) if number.is_integer() else number
