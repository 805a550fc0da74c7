"""The places of all states of an embedded graph in one matrix, for finding the nearest ones.

The graph has one owner and every write passes its engine, so the matrix beside it is kept true write by write. It
is made at the first question, holds some 250 bytes a state, and is made again after a write that it does not know.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from industriverse.atlas import cypher, cypher_tools
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.model import VECTOR_LENGTH

__all__ = ["MOST_STATES", "Likeness"]

MOST_STATES = 500_000
"""States of which the places are held, 125 MB; a larger graph is scanned by its own engine."""

_PUTS = cypher.UPSERT_STATES[0]
_TAKES = cypher_tools.DROP_ARCHIVED
_MOVES_NOTHING = frozenset(
    {
        *cypher.UPSERT_STATES[1:],
        *cypher.UPSERT_TERMS,
        cypher.UPSERT_SERVICES,
        cypher.UPSERT_ENTITIES,
        cypher.LINK_TRANSITIONS,
        cypher.WRITE_SCHEMA,
        cypher_tools.RECORD_SEGMENTS,
        *cypher.RECORD_SHIFT,
        *cypher.RECORD_ACTION,
        *cypher.RECORD_INCIDENT,
        *cypher.RECORD_PROOF,
        *cypher.RECORD_MODEL,
        *(text for name, texts in cypher_tools.IMPORTS.items() if name != "EnergyState" for text in texts),
    }
)


class Likeness:
    """Ids and places of states; the caller sees to it that one thread at a time is in here.

    Args:
        rows: ``id`` and ``vector`` of every state that has a place.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._ids = [str(row["id"]) for row in rows]
        self._row_of = {identifier: row for row, identifier in enumerate(self._ids)}
        # A coordinate of all states lies together: distances are summed up coordinate by coordinate.
        places = np.array([row["vector"] for row in rows], dtype=np.float64).reshape(-1, VECTOR_LENGTH)
        self._places: NDArray[np.float64] = np.ascontiguousarray(places.T)

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, place: Sequence[float], limit: int, besides: str) -> list[Row]:
        """``id`` and ``squared`` distance of the nearest states, ties in the order of their ids."""
        squared = np.zeros(len(self))
        with np.errstate(over="ignore"):
            # The order of the sum is that of the engine's own, so that both come to the same bits.
            for values, coordinate in zip(self._places[:, : len(self)], place, strict=True):
                apart = values - coordinate
                squared += apart * apart
        wanted = limit + (besides in self._row_of)
        if wanted < len(self):
            bound = np.partition(squared, wanted - 1)[wanted - 1]
            candidates = np.flatnonzero(squared <= bound)
        else:
            candidates = np.arange(len(self))
        ranked = sorted((float(squared[row]), self._ids[row]) for row in candidates)
        return [{"id": one, "squared": apart} for apart, one in ranked if one != besides][:limit]

    def follow(self, statements: Sequence[Statement]) -> bool:
        """Take in what a transaction wrote; whether it could be."""
        for text, parameters, _, _ in statements:
            if text == _PUTS:
                for row in parameters["rows"]:
                    self._put(row["id"], row["vector"]) if row["vector"] else self._take(row["id"])
            elif text == _TAKES:
                for row in parameters["rows"]:
                    self._take(row["id"])
            elif text not in _MOVES_NOTHING:
                return False
        return len(self) <= MOST_STATES

    def _put(self, identifier: str, place: Sequence[float]) -> None:
        row = self._row_of.get(identifier)
        if row is None:
            row = self._row_of[identifier] = len(self._ids)
            self._ids.append(identifier)
            if row >= self._places.shape[1]:
                grown = np.empty((VECTOR_LENGTH, max(1_024, row + row // 2)))
                grown[:, :row] = self._places[:, :row]
                self._places = grown
        self._places[:, row] = place

    def _take(self, identifier: str) -> None:
        row = self._row_of.pop(identifier, None)
        if row is None:
            return
        # The last one takes its row.
        last = self._ids.pop()
        if last != identifier:
            self._ids[row] = last
            self._row_of[last] = row
            self._places[:, row] = self._places[:, len(self._ids)]
