"""The atlas toolset: find and read what the graph of energy states remembers."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.errors import NotFoundError
from industriverse.operations.examples import atlas as examples
from industriverse.operations.recording import record_incident
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time

__all__ = [
    "AtlasItem",
    "GetInput",
    "Neighbour",
    "RecordInput",
    "RecordOutput",
    "SearchInput",
    "SearchOutput",
    "atlas_get",
    "atlas_record",
    "atlas_search",
    "brief",
    "reading",
]

T = TypeVar("T")

KindName = Literal[
    "EnergyState", "RegimeShift", "Incident", "Action", "Proof", "Service", "Entity", "Model", "Term"
]
Include = Literal["neighbors", "transitions", "shifts", "proof"]

SETTLE_S = 5.0
"""Longest wait for what was promised to the Atlas to be readable; nobody waits for a store that is away."""


class SearchInput(OperationInput):
    """What to look for."""

    kind: KindName = Field(default="EnergyState", description="Kind of record")
    text: str | None = Field(default=None, max_length=200, description="Words in names and ids, all of them")
    stream: str | None = Field(default=None, description="Only records of this stream")
    entity: str | None = Field(default=None, description="Only records about this asset, e.g. tank-1")
    regime: str | None = Field(
        default=None, description="Only this regime, e.g. reference, disturbed, recovered"
    )
    domain: str | None = Field(default=None, description="Only this domain, e.g. telemetry")
    start: str | None = Field(default=None, description="From this ISO 8601 time")
    stop: str | None = Field(default=None, description="Before this ISO 8601 time")
    similar_to: str | None = Field(
        default=None, description="Id of a state: the nearest states by thermodynamic vector instead"
    )
    limit: int = Field(default=20, ge=1, le=100, description="Records per page")
    cursor: str = Field(default="", description="next_cursor of the page before")


class AtlasItem(BaseModel):
    """One record; energies in kT and entropies in nats of the stream's reference."""

    kind: str
    id: str
    fields: dict[str, Any]
    distance: float | None = Field(default=None, description="From the state of similar_to")


class SearchOutput(BaseModel):
    """A page of records, newest first, archived ones among them; nearest first with similar_to."""

    items: list[AtlasItem]
    total: int
    next_cursor: str

    def __str__(self) -> str:
        lines = [f"{len(self.items)} of {self.total} records"]
        for item in self.items:
            far = "" if item.distance is None else f"distance {item.distance:.3g}, "
            lines.append(f"{item.kind} {item.id}: {far}{brief(item.fields)}")
        if self.next_cursor:
            lines.append(f"more: call again with cursor={self.next_cursor}")
        return "\n".join(lines)


class GetInput(OperationInput):
    """Which record, and what around it."""

    kind: KindName = Field(default="EnergyState", description="Kind of record")
    id: str = Field(description="Id of the record, from atlas_search")
    depth: int = Field(default=1, ge=1, le=3, description="Relations to follow from it")
    include: list[Include] = Field(
        default=["neighbors"], max_length=4, description="What to return with the record"
    )


class Neighbour(BaseModel):
    """A relation of the record's neighbourhood."""

    source: str
    relation: str
    target: str


class GetOutput(BaseModel):
    """A record, its relations, and the records asked for with it."""

    item: AtlasItem
    archived: bool
    relations: list[Neighbour]
    truncated: bool
    related: list[AtlasItem]

    def __str__(self) -> str:
        where = ", archived" if self.archived else ""
        lines = [f"{self.item.kind} {self.item.id}{where}: {brief(self.item.fields)}"]
        lines += [f"{r.source} -[{r.relation}]-> {r.target}" for r in self.relations]
        lines += [f"{item.kind} {item.id}: {brief(item.fields)}" for item in self.related]
        return "\n".join(lines)


class RecordInput(OperationInput):
    """What to write down."""

    stream: str = Field(description="Name of the stream")
    incident_id: str = Field(description="Incident whose story is written down")


class RecordOutput(BaseModel):
    """What the Atlas holds about the incident now, or will as soon as its stores answer."""

    state_ids: list[str]
    action_ids: list[str]
    proof_ids: list[str]
    waiting: str = Field(default="", description="Why it is on disk but not in the graph yet, if so")

    def __str__(self) -> str:
        return (
            f"recorded states {', '.join(self.state_ids)}; {len(self.action_ids)} actions; "
            f"{len(self.proof_ids)} proofs" + (f"; waiting: {self.waiting}" if self.waiting else "")
        )


def brief(fields: dict[str, Any]) -> str:
    """The fields of a record that say something, in one line."""
    shown = [
        (name, value)
        for name, value in fields.items()
        if name not in ("id", "vector") and value not in ("", None, [], ())
    ]
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown
    )


def _item(kind: str, record: Any, distance: float | None = None) -> AtlasItem:
    fields = asdict(record)
    return AtlasItem(kind=kind, id=fields["id"], fields=fields, distance=distance)


async def reading(context: OperationContext, read: Callable[[Services], T]) -> T:
    """Read the Atlas beside the thread that owns the other stores: a slow graph must not hold detection up."""
    services = await context.platform.run(lambda: context.platform.services)

    def settled() -> T:
        services.memory.settle(SETTLE_S)
        return read(services)

    return await asyncio.to_thread(settled)


def _search(services: Services, request: SearchInput) -> SearchOutput:
    from industriverse.atlas import Kind, Search

    search = Search(
        kind=Kind(request.kind),
        text=request.text,
        service=request.stream,
        entity=request.entity,
        regime=request.regime,
        domain=request.domain,
        start_ns=None if request.start is None else parse_time(request.start, "start"),
        stop_ns=None if request.stop is None else parse_time(request.stop, "stop"),
        limit=request.limit,
        cursor=request.cursor,
    )
    page = services.memory.history.search(search)
    return SearchOutput(
        items=[_item(request.kind, record) for record in page.records],
        total=page.total,
        next_cursor=page.next_cursor,
    )


def _similar(services: Services, request: SearchInput) -> SearchOutput:
    from industriverse.operations.errors import InvalidArgumentsError

    plain = {"kind", "similar_to", "limit"}
    others = {name for name, value in request if value not in (None, "")} - plain
    if others or request.kind != "EnergyState":
        raise InvalidArgumentsError(
            f"similar_to: it does not go with {min(others or {'kind'})}",
            hint="give similar_to and limit only",
        )
    state = services.memory.history.state(request.similar_to or "")
    if state is None:
        raise NotFoundError(
            f"no EnergyState {(request.similar_to or '')[:80]!r}", hint="find ids with atlas_search"
        )
    if not state.vector:
        raise NotFoundError(
            f"state {state.id[:80]!r} has no thermodynamic vector yet", hint="wait until it holds readings"
        )
    found = services.atlas.similar(state.vector, limit=request.limit, besides=state.id)
    items = [_item("EnergyState", one, distance) for one, distance in found]
    return SearchOutput(items=items, total=len(items), next_cursor="")


@operation(
    "atlas_search",
    toolset="atlas",
    scope="read",
    title="Search the Energy Atlas",
    read_only=True,
    default_on=True,
    examples=examples.SEARCH,
)
async def atlas_search(request: SearchInput, context: OperationContext) -> SearchOutput:
    """Find energy states, regime shifts, incidents, actions, proofs and models, or states similar to one.

    Raises:
        AtlasError: If a filter does not apply to the kind or the cursor is not one of this search.
        NotFoundError: If there is no state of that id.
    """
    work = _search if request.similar_to is None else _similar
    return await reading(context, lambda services: work(services, request))


def _get(services: Services, request: GetInput) -> GetOutput:
    from industriverse.atlas import Kind

    kind = Kind(request.kind)
    record = services.atlas.record(kind, request.id)
    if record is None and kind is Kind.STATE:
        return _archived(services, request)
    if record is None:
        raise _absent(request)
    relations: list[Neighbour] = []
    truncated = False
    if "neighbors" in request.include:
        around = services.atlas.neighbourhood(request.id, kind=kind, depth=request.depth)
        truncated = around.truncated
        relations = [
            Neighbour(
                source=f"{relation.source.kind.value} {relation.source.id}",
                relation=relation.type,
                target=f"{relation.target.kind.value} {relation.target.id}",
            )
            for relation in around.relations
        ]
    return GetOutput(
        item=_item(request.kind, record),
        archived=False,
        relations=relations,
        truncated=truncated,
        related=_related(services, kind, request),
    )


def _related(services: Services, kind: "Any", request: GetInput) -> list[AtlasItem]:
    """The full records one relation away that were asked for."""
    from industriverse.atlas import Kind

    wanted = {"transitions": Kind.STATE, "shifts": Kind.SHIFT, "proof": Kind.PROOF}
    kinds = {wanted[name] for name in request.include if name in wanted}
    if not kinds:
        return []
    near = services.atlas.neighbourhood(request.id, kind=kind, depth=1).nodes[1:]
    records = [(node, services.atlas.record(node.kind, node.id)) for node in near if node.kind in kinds]
    return [_item(node.kind.value, record) for node, record in records if record is not None]


def _archived(services: Services, request: GetInput) -> GetOutput:
    state = services.memory.archive.state(request.id)
    if state is None:
        raise _absent(request)
    links = services.memory.archive.transitions(request.id)
    shown = "neighbors" in request.include or "transitions" in request.include
    relations = [
        Neighbour(
            source=f"EnergyState {link.source}",
            relation="TRANSITIONS_TO",
            target=f"EnergyState {link.target}",
        )
        for link in (links if shown else ())
    ]
    others: list[AtlasItem] = []
    if "transitions" in request.include:
        ids = dict.fromkeys(one for link in links for one in (link.source, link.target) if one != request.id)
        near = [services.memory.history.state(one) for one in ids]
        others = [_item("EnergyState", one) for one in near if one is not None]
    return GetOutput(
        item=_item(request.kind, state), archived=True, relations=relations, truncated=False, related=others
    )


def _absent(request: GetInput) -> NotFoundError:
    return NotFoundError(f"no {request.kind} {request.id[:80]!r}", hint="find ids with atlas_search")


@operation(
    "atlas_get",
    toolset="atlas",
    scope="read",
    title="Read a record of the Energy Atlas",
    read_only=True,
    default_on=True,
    examples=examples.GET,
)
async def atlas_get(request: GetInput, context: OperationContext) -> GetOutput:
    """Read one record and what it is linked to in the graph.

    Raises:
        NotFoundError: If there is no such record.
    """
    return await reading(context, lambda services: _get(services, request))


@operation(
    "atlas_record",
    toolset="atlas",
    scope="record",
    title="Record an incident in the Energy Atlas",
    idempotent=True,
    examples=examples.RECORD,
)
async def atlas_record(request: RecordInput, context: OperationContext) -> RecordOutput:
    """Write the states, shift, actions and proofs of an incident into the graph; writing again changes nothing.

    Raises:
        NotFoundError: If there is no such stream or incident.
        OutboxFullError: If too many writes wait already.
    """
    platform = context.platform
    recorded = await platform.run(record_incident, platform.services, request.stream, request.incident_id)
    memory = platform.services.memory
    done = await asyncio.to_thread(memory.settle, SETTLE_S)
    return RecordOutput(
        state_ids=list(recorded.states),
        action_ids=list(recorded.actions),
        proof_ids=list(recorded.proofs),
        waiting="" if done else memory.waiting or "it is being written",
    )
