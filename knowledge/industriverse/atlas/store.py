"""The one interface to the graph of energy states, whichever engine is behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from industriverse.atlas.model import (
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
)
from industriverse.atlas.search import Page, Search

__all__ = ["AtlasStore", "Counts", "CypherResult", "Neighbourhood", "NodeRef", "Relation"]


@dataclass(frozen=True, slots=True, order=True)
class NodeRef:
    """A node, by kind and id."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True, order=True)
class Relation:
    """A directed relation between two nodes."""

    source: NodeRef
    type: str
    target: NodeRef


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What lies around one node.

    Attributes:
        centre: The node asked for.
        nodes: Every node within the depth, the centre first, nearer ones before farther ones.
        relations: The relations met on the way.
        truncated: Whether the limit cut something off.
    """

    centre: NodeRef
    nodes: tuple[NodeRef, ...]
    relations: tuple[Relation, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the graph holds, by kind of node and by type of relation."""

    nodes: Mapping[Kind, int]
    relations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CypherResult:
    """Rows of a query from outside.

    Attributes:
        rows: One mapping a row, column to value.
        truncated: Whether rows were cut off at the limit.
    """

    rows: tuple[Mapping[str, Any], ...]
    truncated: bool


class AtlasStore(Protocol):
    """The graph of energy states.

    Every write is atomic, idempotent (writing a record again changes nothing) and durable when the call
    returns. Methods may be called from any thread. After :meth:`close` every method raises
    ``AtlasClosedError``.
    """

    def ensure_schema(self) -> None:
        """Create constraints and indexes where missing.

        Raises:
            AtlasSchemaError: If the graph was written by a newer version.
        """

    def upsert_states(self, states: Sequence[EnergyState]) -> None:
        """Write states with their service and entities, all or none; the last of equal ids wins."""

    def upsert_services(self, services: Sequence[Service]) -> None:
        """Write names and domains of services, all or none."""

    def upsert_entities(self, entities: Sequence[Entity]) -> None:
        """Write names and categories of entities, all or none."""

    def upsert_terms(self, terms: Sequence[Term]) -> None:
        """Write words of the vocabulary, linked to the broader ones, all or none."""

    def link_transitions(self, transitions: Sequence[Transition]) -> None:
        """Link states that follow each other, all or none.

        Raises:
            UnknownRecordError: If a state is not in the graph.
        """

    def record_regime_shift(self, shift: RegimeShift) -> None:
        """Write a regime shift, linked to the state in which it was detected.

        Raises:
            UnknownRecordError: If that state is not in the graph.
        """

    def record_incident(self, incident: Incident, *, states: Sequence[str] = ()) -> None:
        """Write an incident (again, to close it), linked to its entity and to the states it involves.

        Raises:
            UnknownRecordError: If a state is not in the graph.
        """

    def record_action(self, action: Action) -> None:
        """Write an action, linked to the incident that it answers.

        Raises:
            UnknownRecordError: If the incident is not in the graph.
        """

    def record_proof(self, proof: Proof) -> None:
        """Write a proof, linked to the states that it proves.

        Raises:
            UnknownRecordError: If a state is not in the graph.
        """

    def record_model(self, model: Model) -> None:
        """Write a model, linked to the stream that it was fitted to."""

    def similar(
        self, vector: Sequence[float], *, limit: int = 10, besides: str = ""
    ) -> tuple[tuple[EnergyState, float], ...]:
        """The states nearest to a place in the space of states, nearest first, with their Euclidean distances.

        Args:
            vector: ``VECTOR_LENGTH`` finite numbers.
            limit: States at most, 1 to 2,000.
            besides: Id of a state to leave out, such as the one that lies there.

        Raises:
            SearchError: If the vector or the limit is out of range.
        """

    def state(self, identifier: str) -> EnergyState | None:
        """The state with this id, or None."""

    def record(self, kind: Kind, identifier: str) -> Record | None:
        """The record of this kind with this id, or None."""

    def search(self, search: Search) -> Page:
        """One page of the records that match.

        Raises:
            SearchError: If the cursor is damaged or belongs to another search.
        """

    def neighbourhood(
        self, identifier: str, *, kind: Kind = Kind.STATE, depth: int = 1, limit: int = 200
    ) -> Neighbourhood:
        """The nodes around one node, up to ``depth`` relations away.

        Services and entities end a walk (nearly everything is two steps apart through them), except where
        the walk starts at one.

        Args:
            identifier: Id of the node.
            kind: Its kind.
            depth: 1 to 5.
            limit: Relations to return at most, 1 to 2,000.

        Raises:
            UnknownRecordError: If there is no such node.
            SearchError: If depth or limit is out of range.
        """

    def transition_path(self, source: str, target: str) -> tuple[str, ...]:
        """Ids of the states on a shortest chain of transitions, both ends included; empty if none.

        Chains longer than ``cypher.MAX_PATH_STEPS`` transitions are not found.

        Raises:
            UnknownRecordError: If one of the states is not in the graph.
        """

    def counts(self) -> Counts:
        """How many nodes and relations there are."""

    def query(
        self,
        text: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        row_limit: int = 1_000,
        timeout_s: float = 10.0,
    ) -> CypherResult:
        """Run a read-only query from outside; values belong into ``parameters``.

        Raises:
            CypherRefusedError: If the text is not plainly read-only.
            CypherRunError: If the engine refuses it or it takes too long.
        """

    def close(self) -> None:
        """Flush and let go; a second call does nothing."""
