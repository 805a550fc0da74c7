"""Further ways to ask, beside those that are shown with the verbs.

``further.json`` holds them by verb; ``documentation`` stands for the pages, ``outside`` for what nothing here answers.
Many were once held out to try retrieval on. ``styles.json`` holds what different people ask who stand near to a plant
(its operators, a grid's, an analyst, a student, somebody who only chats), in scope and out of it, so that one of
them can be left out to see how a stranger fares.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from industriverse.operations.registry import Example

__all__ = ["further", "styles"]


def _read(name: str) -> Any:
    return json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _examples(groups_by_verb: dict[str, list[dict[str, Any]]]) -> dict[str, tuple[Example, ...]]:
    return {
        verb: tuple(
            Example(question, group.get("arguments", {}))
            for group in groups
            for question in group["questions"]
        )
        for verb, groups in groups_by_verb.items()
    }


@cache
def further() -> dict[str, tuple[Example, ...]]:
    """Questions by verb."""
    return _examples(_read("further.json"))


@cache
def styles() -> dict[str, dict[str, tuple[Example, ...]]]:
    """Questions by who asks and by verb."""
    return {who: _examples(groups) for who, groups in _read("styles.json").items()}
