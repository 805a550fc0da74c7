"""Judge answers against what was expected of them, number by number."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from industriverse.agents.answering.evidence import numbers_of, strays
from industriverse.agents.answering.quantities import convert
from industriverse.operations.context import LOCAL_OPERATOR
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.toolsets.asking import AskOutput

__all__ = ["Asked", "Judged", "ask", "judge", "read_questions", "recorded"]

UNITS = ("psi", "bar", "mbar", "kPa", "gpm", "L/s", "L/min", "m3/s", "ft", "cm", "hp", "W", "MW", "m[H2O]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what is expected of its answer.

    Attributes:
        question: As a person writes it.
        tool: The verb that answers; ``documentation``; empty where the answer must be a refusal.
        slots: Arguments that the call must have had.
        facts: Paths of fields of the right call's result that the text must print.
    """

    question: str
    tool: str
    slots: dict[str, Any] = field(default_factory=dict)
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What was right and wrong about one answer.

    Attributes:
        tool_right: Whether the right verb answered (or was first among the two asked about).
        refused: Whether the question was refused.
        slots_right: Whether the call had the expected arguments.
        facts_right: Whether every expected fact stands in the text.
        wrong_numbers: Numbers in the text that the call did not return, rounded as they are shown.
        asked_back: Whether the person was asked to choose.
    """

    asked: Asked
    tool_right: bool
    refused: bool
    slots_right: bool
    facts_right: bool
    wrong_numbers: tuple[str, ...]
    asked_back: bool


def read_questions(name: str, names: Mapping[str, str]) -> list[Asked]:
    """Questions of a file in ``agents_answers``, with ``$name`` replaced."""
    text = (Path(__file__).parent / "agents_answers" / name).read_text(encoding="utf-8")
    for key, value in names.items():
        text = text.replace(f"${key}", value)
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [Asked(row["q"], row["tool"], row["slots"], tuple(row["facts"])) for row in rows]


def _at(document: Any, path: str) -> Any:
    """A field by its path; a row is named by its place, or by its asset, whose place may change."""
    for part in path.split("."):
        if isinstance(document, list) and not part.isdigit():
            document = next(row for row in document if row.get("entity") == part)
        else:
            document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _fits(expected: Any, got: Any) -> bool:
    if isinstance(expected, float):
        return isinstance(got, int | float) and abs(got - expected) < 1e-6
    if isinstance(expected, list):
        return isinstance(got, list) and set(expected) == set(got)
    return bool(got == expected)


def _stated(document: Any, path: str, text: str) -> bool:
    """Whether a text prints a field; one that the verb no longer has was not printed."""
    try:
        return _printed(_at(document, path), text)
    except (KeyError, IndexError, StopIteration):
        return False


def _printed(value: Any, text: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(abs(number.value - value) <= number.slack for number in numbers_of(text))
    return str(value) in text


@contextmanager
def recorded() -> Iterator[list[Any]]:
    """The results of the calls that retrieval makes meanwhile; the calls themselves are the real ones."""
    retrieval: Any = import_module("industriverse.agents.answering.retrieval")
    results: list[Any] = []
    real = retrieval.invoke

    async def recording(*args: Any, **options: Any) -> Any:
        result = await real(*args, **options)
        results.append(result)
        return result

    retrieval.invoke = recording
    try:
        yield results
    finally:
        retrieval.invoke = real


async def ask(platform: Platform, question: str, **arguments: Any) -> tuple[AskOutput, Any]:
    """The answer of retrieval to a question, and what the verb returned that it called."""
    with recorded() as results:
        got = await invoke(
            platform,
            "platform_ask",
            {"question": question, "mode": "retrieval", **arguments},
            principal=LOCAL_OPERATOR,
        )
    assert isinstance(got, AskOutput)
    assert len(results) <= 1, "an answer rests on one call"
    return got, results[0] if results else None


async def judge(platform: Platform, asked: Asked, got: AskOutput, result: Any) -> Judged:
    """Judge one answer against what its call returned, and against the call that was right."""
    ranked_first = got.choices[0] if got.kind == "choice" and got.choices else got.tool
    tool_right = asked.tool != "" and ranked_first == asked.tool
    slots_right = all(_fits(value, got.arguments.get(name)) for name, value in asked.slots.items())
    wrong: tuple[str, ...] = ()
    facts_right = not asked.facts
    if got.kind == "answer":
        assert result is not None
        said = [result.model_dump(mode="json"), str(result), got.link, _conversions(got)]
        wrong = tuple(strays(got.text, said))
        if tool_right and asked.facts:
            right = await invoke(
                platform, asked.tool, {**got.arguments, **asked.slots}, principal=LOCAL_OPERATOR
            )
            document = right.model_dump(mode="json")
            facts_right = all(_stated(document, path, got.text) for path in asked.facts)
    return Judged(
        asked,
        tool_right,
        got.kind == "refused",
        tool_right and slots_right,
        facts_right,
        wrong,
        got.kind == "choice",
    )


def _conversions(got: AskOutput) -> list[float | None]:
    return [
        convert(fact.value, fact.unit, unit)
        for fact in got.facts
        if isinstance(fact.value, float)
        for unit in UNITS
    ]
