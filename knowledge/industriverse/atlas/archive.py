"""Old states leave the graph for Parquet, where they are still found by id and by time."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from industriverse.atlas.cypher_tools import ARCHIVABLE, DROP_ARCHIVED, LIST_SEGMENTS, RECORD_SEGMENTS
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.errors import ObjectCorruptError, SearchError, UnknownRecordError
from industriverse.atlas.graph import GraphAtlas, record_of
from industriverse.atlas.model import EnergyState, Kind, Transition
from industriverse.atlas.objects import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Archive", "ArchiveReport", "Segment", "state_of"]

_INT64_MAX = 2**63 - 1
_DROP_ROWS = 2_000
_KEPT_SEGMENTS = 4
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of archived states.

    Attributes:
        id: Key of its Parquet object.
        first_ns: Time of its first state.
        last_ns: Time of its last state.
        states: How many it holds.
    """

    id: str
    first_ns: int
    last_ns: int
    states: int


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What was archived: states, and the segments they went to."""

    states: int
    segments: tuple[Segment, ...]


class Archive:
    """States that were moved out of the graph, each segment one Parquet object.

    A segment is in the object store before the transaction that enters it in the graph and removes its states
    there, so that a state is always in one of the two. States on which a shift, an incident or a proof rests
    stay in the graph.

    Args:
        atlas: The graph.
        objects: Where segments go.
        segment_states: States in a segment at most.
    """

    def __init__(self, atlas: GraphAtlas, objects: ObjectStore, *, segment_states: int = 20_000) -> None:
        self._atlas, self._objects, self._segment_states = atlas, objects, segment_states
        self._recent: OrderedDict[str, pa.Table] = OrderedDict()
        self._reading = threading.Lock()

    def archive_before(self, time_ns: int) -> ArchiveReport:
        """Archive every state that began before a time.

        Raises:
            AtlasError: If the graph or the object store refuses; what was archived until then stays so.
        """
        return self._archive(time_ns, None)

    def keep_newest(self, states: int) -> ArchiveReport:
        """Archive the oldest states until the graph holds this many, or only ones that must stay.

        Raises:
            AtlasError: If the graph or the object store refuses; what was archived until then stays so.
        """
        return self._archive(_INT64_MAX, max(0, self._atlas.counts().nodes[Kind.STATE] - states))

    def segments(self) -> tuple[Segment, ...]:
        """Every segment, oldest first."""
        [rows] = self._atlas.engine.read([Statement(LIST_SEGMENTS)])
        return tuple(Segment(**row) for row in rows)

    def state(self, identifier: str) -> EnergyState | None:
        """The archived state with this id, or None; of several versions the last that was archived.

        Raises:
            ObjectMissingError: If a segment is gone.
            ObjectCorruptError: If a segment is damaged.
        """
        row = self._row(identifier)
        return None if row is None else state_of(row)

    def transitions(self, identifier: str) -> tuple[Transition, ...]:
        """Transitions from and to an archived state, as they were when it was archived."""
        row = self._row(identifier)
        if row is None:
            return ()
        after = [Transition(identifier, other, cause) for other, cause in _pairs(row["following"])]
        before = [Transition(other, identifier, cause) for other, cause in _pairs(row["preceding"])]
        return tuple(before + after)

    def search(
        self, *, start_ns: int = 0, stop_ns: int = _INT64_MAX, service: str | None = None, limit: int = 500
    ) -> tuple[EnergyState, ...]:
        """Archived states of a range of time, oldest first.

        Args:
            start_ns: First time that belongs to the range.
            stop_ns: First time behind it.
            service: Only of this stream.
            limit: States at most; go on from the time of the last one.

        Raises:
            SearchError: If the limit is below one.
        """
        import pyarrow.compute as pc

        if limit < 1:
            raise SearchError(f"limit is {limit}", hint="give 1 or more")
        found: dict[str, EnergyState] = {}
        floor: int | None = None
        for segment in self.segments():
            if segment.last_ns < start_ns or segment.first_ns >= stop_ns:
                continue
            # Segments come by their first time: once the limit is full, later ones add nothing earlier.
            if floor is not None and segment.first_ns > floor:
                break
            times = pc.field("timestamp_ns")
            condition = (times >= start_ns) & (times < stop_ns)
            if service is not None:
                condition &= pc.field("service") == service
            for row in self._table(segment.id).filter(condition).slice(0, limit).to_pylist():
                found[row["id"]] = state_of(row)
            if len(found) >= limit:
                floor = sorted(one.timestamp_ns for one in found.values())[limit - 1]
        return tuple(sorted(found.values(), key=lambda one: (one.timestamp_ns, one.id))[:limit])

    def states(self) -> Iterator[EnergyState]:
        """Every archived state, segment by segment."""
        for segment in self.segments():
            for row in self._table(segment.id).to_pylist():
                yield state_of(row)

    def led_to(self, identifiers: Collection[str]) -> set[str]:
        """Those of these states to which an archived state had a transition."""
        found: set[str] = set()
        for segment in self.segments() if identifiers else ():
            for row in self._table(segment.id).select(["following"]).to_pylist():
                found.update(other for other, _ in _pairs(row["following"]) if other in identifiers)
        return found

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Every archived state that names an object, with the key of that object."""
        for segment in self.segments():
            table = self._table(segment.id)
            for row in table.select(["id", "evidence"]).to_pylist():
                if row["evidence"]:
                    yield row["id"], row["evidence"]

    def _archive(self, before_ns: int, limit: int | None) -> ArchiveReport:
        segments: list[Segment] = []
        done = 0
        while limit is None or done < limit:
            size = self._segment_states if limit is None else min(self._segment_states, limit - done)
            segment = self._archive_segment(before_ns, size)
            if segment is None:
                break
            segments.append(segment)
            done += segment.states
        return ArchiveReport(done, tuple(segments))

    def _archive_segment(self, before_ns: int, size: int) -> Segment | None:
        for attempt in range(_ATTEMPTS):
            [rows] = self._atlas.engine.read([Statement(ARCHIVABLE, {"before_ns": before_ns, "limit": size})])
            if not rows:
                return None
            key = self._objects.put_bytes(_parquet(rows))
            segment = Segment(key, rows[0]["timestamp_ns"], rows[-1]["timestamp_ns"], len(rows))
            try:
                self._move(segment, rows)
            except UnknownRecordError:
                # A state was written again meanwhile; the object of this attempt is removed, the next has it.
                self._objects.delete(key)
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return segment
        return None

    def _move(self, segment: Segment, rows: Sequence[Row]) -> None:
        # Links between states of one segment go with the first of the two, which would change the count that
        # guards the second; such links are counted down batch by batch.
        statements = [Statement(RECORD_SEGMENTS, {"rows": [asdict(segment)]}, 1, "the segment")]
        dropped: set[str] = set()
        for start in range(0, len(rows), _DROP_ROWS):
            part = rows[start : start + _DROP_ROWS]
            guards = [_guard(row, dropped) for row in part]
            statements.append(
                Statement(DROP_ARCHIVED, {"rows": guards}, len(guards), "an unchanged state to archive")
            )
            dropped |= {row["id"] for row in part}
        self._atlas.engine.write(statements)

    def table(self, segment: Segment) -> "pa.Table":
        """The rows of a segment in the order of time, with their transitions; the last few are kept in memory.

        Raises:
            ObjectMissingError: If the segment is gone.
            ObjectCorruptError: If it is damaged.
        """
        return self._table(segment.id)

    def _row(self, identifier: str) -> Row | None:
        import pyarrow.compute as pc

        for segment in reversed(self.segments()):
            rows = self._table(segment.id).filter(pc.field("id") == identifier).to_pylist()
            if rows:
                return dict(rows[-1])
        return None

    def _table(self, key: str) -> "pa.Table":
        with self._reading:
            if key not in self._recent:
                self._recent[key] = _read(key, self._objects.get_bytes(key))
                if len(self._recent) > _KEPT_SEGMENTS:
                    self._recent.popitem(last=False)
            self._recent.move_to_end(key)
            return self._recent[key]


def _guard(row: Row, dropped: set[str]) -> Row:
    names = ("id", "timestamp_ns", "energy", "entropy", "regime", "service", "evidence")
    others = [other for other, _ in (*row["following"], *row["preceding"])]
    return {
        **{name: row[name] for name in names},
        "links": row["links"] - sum(other in dropped for other in others),
    }


def state_of(row: Row) -> EnergyState:
    """The state in a row of a segment."""
    names = ("links", "following", "preceding")
    state = record_of(Kind.STATE, {name: value for name, value in row.items() if name not in names})
    assert isinstance(state, EnergyState)
    return state


def _pairs(links: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(link["state"], link["cause"]) for link in links]


def _schema() -> "pa.Schema":
    import pyarrow as pa

    links = pa.list_(pa.struct([("state", pa.string()), ("cause", pa.string())]))
    fields: list[tuple[str, Any]] = [
        ("id", pa.string()),
        ("timestamp_ns", pa.int64()),
        ("energy", pa.float64()),
        ("entropy", pa.float64()),
        ("domain", pa.string()),
        ("regime", pa.string()),
        ("service", pa.string()),
        ("entities", pa.list_(pa.string())),
        ("reference_digest", pa.string()),
        ("evidence", pa.string()),
        ("vector", pa.list_(pa.float64())),
        ("following", links),
        ("preceding", links),
    ]
    return pa.schema(fields, metadata={b"industriverse.segment": b"1"})


def _parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in schema.names}
    columns["vector"] = [vector or [] for vector in columns["vector"]]
    for name in ("following", "preceding"):
        columns[name] = [
            [{"state": other, "cause": cause} for other, cause in links] for links in columns[name]
        ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pydict(columns, schema=schema), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _read(key: str, content: bytes) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
        if b"industriverse.segment" not in (table.schema.metadata or {}):
            raise ValueError("it has no mark of a segment")
    except (pa.ArrowException, ValueError) as error:
        raise ObjectCorruptError(
            f"object {key} is no segment of the archive: {error}", hint="restore it from a backup"
        ) from error
    return table
