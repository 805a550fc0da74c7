"""Questions that people ask, by toolset: what the verbs are found by when no language model reads the question."""

from typing import Any

from industriverse.operations.registry import Example

__all__ = ["asked"]


def asked(*questions: str, **arguments: Any) -> tuple[Example, ...]:
    """Several ways to ask for the same arguments."""
    return tuple(Example(question, arguments) for question in questions)
