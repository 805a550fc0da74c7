r"""Energy of the fields of an event: a tree of pairwise dependences under its symbol.

The joint law of discretised fields is approximated by the best tree (Chow & Liu 1968: the maximum spanning
tree of pairwise mutual information), rooted at the symbol:

.. math:: U = -\ln p(\text{fields} \mid \text{symbol}) = -\sum_j \ln p(x_j \mid x_{\text{parent}(j)})

Each edge is a conditional surprise such as ``-ln p(flag | service)``; their sum is the energy in nats, so the
explanation adds up by construction. Estimates back off to the field's own law and from there to a novelty
mass, by the rule of :mod:`industriverse.eil.events.backoff`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.events.codes import ABSENT, FieldCodes
from industriverse.signals.events import Event

__all__ = ["MarkEnergy", "MarkTree"]

ROOT = "symbol"
MAXIMUM_FIELDS = 64
TREE_EVENTS = 20_000  # mutual information is stable well before; the rest would only cost time

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MarkEnergy:
    """Surprise of one field.

    Attributes:
        field: Field name.
        given: The field that it depends on most.
        energy_nats: ``-ln p(field | given)``.
    """

    field: str
    given: str
    energy_nats: float


class MarkTree:
    """A fitted tree over the fields of events.

    Args:
        codes: Discretisation of the root and of each field, the root first.
        parents: Index of the parent of each field, -1 for the root.
        energies: ``-ln p`` tables, shape (codes of parent, codes of field); row 0 and column 0 are unseen.
    """

    def __init__(
        self, codes: Sequence[FieldCodes], parents: Sequence[int], energies: Sequence[Array]
    ) -> None:
        self._codes = tuple(codes)
        self._parents = tuple(parents)
        self._energies = tuple(energies)
        self._lists = [table.tolist() for table in energies]

    @classmethod
    def fit(cls, events: Sequence[Event]) -> "MarkTree":
        """Learn discretisation, tree and tables from clean events; at most 64 fields, the commonest ones."""
        presence = Counter(name for event in events for name in event.fields)
        names = [name for name, _ in sorted(presence.items(), key=lambda item: (-item[1], item[0]))]
        columns: list[list[Any]] = [[event.symbol for event in events]]
        columns += [[event.fields.get(name) for event in events] for name in names[:MAXIMUM_FIELDS]]
        codes = [
            FieldCodes.fit(name, column)
            for name, column in zip([ROOT, *names[:MAXIMUM_FIELDS]], columns, strict=True)
        ]
        coded = [
            np.array([code.of(value) for value in column], dtype=np.int64)
            for code, column in zip(codes, columns, strict=True)
        ]
        parents = _spanning_tree(coded, [code.size for code in codes])
        energies = [
            np.zeros((1, 1))
            if parent < 0
            else _table(coded[parent], coded[j], codes[parent].size, codes[j].size)
            for j, parent in enumerate(parents)
        ]
        return cls(codes, parents, energies)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields in the tree."""
        return tuple(code.name for code in self._codes[1:])

    def energy(self, event: Event) -> float:
        """``-ln p(fields | symbol)``, nats."""
        return sum(self._terms(event))

    def explain(self, event: Event) -> list[MarkEnergy]:
        """The terms of the energy, largest first; they add up to it."""
        named = [
            MarkEnergy(code.name, self._codes[parent].name, term)
            for code, parent, term in zip(self._codes[1:], self._parents[1:], self._terms(event), strict=True)
        ]
        return sorted(named, key=lambda mark: -mark.energy_nats)

    def expected(self, event: Event, field: str) -> str:
        """The likeliest value of a field given the event's value of its parent, in words."""
        index = next(i for i, code in enumerate(self._codes) if code.name == field)
        parent = self._codes[self._parents[index]]
        row = self._energies[index][parent.of(_value(event, parent.name))]
        return self._codes[index].text(int(np.argmin(row[1:])) + 1)

    def _terms(self, event: Event) -> list[float]:
        found = [code.of(_value(event, code.name)) for code in self._codes]
        return [
            table[found[parent]][code]
            for table, parent, code in zip(self._lists[1:], self._parents[1:], found[1:], strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """Everything learnt, as JSON-ready values."""
        return {
            "codes": [code.state() for code in self._codes],
            "parents": list(self._parents),
            "energies": self._lists,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "MarkTree":
        """Rebuild from :meth:`state`."""
        return cls(
            [FieldCodes.from_state(code) for code in state["codes"]],
            [int(parent) for parent in state["parents"]],
            [np.array(table, dtype=np.float64) for table in state["energies"]],
        )


def _value(event: Event, name: str) -> Any:
    return event.symbol if name == ROOT else event.fields.get(name, ABSENT)


def _spanning_tree(coded: list[Codes], sizes: list[int]) -> list[int]:
    """Parents in the maximum spanning tree of mutual information, grown from column 0 (Prim 1957)."""
    count = len(coded)
    stride = max(1, len(coded[0]) // TREE_EVENTS)
    thinned = [column[::stride] for column in coded]
    best = np.full(count, -np.inf)
    parents = [-1] * count
    outside = set(range(1, count))
    newest = 0
    while outside:
        for j in sorted(outside):
            shared = _mutual_information(thinned[newest], thinned[j], sizes[newest], sizes[j])
            if shared > best[j]:
                best[j], parents[j] = shared, newest
        newest = max(sorted(outside), key=lambda j: best[j])
        outside.remove(newest)
    return parents


def _mutual_information(x: Codes, y: Codes, x_size: int, y_size: int) -> float:
    """Mutual information, nats, with the Miller-Madow correction for its upward bias."""
    joint = np.bincount(x * y_size + y, minlength=x_size * y_size).reshape(x_size, y_size)
    seen = joint > 0
    total = len(x)
    outer = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    plug_in = float((joint[seen] * np.log(joint[seen] * total / outer[seen])).sum()) / total
    cells = seen.sum() - seen.any(axis=1).sum() - seen.any(axis=0).sum() + 1
    return plug_in - float(cells) / (2 * total)


def _table(parent: Codes, child: Codes, parent_size: int, child_size: int) -> Array:
    """``-ln p(child | parent)`` with back-off to the child's own law and its novelty mass."""
    joint = np.bincount(parent * child_size + child, minlength=parent_size * child_size)
    joint = joint.reshape(parent_size, child_size).astype(np.float64)
    own = joint.sum(axis=0)
    kinds = float((own > 0).sum())
    law = (own + kinds / (kinds + 1.0)) / (own.sum() + kinds)
    different = (joint > 0).sum(axis=1, keepdims=True).astype(np.float64)
    totals = joint.sum(axis=1, keepdims=True)
    weight = totals + different
    conditional = np.where(weight > 0, (joint + different * law) / np.maximum(weight, 1.0), law)
    return np.asarray(-np.log(conditional))
