"""Keeps answers small enough for a model's context: long lists are cut, and the rest can be read page by page."""

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

from industriverse.operations.context import Principal
from industriverse.operations.errors import NotFoundError

__all__ = ["LIMIT_CHARACTERS", "Guarded", "ResponseGuard"]

LIMIT_CHARACTERS = 60_000
"""About 20,000 tokens of JSON."""

_KEPT = 64
_TRUNCATED = Counter("industriverse_mcp_truncated_results", "Results cut to fit a model's context", ["tool"])


@dataclass(frozen=True, slots=True)
class Guarded:
    """A result as it is sent.

    Attributes:
        structured: Data that fit the tool's output schema.
        hint: What was left out and how to get it, empty if nothing was.
        cursor: Names the rest, empty if there is none.
    """

    structured: dict[str, Any]
    hint: str = ""
    cursor: str = ""


def _longest_list(value: Any) -> list[Any] | None:
    """The list, at any depth, that takes the most room as JSON and has something to cut."""
    best: tuple[int, list[Any]] | None = None
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            size = len(json.dumps(item))
            if len(item) > 1 and (best is None or size > best[0]):
                best = (size, item)
            waiting.extend(item)
    return None if best is None else best[1]


class ResponseGuard:
    """Cuts results that are too long, and keeps the whole of the latest ones for their callers.

    Args:
        limit: Characters of JSON that are sent at most.
    """

    def __init__(self, limit: int = LIMIT_CHARACTERS) -> None:
        self._limit = limit
        self._whole: OrderedDict[str, tuple[str, str]] = OrderedDict()

    @property
    def limit(self) -> int:
        """Characters of JSON that are sent at most."""
        return self._limit

    def fit(self, tool: str, structured: dict[str, Any], size: int, principal: Principal) -> Guarded:
        """A result that fits.

        Args:
            tool: Whose result it is.
            structured: The result; lists in it are cut in place.
            size: Its length as JSON.
            principal: Who may read the rest.
        """
        if size <= self._limit:
            return Guarded(structured)
        whole = json.dumps(structured)
        cut = 0
        while len(json.dumps(structured)) > self._limit:
            longest = _longest_list(structured)
            if longest is None:
                break
            keep = max(1, len(longest) // 2)
            cut += len(longest) - keep
            del longest[keep:]
        cursor = secrets.token_urlsafe(12)
        self._whole[cursor] = (principal.identity, whole)
        while len(self._whole) > _KEPT:
            self._whole.popitem(last=False)
        _TRUNCATED.labels(tool).inc()
        pages = -(-len(whole) // self._limit)
        hint = (
            f"cut to fit: {cut} entries of lists were left out. Ask for less (limit, cursor, a shorter time), or read "
            f"the whole as JSON text in {pages} pages: result://{cursor}/1 to result://{cursor}/{pages}"
        )
        return Guarded(structured, hint, cursor)

    def page(self, cursor: str, number: int, principal: Principal) -> str:
        """A page of a result that was cut, as JSON text to be put together.

        Raises:
            NotFoundError: If it is not kept any more, is another's, or has no such page.
        """
        owner, whole = self._whole.get(cursor, ("", ""))
        text = whole[(number - 1) * self._limit : number * self._limit] if number > 0 else ""
        if owner != principal.identity or not text:
            raise NotFoundError(
                "no such page of a result", hint="call the tool again; only recent results are kept"
            )
        return text
