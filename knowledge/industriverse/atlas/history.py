"""Searches over what the graph holds and what was archived from it, as if it were one."""

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from industriverse.atlas.archive import Archive, Segment, state_of
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.model import EnergyState, Kind, Record, Transition
from industriverse.atlas.search import Page, Position, Search, decode_cursor, encode_cursor

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["History"]

_INT64_MAX = 2**63 - 1
_PLAIN_FILTERS = ("domain", "regime", "service")
_SEARCHED = ("id", "domain", "regime", "service")


class History:
    """The graph and its archive behind one search and one lookup.

    A state that was written again after it had been archived is in both; the graph's version counts.

    Args:
        atlas: The graph.
        archive: What left it.
    """

    def __init__(self, atlas: GraphAtlas, archive: Archive) -> None:
        self._atlas, self._archive = atlas, archive

    def state(self, identifier: str) -> EnergyState | None:
        """The state with this id, wherever it is, or None."""
        return self._atlas.state(identifier) or self._archive.state(identifier)

    def transitions(self, identifier: str) -> tuple[Transition, ...]:
        """Transitions from and to a state that was archived, as they were then."""
        return self._archive.transitions(identifier)

    def search(self, search: Search) -> Page:
        """One page of the records that match; only states are ever archived.

        Raises:
            SearchError: If the cursor is damaged or belongs to another search.
        """
        page = self._atlas.search(search)
        segments = self._archive.segments() if search.kind is Kind.STATE else ()
        segments = tuple(one for one in segments if _overlaps(one, search))
        if not segments:
            return page
        position = decode_cursor(search) if search.cursor else None
        total, archived = page.total, []
        for segment in segments:
            table = _matching(self._archive.table(segment), search)
            total += table.num_rows
            archived += _beyond(table, search, position)
        merged = _merged([one for one in page.records if isinstance(one, EnergyState)], archived, search)
        # The graph's page may end early; what lies behind its end is not known to be next.
        if page.next_cursor:
            last = _key(page.records[-1])
            merged = [one for one in merged if _before(_key(one), last, search) or _key(one) == last]
        records: tuple[Record, ...] = tuple(merged[: search.limit])
        more = len(merged) > search.limit or (bool(page.next_cursor) and bool(records))
        cursor = encode_cursor(search, Position(*_key(records[-1]))) if more else ""
        return Page(records, total, cursor)


def _key(record: Record) -> tuple[int, str]:
    assert isinstance(record, EnergyState)
    return record.timestamp_ns, record.id


def _before(one: tuple[int, str], other: tuple[int, str], search: Search) -> bool:
    return one > other if search.newest_first else one < other


def _overlaps(segment: Segment, search: Search) -> bool:
    start = search.start_ns or 0
    stop = _INT64_MAX if search.stop_ns is None else search.stop_ns
    return segment.last_ns >= start and segment.first_ns < stop


def _matching(table: "pa.Table", search: Search) -> "pa.Table":
    import pyarrow.compute as pc

    conditions: list[Any] = [
        pc.field(name) == value for name in _PLAIN_FILTERS if (value := getattr(search, name))
    ]
    if search.start_ns is not None:
        conditions.append(pc.field("timestamp_ns") >= search.start_ns)
    if search.stop_ns is not None:
        conditions.append(pc.field("timestamp_ns") < search.stop_ns)
    if conditions:
        table = table.filter(reduce(and_, conditions))
    words = search.filters.get("words")
    if search.entity is None and not words:
        return table
    assert words is None or isinstance(words, list)
    rows = table.select([*_SEARCHED, "entities"]).to_pylist()
    return table.filter([_fits(row, search.entity, words or []) for row in rows])


def _fits(row: dict[str, Any], entity: str | None, words: list[str]) -> bool:
    if entity is not None and entity not in row["entities"]:
        return False
    places = [str(row[name]).lower() for name in _SEARCHED] + [one.lower() for one in row["entities"]]
    return all(any(word in place for place in places) for word in words)


def _beyond(table: "pa.Table", search: Search, position: Position | None) -> list[EnergyState]:
    """The first states of a segment behind the cursor, one more than a page holds."""
    columns = table.select(["timestamp_ns", "id"]).to_pylist()
    keys = [(int(row["timestamp_ns"]), str(row["id"])) for row in columns]
    numbered = sorted(((key, row) for row, key in enumerate(keys)), reverse=search.newest_first)
    if position is not None:
        limit = (position.timestamp_ns, position.id)
        numbered = [one for one in numbered if _before(limit, one[0], search)]
    rows = [row for _, row in numbered[: search.limit + 1]]
    return [state_of(row) for row in table.take(rows).to_pylist()] if rows else []


def _merged(present: list[EnergyState], archived: list[EnergyState], search: Search) -> list[EnergyState]:
    # Later segments hold later versions, and the graph the latest.
    states = {one.id: one for one in (*archived, *present)}
    return sorted(states.values(), key=_key, reverse=search.newest_first)
