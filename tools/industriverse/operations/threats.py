"""The list of incidents as people handle them."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from industriverse.operations.desk import ticket_criticality
from industriverse.operations.errors import NotFoundError
from industriverse.operations.incidents import incident_of
from industriverse.operations.kept_reads import Dated
from industriverse.operations.registry import OperationInput
from industriverse.operations.services import Services
from industriverse.operations.times import time_text
from industriverse.shield.triage import Handling
from industriverse.signals import Incident, Ticket

__all__ = ["IncidentItem", "ThreatsInput", "ThreatsOutput", "list_threats"]

MOST_INCIDENTS = 50


class ThreatsInput(OperationInput):
    """Which incidents."""

    stream: str | None = Field(default=None, description="Only incidents of this stream")
    incident_id: str | None = Field(default=None, description="Only this incident")
    open_only: bool = Field(default=False, description="Leave out incidents that are closed")


class IncidentItem(BaseModel):
    """Tickets that concern one asset."""

    id: str
    stream: str
    entity: str
    opened: str
    closed: str | None
    tickets: list[str]
    ticket_times: list[str]
    criticality: float = Field(description="Criticality index of its strongest ticket, 0 to 100")
    status: str = Field(description="open, acknowledged or closed by people")
    assignee: str
    suppressed: bool = Field(description="Somebody gave a reason not to be told, which still holds")


class ThreatsOutput(BaseModel):
    """Incidents, newest first."""

    incidents: list[IncidentItem]
    total: int

    def __str__(self) -> str:
        if not self.incidents:
            return "no incidents"
        lines = [f"{self.total} incidents"]
        lines += [
            f"{item.id}: {item.entity} on {item.stream}, {len(item.tickets)} tickets since {item.opened}, "
            f"{'closed ' + item.closed if item.closed else 'open'}"
            for item in self.incidents
        ]
        return "\n".join(lines)


def list_threats(services: Services, request: ThreatsInput) -> Dated[ThreatsOutput]:
    """Incidents as they are handled, and from when until when this holds: a suppression begins and ends.

    Raises:
        NotFoundError: If the incident or the stream asked for does not exist.
    """
    if request.incident_id is not None:
        found = [incident_of(services, request.incident_id)]
    else:
        found = list(services.shield.incidents(open_only=request.open_only))[::-1]
    found = [incident for incident in found if request.stream in (None, incident.stream)]
    if not found and request.stream is not None:
        _must_exist(services, request.stream)
    now_ns, suppressions = services.clock(), services.triage.suppressions()
    tickets = {one.id: one for one in services.shield.tickets(stream=request.stream)} if found else {}
    items = [
        _incident_item(
            incident,
            [tickets[one] for one in incident.tickets if one in tickets],
            services.triage.handling(incident.id),
            suppressed=any(known.covers(incident, now_ns) for known in suppressions),
        )
        for incident in found[:MOST_INCIDENTS]
    ]
    # The answer is another one when a suppression begins or ends.
    edges = [edge for known in suppressions for edge in (known.from_ns, known.until_ns)]
    return Dated(
        ThreatsOutput(incidents=items, total=len(found)),
        max((edge for edge in edges if edge <= now_ns), default=None),
        min((edge for edge in edges if edge > now_ns), default=None),
    )


def _must_exist(services: Services, stream: str) -> None:
    """Nobody may take a misspelt name for a calm stream."""
    names = services.streams.store.names()
    if stream not in names and not services.events.store.holds(stream):
        known = ", ".join(sorted({*names, *services.events.store.names()})) or "none yet"
        raise NotFoundError(f"no stream {stream[:80]!r}", hint=f"streams are: {known}")


def _incident_item(
    incident: Incident, tickets: Sequence[Ticket], handled: Handling, *, suppressed: bool
) -> IncidentItem:
    ordered = sorted(tickets, key=lambda ticket: (ticket.onset_ns, ticket.id))
    return IncidentItem(
        id=incident.id,
        stream=incident.stream,
        entity=incident.entity,
        opened=time_text(incident.opened_ns),
        closed=None if incident.closed_ns is None else time_text(incident.closed_ns),
        tickets=list(incident.tickets),
        ticket_times=[time_text(ticket.onset_ns) for ticket in ordered],
        criticality=max((ticket_criticality(ticket) for ticket in ordered), default=0.0),
        status=handled.status,
        assignee=handled.assignee,
        suppressed=suppressed,
    )
