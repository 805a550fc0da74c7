"""Further ways to ask, beside those that are shown with the verbs; many were once held out to try retrieval on.

``further.json`` holds them by verb; ``documentation`` stands for the pages, ``outside`` for what nothing here answers.
"""

import json
from functools import cache
from importlib.resources import files

from industriverse.operations.registry import Example

__all__ = ["further"]


@cache
def further() -> dict[str, tuple[Example, ...]]:
    """Questions by verb."""
    text = files(__package__).joinpath("further.json").read_text(encoding="utf-8")
    return {
        verb: tuple(
            Example(question, group.get("arguments", {}))
            for group in groups
            for question in group["questions"]
        )
        for verb, groups in json.loads(text).items()
    }
