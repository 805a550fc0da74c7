"""The Atlas over any engine that speaks the shared Cypher."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from industriverse.atlas import cypher
from industriverse.atlas.codec import encode
from industriverse.atlas.engine import Engine, Row, Statement
from industriverse.atlas.errors import (
    AtlasClosedError,
    AtlasSchemaError,
    RecordError,
    SearchError,
    UnknownRecordError,
)
from industriverse.atlas.model import (
    VECTOR_LENGTH,
    Action,
    EnergyState,
    Entity,
    Incident,
    Kind,
    Model,
    Proof,
    Record,
    RegimeShift,
    Service,
    Term,
    Transition,
    check_incident,
    check_vector,
    state_of_row,
    timestamp_of,
)
from industriverse.atlas.readonly import require_read_only
from industriverse.atlas.search import Page, Position, Search, decode_cursor, encode_cursor
from industriverse.atlas.store import Counts, CypherResult, Neighbourhood, NodeRef, Relation

__all__ = ["MAX_BATCH", "GraphAtlas", "record_of", "row_of"]

# One batch is one transaction and one log frame; beyond this it would hold up other writers for too long.
MAX_BATCH = 10_000
_MAX_DEPTH = 5
_MAX_NEIGHBOURS = 2_000
_SCHEMA_ID = "atlas"
_HUBS = frozenset({Kind.SERVICE, Kind.ENTITY})
_LABELS = frozenset(map(str, Kind))
_FETCH_STATE = cypher.fetch(Kind.STATE)
_CLASSES: dict[Kind, type[Record]] = {
    Kind.SHIFT: RegimeShift,
    Kind.ACTION: Action,
    Kind.PROOF: Proof,
    Kind.SERVICE: Service,
    Kind.ENTITY: Entity,
    Kind.MODEL: Model,
    Kind.TERM: Term,
}


class GraphAtlas:
    """An :class:`~industriverse.atlas.store.AtlasStore`; the protocol documents the methods.

    Args:
        engine: The graph; this object closes it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine: Engine | None = engine

    @property
    def engine(self) -> Engine:
        """The engine, for the Atlas's own tools: archive, exchange, validator."""
        return self._open

    def ensure_schema(self) -> None:
        """Create constraints and indexes where missing, and bring an older graph to this version."""
        rows = self._read(cypher.READ_SCHEMA, {"id": _SCHEMA_ID})
        found = int(rows[0]["version"]) if rows else None
        if found == cypher.SCHEMA_VERSION:
            # Nothing to write: an account that may not change the schema, or only reads, can open the graph.
            return
        if found is not None and found > cypher.SCHEMA_VERSION:
            raise AtlasSchemaError(
                f"the graph has schema {found}, this version knows {cypher.SCHEMA_VERSION}",
                hint="update industriverse",
            )
        self._open.define(cypher.SCHEMA)
        first = cypher.SCHEMA_VERSION if found is None else found + 1
        for version in range(first, cypher.SCHEMA_VERSION + 1):
            for left, step in cypher.MIGRATIONS[version] if found is not None else ():
                # In batches, each a transaction, until nothing is left to be done.
                while self._read(left, {})[0]["total"]:
                    self._open.write([Statement(step, {"limit": MAX_BATCH})])
            # Version by version: whoever is interrupted goes on from here.
            parameters = {"id": _SCHEMA_ID, "version": version}
            self._open.write([Statement(cypher.WRITE_SCHEMA, parameters)])

    def upsert_states(self, states: Sequence[EnergyState]) -> None:
        """Write states with their service and entities, all or none."""
        # Within one batch the last of equal ids wins, so that relations and properties agree.
        rows = [row_of(state) for state in {state.id: state for state in states}.values()]
        self._write_batch(cypher.UPSERT_STATES, rows)

    def upsert_services(self, services: Sequence[Service]) -> None:
        """Write names and domains of services, all or none."""
        self._write_batch((cypher.UPSERT_SERVICES,), [asdict(service) for service in services])

    def upsert_entities(self, entities: Sequence[Entity]) -> None:
        """Write names and categories of entities, all or none."""
        self._write_batch((cypher.UPSERT_ENTITIES,), [asdict(entity) for entity in entities])

    def upsert_terms(self, terms: Sequence[Term]) -> None:
        """Write words of the vocabulary, linked to the broader ones, all or none."""
        self._write_batch(cypher.UPSERT_TERMS, [encode(term) for term in terms])

    def link_transitions(self, transitions: Sequence[Transition]) -> None:
        """Link states that follow each other, all or none."""
        rows = [asdict(transition) for transition in transitions]
        self._write_batch((cypher.LINK_TRANSITIONS,), rows, refers_to="a state of a transition")

    def record_regime_shift(self, shift: RegimeShift) -> None:
        """Write a regime shift, linked to the state in which it was detected."""
        unlink, write = cypher.RECORD_SHIFT
        parameters = row_of(shift)
        self._open.write(
            [Statement(unlink, parameters), Statement(write, parameters, 1, f"state {shift.state!r}")]
        )

    def record_incident(self, incident: Incident, *, states: Sequence[str] = ()) -> None:
        """Write an incident (again, to close it), linked to its entity and the states it involves."""
        check_incident(incident)
        involved = list(dict.fromkeys(states))
        parameters: Row = {
            "id": incident.id,
            "timestamp_ns": incident.opened_ns,
            "timestamp": timestamp_of(incident.opened_ns).isoformat(),
            "closed_ns": incident.closed_ns,
            "service": incident.stream,
            "entity": incident.entity,
            "affected": [incident.entity] if incident.entity else [],
            "tickets": list(incident.tickets),
            "states": involved,
        }
        *before, link = cypher.RECORD_INCIDENT
        statements = [Statement(text, parameters) for text in before]
        refers_to = f"a state of incident {incident.id!r}"
        self._open.write([*statements, Statement(link, parameters, len(involved), refers_to)])

    def record_action(self, action: Action) -> None:
        """Write an action, linked to the incident that it answers."""
        unlink, write = cypher.RECORD_ACTION
        parameters = row_of(action)
        refers_to = f"incident {action.incident!r}"
        self._open.write([Statement(unlink, parameters), Statement(write, parameters, 1, refers_to)])

    def record_proof(self, proof: Proof) -> None:
        """Write a proof, linked to the states that it proves."""
        parameters = row_of(proof)
        *before, link = cypher.RECORD_PROOF
        statements = [Statement(text, parameters) for text in before]
        refers_to = f"a state of proof {proof.id!r}"
        self._open.write([*statements, Statement(link, parameters, len(proof.states), refers_to)])

    def record_model(self, model: Model) -> None:
        """Write a model, linked to the stream that it was fitted to."""
        parameters = {**row_of(model), "services": [model.service] if model.service else []}
        self._open.write([Statement(text, parameters) for text in cypher.RECORD_MODEL])

    def similar(
        self, vector: Sequence[float], *, limit: int = 10, besides: str = ""
    ) -> tuple[tuple[EnergyState, float], ...]:
        """The states nearest to a place in the space of states, nearest first, with their distances."""
        place = tuple(float(value) for value in vector)
        check_vector("Similar.vector", place)
        if not place or not 1 <= limit <= _MAX_NEIGHBOURS:
            raise SearchError(
                f"vector of {len(place)} numbers, limit {limit}",
                hint=f"give {VECTOR_LENGTH} numbers and a limit of 1 to {_MAX_NEIGHBOURS}",
            )
        # The index may return the state that is left out, so it is asked for one more.
        rows = self._open.nearest(place, limit, besides)
        found = [(self.state(row["id"]), math.sqrt(max(0.0, row["squared"]))) for row in rows]
        return tuple((state, distance) for state, distance in found if state is not None)

    def state(self, identifier: str) -> EnergyState | None:
        """The state with this id, or None."""
        engine = self._engine or self._open
        [rows] = engine.read((Statement(_FETCH_STATE, {"id": identifier}),))
        return state_of_row(rows[0]) if rows else None

    def record(self, kind: Kind, identifier: str) -> Record | None:
        """The record of this kind with this id, or None."""
        rows = self._read(cypher.fetch(kind), {"id": identifier})
        return record_of(kind, rows[0]) if rows else None

    def search(self, search: Search) -> Page:
        """One page of the records that match."""
        filters = search.filters
        names = frozenset(filters)
        # One row more than asked for says whether there is a next page.
        parameters: Row = {**filters, "limit": search.limit + 1}
        if search.cursor:
            position = decode_cursor(search)
            parameters |= {"after_ns": position.timestamp_ns, "after_id": position.id}
        text = cypher.find(search.kind, names, newest_first=search.newest_first, after=bool(search.cursor))
        rows, totals = self._open.read(
            [Statement(text, parameters), Statement(cypher.total(search.kind, names), filters)]
        )
        page = rows[: search.limit]
        more = len(rows) > search.limit
        cursor = (
            encode_cursor(search, Position(page[-1].get("timestamp_ns", 0), page[-1]["id"])) if more else ""
        )
        return Page(tuple(record_of(search.kind, row) for row in page), totals[0]["total"], cursor)

    def neighbourhood(
        self, identifier: str, *, kind: Kind = Kind.STATE, depth: int = 1, limit: int = 200
    ) -> Neighbourhood:
        """The nodes around one node, up to ``depth`` relations away."""
        if not 1 <= depth <= _MAX_DEPTH or not 1 <= limit <= _MAX_NEIGHBOURS:
            raise SearchError(
                f"depth is {depth} and limit is {limit}",
                hint=f"give a depth of 1 to {_MAX_DEPTH} and a limit of 1 to {_MAX_NEIGHBOURS}",
            )
        centre = NodeRef(kind, identifier)
        self._require(centre)
        nodes: dict[NodeRef, None] = {centre: None}
        relations: dict[Relation, None] = {}
        frontier = [centre]
        for _ in range(depth):
            before = len(nodes)
            for relation in self._relations_at(frontier, limit + 1):
                relations[relation] = None
                nodes |= {relation.source: None, relation.target: None}
            frontier = [node for node in list(nodes)[before:] if node.kind not in _HUBS]
            if len(relations) > limit or not frontier:
                break
        kept = tuple(relations)[:limit]
        met = dict.fromkeys([centre, *(end for one in kept for end in (one.source, one.target))])
        reached = tuple(node for node in nodes if node in met)
        return Neighbourhood(centre, reached, kept, len(relations) > limit)

    def transition_path(self, source: str, target: str) -> tuple[str, ...]:
        """Ids of the states on a shortest chain of transitions, both ends included; empty if none."""
        for identifier in (source, target):
            self._require(NodeRef(Kind.STATE, identifier))
        if source == target:
            return (source,)
        rows = self._read(cypher.TRANSITION_PATH, {"source": source, "target": target})
        return tuple(rows[0]["states"]) if rows else ()

    def counts(self) -> Counts:
        """How many nodes and relations there are."""
        texts = [
            *(cypher.count_nodes(kind) for kind in Kind),
            *(cypher.count_relations(name) for name in cypher.RELATIONS),
        ]
        totals = [rows[0]["total"] for rows in self._open.read([Statement(text) for text in texts])]
        return Counts(
            dict(zip(Kind, totals[: len(Kind)], strict=True)),
            dict(zip(cypher.RELATIONS, totals[len(Kind) :], strict=True)),
        )

    def query(
        self,
        text: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        row_limit: int = 1_000,
        timeout_s: float = 10.0,
    ) -> CypherResult:
        """Run a read-only query from outside; values belong into ``parameters``."""
        require_read_only(text)
        # Not every engine keeps the zone of a datetime that it is given; the moment is the same in UTC.
        values = {
            name: value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
            for name, value in (parameters or {}).items()
        }
        [rows] = self._open.read([Statement(text, values)], timeout_s=timeout_s, row_limit=row_limit + 1)
        return CypherResult(tuple(rows[:row_limit]), len(rows) > row_limit)

    def close(self) -> None:
        """Flush and let go; a second call does nothing."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> "GraphAtlas":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _open(self) -> Engine:
        if self._engine is None:
            raise AtlasClosedError("the Atlas is closed", hint="open it again")
        return self._engine

    def _read(self, text: str, parameters: Mapping[str, Any]) -> list[Row]:
        [rows] = self._open.read([Statement(text, parameters)])
        return rows

    def _require(self, node: NodeRef) -> None:
        if not self._read(cypher.fetch(node.kind), {"id": node.id}):
            raise UnknownRecordError(
                f"there is no {node.kind} {node.id!r:.80}", hint="search for its id first"
            )

    def _relations_at(self, nodes: Sequence[NodeRef], limit: int) -> list[Relation]:
        kinds = list(dict.fromkeys(node.kind for node in nodes))
        statements = [
            Statement(
                cypher.neighbours(kind),
                {"ids": [node.id for node in nodes if node.kind is kind], "limit": limit},
            )
            for kind in kinds
        ]
        return [
            Relation(
                NodeRef(Kind(row["source_kind"]), row["source"]),
                row["relation"],
                NodeRef(Kind(row["target_kind"]), row["target"]),
            )
            for rows in self._open.read(statements)
            for row in rows
            if row["source_kind"] in _LABELS and row["target_kind"] in _LABELS
        ]

    def _write_batch(self, texts: Sequence[str], rows: Sequence[Row], *, refers_to: str = "") -> None:
        engine = self._open
        if len(rows) > MAX_BATCH:
            raise RecordError(f"a batch of {len(rows)} records", hint=f"write at most {MAX_BATCH} at once")
        if rows:
            expected = len(rows) if refers_to else None
            engine.write([Statement(text, {"rows": rows}, expected, refers_to) for text in texts])


def row_of(record: EnergyState | RegimeShift | Action | Proof | Model) -> Row:
    """The parameters that write a record with a time."""
    return {**encode(record), "timestamp": timestamp_of(record.timestamp_ns).isoformat()}


def record_of(kind: Kind, row: Row) -> Record:
    """The record that a row of its projection holds."""
    if kind is Kind.INCIDENT:
        return Incident(
            row["id"],
            row["service"],
            row["entity"],
            tuple(row["tickets"]),
            row["timestamp_ns"],
            row["closed_ns"],
        )
    if kind is Kind.STATE:
        return state_of_row(row)
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    return _CLASSES[kind](**values)
