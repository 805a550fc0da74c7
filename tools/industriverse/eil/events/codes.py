"""Field values to small integers: categories by frequency, numbers by clean quantiles and repeated values."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

__all__ = ["ABSENT", "FieldCodes"]

ABSENT: Final = None
MAXIMUM_CATEGORIES: Final = 128
QUANTILES: Final = 8
CROWD_SHARE: Final = 512  # in a crowded field, a category of its own has at least this part of the events

# Codes shared by all fields: a value never seen clean, and no value at all.
UNSEEN_CODE: Final = 0
ABSENT_CODE: Final = 1
FIRST_CODE: Final = 2


class FieldCodes:
    """Discretisation of one field.

    A field is numeric if every clean value that is present is a number. Numbers fall between the clean
    octiles, or exactly on one: a value that many events share, such as zero, is a code of its own. Numbers
    outside the clean range have codes that no clean event has. Up to 128 categories have codes; of more, the
    common ones have, and all others share one.

    Args:
        name: Field name.
        edges: Clean quantiles of a numeric field, else None.
        categories: Categories in code order.
        crowded: Whether clean events held more categories than have codes of their own.
    """

    def __init__(
        self, name: str, edges: Sequence[float] | None, categories: Sequence[str], *, crowded: bool = False
    ) -> None:
        self.name = name
        self._edges = None if edges is None else list(edges)
        self._categories = list(categories)
        self._crowded = crowded
        self._index = {category: FIRST_CODE + i for i, category in enumerate(self._categories)}
        self._other = FIRST_CODE + len(self._categories) if crowded else UNSEEN_CODE

    @classmethod
    def fit(cls, name: str, values: Sequence[Any]) -> "FieldCodes":
        """Learn the discretisation from clean values, None where absent."""
        present = [value for value in values if value is not ABSENT and value == value]
        if present and not any(isinstance(value, str) for value in present):
            finite = [value for value in map(float, present) if math.isfinite(value)]
            edges = np.quantile(finite or [0.0], np.linspace(0.0, 1.0, QUANTILES + 1))
            return cls(name, np.unique(edges).tolist(), [])
        counts = Counter(map(str, present))
        ordered = sorted(counts, key=lambda category: (-counts[category], category))
        crowded = len(ordered) > MAXIMUM_CATEGORIES
        if crowded:
            # One of many rare values must not surprise more than one that was never met.
            least = len(present) / CROWD_SHARE
            ordered = [value for value in ordered[: MAXIMUM_CATEGORIES - 1] if counts[value] >= least]
        return cls(name, None, ordered, crowded=crowded)

    @property
    def size(self) -> int:
        """Number of codes."""
        if self._edges is not None:
            return FIRST_CODE + 2 * len(self._edges) + 1
        return FIRST_CODE + len(self._categories) + 1

    def of(self, value: Any) -> int:
        """Code of a value; text in a numeric field counts as unseen."""
        if value is ABSENT or value != value:  # NaN is no value
            return ABSENT_CODE
        if self._edges is None:
            return self._index.get(str(value), self._other)
        if isinstance(value, str):
            return UNSEEN_CODE
        place = bisect_left(self._edges, value)
        exact = place < len(self._edges) and self._edges[place] == value
        return FIRST_CODE + 2 * place + exact

    def text(self, code: int) -> str:
        """A code in words."""
        if code in (UNSEEN_CODE, ABSENT_CODE):
            return "absent" if code else "never seen"
        if self._edges is None:
            place = code - FIRST_CODE
            return self._categories[place] if place < len(self._categories) else "one of many others"
        place, exact = divmod(code - FIRST_CODE, 2)
        if exact:
            return f"{self._edges[place]:g}"
        low = f"{self._edges[place - 1]:g}" if place else "-inf"
        high = f"{self._edges[place]:g}" if place < len(self._edges) else "inf"
        return f"between {low} and {high}"

    def state(self) -> dict[str, Any]:
        """Everything learnt, as JSON-ready values."""
        return {
            "name": self.name,
            "edges": self._edges,
            "categories": self._categories,
            "crowded": self._crowded,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "FieldCodes":
        """Rebuild from :meth:`state`."""
        return cls(state["name"], state["edges"], state["categories"], crowded=bool(state["crowded"]))
