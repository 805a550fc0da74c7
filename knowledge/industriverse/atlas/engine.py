"""What the Atlas needs from a graph engine: atomic writes and consistent reads of Cypher."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

__all__ = ["Engine", "Row", "Statement"]

Row = dict[str, Any]


_NONE: Mapping[str, Any] = MappingProxyType({})


class Statement(NamedTuple):
    """One Cypher text with its parameters. A named tuple, since one is made for every lookup.

    Attributes:
        text: Cypher from :mod:`industriverse.atlas.cypher`, or checked by ``require_read_only``.
        parameters: Values, by name.
        expected: What the statement must return as ``written``; None to accept anything. A mismatch undoes
            the whole write.
        refers_to: What a mismatch means, for the error message.
    """

    text: str
    parameters: Mapping[str, Any] = _NONE
    expected: int | None = None
    refers_to: str = ""


class Engine(Protocol):
    """A graph that speaks Cypher. Methods may be called from any thread."""

    def define(self, texts: Sequence[str]) -> None:
        """Run schema statements, each on its own; they are idempotent."""

    def write(self, statements: Sequence[Statement]) -> None:
        """Run statements as one transaction, durable when this returns, absent when it raises.

        Raises:
            UnknownRecordError: If a statement touched fewer rows than expected.
            CypherRunError: If the engine refused a statement.
        """

    def read(
        self, statements: Sequence[Statement], *, timeout_s: float = 60.0, row_limit: int | None = None
    ) -> list[list[Row]]:
        """Run reads against one state of the graph; rows of each statement.

        Raises:
            CypherRunError: If the engine refused a statement or it took too long.
        """

    def nearest(self, place: Sequence[float], limit: int, besides: str) -> list[Row]:
        """``id`` and ``squared`` distance of the states nearest to a place but one, nearest first, ties by id.

        Raises:
            CypherRunError: If it takes too long.
        """

    def close(self) -> None:
        """Flush and let go; a second call does nothing."""
