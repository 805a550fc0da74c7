"""The atlas toolset: find and read what the graph of energy states remembers."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.errors import NotFoundError
from industriverse.operations.examples import atlas as examples
from industriverse.operations.recording import record_incident
from industriverse.operations.registry import OperationInput, operation
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
]

KindName = Literal["EnergyState", "RegimeShift", "Incident", "Action", "Proof", "Service", "Entity"]


class SearchInput(OperationInput):
    """What to look for."""

    kind: KindName = Field(default="EnergyState", description="Kind of record")
    stream: str | None = Field(default=None, description="Only records of this stream")
    entity: str | None = Field(default=None, description="Only records about this asset, e.g. tank-1")
    regime: str | None = Field(
        default=None, description="Only this regime, e.g. reference, disturbed, recovered"
    )
    start: str | None = Field(default=None, description="From this ISO 8601 time")
    stop: str | None = Field(default=None, description="Before this ISO 8601 time")
    limit: int = Field(default=20, ge=1, le=100, description="Records per page")
    cursor: str = Field(default="", description="next_cursor of the page before")


class AtlasItem(BaseModel):
    """One record; energies in kT and entropies in nats of the stream's reference."""

    kind: str
    id: str
    fields: dict[str, Any]


class SearchOutput(BaseModel):
    """A page of records, newest first."""

    items: list[AtlasItem]
    total: int
    next_cursor: str

    def __str__(self) -> str:
        lines = [f"{len(self.items)} of {self.total} records"]
        lines += [f"{item.kind} {item.id}: {_brief(item.fields)}" for item in self.items]
        if self.next_cursor:
            lines.append(f"more: call again with cursor={self.next_cursor}")
        return "\n".join(lines)


class GetInput(OperationInput):
    """Which record, and how far around it to look."""

    kind: KindName = Field(default="EnergyState", description="Kind of record")
    id: str = Field(description="Id of the record, from atlas_search")
    depth: int = Field(default=1, ge=1, le=3, description="Relations to follow from it")


class Neighbour(BaseModel):
    """A relation of the record's neighbourhood."""

    source: str
    relation: str
    target: str


class GetOutput(BaseModel):
    """A record and its relations."""

    item: AtlasItem
    relations: list[Neighbour]
    truncated: bool

    def __str__(self) -> str:
        lines = [f"{self.item.kind} {self.item.id}: {_brief(self.item.fields)}"]
        lines += [f"{r.source} -[{r.relation}]-> {r.target}" for r in self.relations]
        return "\n".join(lines)


class RecordInput(OperationInput):
    """What to write down."""

    stream: str = Field(description="Name of the stream")
    incident_id: str = Field(description="Incident whose story is written down")


class RecordOutput(BaseModel):
    """What the Atlas holds about the incident now."""

    state_ids: list[str]
    action_ids: list[str]
    proof_ids: list[str]

    def __str__(self) -> str:
        return (
            f"recorded states {', '.join(self.state_ids)}; {len(self.action_ids)} actions; "
            f"{len(self.proof_ids)} proofs"
        )


def _brief(fields: dict[str, Any]) -> str:
    shown = [
        (name, value) for name, value in fields.items() if name != "id" and value not in ("", None, [], ())
    ]
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown
    )


def _item(kind: str, record: Any) -> AtlasItem:
    fields = asdict(record)
    return AtlasItem(kind=kind, id=fields["id"], fields=fields)


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
    """Find energy states, regime shifts, incidents, actions and proofs by stream, asset, regime or time.

    Raises:
        AtlasError: If a filter does not apply to the kind or the cursor is not one of this search.
    """
    from industriverse.atlas import Kind, Search

    search = Search(
        kind=Kind(request.kind),
        service=request.stream,
        entity=request.entity,
        regime=request.regime,
        start_ns=None if request.start is None else parse_time(request.start, "start"),
        stop_ns=None if request.stop is None else parse_time(request.stop, "stop"),
        limit=request.limit,
        cursor=request.cursor,
    )
    page = await context.platform.run(lambda: context.platform.services.atlas.search(search))
    return SearchOutput(
        items=[_item(request.kind, record) for record in page.records],
        total=page.total,
        next_cursor=page.next_cursor,
    )


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
    from industriverse.atlas import Kind

    def read() -> GetOutput:
        atlas = context.platform.services.atlas
        record = atlas.record(Kind(request.kind), request.id)
        if record is None:
            raise NotFoundError(f"no {request.kind} {request.id[:80]!r}", hint="find ids with atlas_search")
        around = atlas.neighbourhood(request.id, kind=Kind(request.kind), depth=request.depth)
        relations = [
            Neighbour(
                source=f"{relation.source.kind.value} {relation.source.id}",
                relation=relation.type,
                target=f"{relation.target.kind.value} {relation.target.id}",
            )
            for relation in around.relations
        ]
        return GetOutput(item=_item(request.kind, record), relations=relations, truncated=around.truncated)

    return await context.platform.run(read)


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
    """
    recorded = await context.platform.run(
        record_incident, context.platform.services, request.stream, request.incident_id
    )
    return RecordOutput(
        state_ids=list(recorded.states), action_ids=list(recorded.actions), proof_ids=list(recorded.proofs)
    )
