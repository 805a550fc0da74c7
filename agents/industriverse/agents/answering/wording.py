"""An answer's text: fields of one result, with units, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from industriverse.agents.answering.moments import Times
from industriverse.agents.answering.naming import Reading
from industriverse.agents.answering.quantities import convert
from industriverse.agents.answering.text import stems
from industriverse.operations.asking import Fact
from industriverse.operations.times import parse_time

__all__ = ["Worded", "word_result"]

MOST_FACTS = 16
MOST_ROWS = 8
LONGEST_TEXT = 1200
_SUFFIXES = (
    ("_per_day", "per day"), ("_kt", "kT"), ("_nats", "nats"), ("_m3", "m3"), ("_hours", "h"), ("_percent", "%"),
    ("_s", "s"), ("_pft", "PFT"), ("_ceu", "CEU"),
)  # fmt: skip
_WIDE_WORDS = frozenset(["time", "stream", "name", "id", "note", "text", "summary", "score", "alarm"])
_KEYS = ("channel", "name", "id", "plan_id", "plant_id", "thread_id", "entity", "operation")
_MEASURED = ("latest", "mean", "lower", "upper", "actual", "expected")


@dataclass(frozen=True, slots=True)
class Worded:
    """The text, and the fields that it prints."""

    text: str
    facts: tuple[Fact, ...]


def _label(field: str) -> tuple[str, str]:
    for suffix, unit in _SUFFIXES:
        if field.endswith(suffix):
            return field.removesuffix(suffix).replace("_", " "), unit
    return field.replace("_", " "), ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and 0 < len(value) <= 80)


def _scalars(result: BaseModel) -> Iterator[tuple[str, Any]]:
    for name in type(result).model_fields:
        value = getattr(result, name)
        if _is_scalar(value):
            yield name, value


def _focus(result: BaseModel, reading: Reading) -> list[tuple[str, Any]]:
    """The fields whose names the question spells out best."""
    asked = set(stems(reading.folded))
    scored: list[tuple[int, float, str, Any]] = []
    for name, value in _scalars(result):
        words = set(stems(_label(name)[0])) - _WIDE_WORDS
        matched = len(words & asked)
        if words and matched / len(words) >= 0.5:
            scored.append((matched, matched / len(words), name, value))
    if not scored:
        return []
    most = max(matched for matched, *_ in scored)
    return [(name, value) for matched, _, name, value in scored if matched == most][:4]


def _fact(name: str, value: Any, unit: str = "") -> Fact:
    label, own = _label(name)
    return Fact(label, value, own or unit)


def _say(fact: Fact, wanted: str) -> str:
    unit = "" if fact.unit in ("", "1") else f" {fact.unit}"
    text = f"{fact.name} {_shown(fact.value)}{unit}"
    if wanted and isinstance(fact.value, float):
        other = convert(fact.value, fact.unit, wanted)
        if other is not None:
            text += f" (= {other:.4g} {wanted})"
    return text


def _rows(result: BaseModel) -> Iterator[list[BaseModel]]:
    for name in type(result).model_fields:
        value = getattr(result, name)
        if isinstance(value, list) and value and isinstance(value[0], BaseModel):
            yield value


def _is_about(row: BaseModel, entities: tuple[str, ...], channels: tuple[str, ...]) -> bool:
    told = {str(getattr(row, name, "")).casefold() for name in (*_KEYS, "target", "stream")}
    if channels:
        return bool(told & {channel.casefold() for channel in channels})
    return any(
        entity.casefold() in told or any(re.split(r"[.]", text)[0] == entity.casefold() for text in told)
        for entity in entities
    )


def _in_time(row: BaseModel, times: Times) -> bool:
    told = getattr(row, "opened", None) or getattr(row, "time", None)
    if not isinstance(told, str) or (times.start_ns is None and times.stop_ns is None):
        return True
    moment = parse_time(told, "time")
    return (times.start_ns or -(2**63)) <= moment < (times.stop_ns or 2**63)


def _row_facts(row: BaseModel) -> tuple[str, list[Fact]]:
    key = next((str(getattr(row, name)) for name in _KEYS if isinstance(getattr(row, name, None), str)), "")
    unit = str(getattr(row, "unit", ""))
    facts = [
        _fact(name, value, unit if name in _MEASURED else "")
        for name, value in _scalars(row)
        if name != "unit" and str(value) != key
    ]
    return key, facts


def _word_rows(rows: list[BaseModel], wanted: str) -> Worded:
    lines, facts = [], []
    for row in rows[:MOST_ROWS]:
        key, said = _row_facts(row)
        lines.append(f"{key}: " + ", ".join(_say(fact, wanted) for fact in said))
        facts += [Fact(f"{key} {fact.name}".strip(), fact.value, fact.unit) for fact in said]
    if len(rows) > MOST_ROWS:
        lines.append("The result holds more rows than are shown here.")
    return Worded("\n".join(lines), tuple(facts))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rsplit(" ", 1)[0] + " …"


def word_result(
    result: BaseModel, reading: Reading, times: Times, entities: tuple[str, ...], channels: tuple[str, ...]
) -> Worded:
    """Say of a result what was asked for.

    Args:
        result: What the verb returned.
        reading: The question.
        times: Its times; rows of other times are left out.
        entities: Assets that it is about; rows of others are left out.
        channels: Channels that it is about.
    """
    narrowed = bool(entities or channels)
    for rows in _rows(result):
        timely = [row for row in rows if _in_time(row, times)]
        about = [row for row in timely if _is_about(row, entities, channels)] if narrowed else timely
        if about and (len(about) < len(rows) or (narrowed and len(about) == len(rows))):
            worded = _word_rows(about, reading.unit)
            return Worded(_cut(worded.text), worded.facts[: MOST_FACTS * 2])
        if not timely:
            return Worded("None in that time.", ())
    focus = [_fact(name, value) for name, value in _focus(result, reading)]
    text = _cut(str(result))
    if focus:
        said = "; ".join(_say(fact, reading.unit) for fact in focus)
        return Worded(f"{said[:1].upper()}{said[1:]}.\n{text}", tuple(focus))
    return Worded(text, tuple(_fact(name, value) for name, value in _scalars(result))[:MOST_FACTS])
