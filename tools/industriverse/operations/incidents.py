"""Tickets become incidents, and both are kept."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from industriverse.operations.errors import NotFoundError
from industriverse.operations.recording import (
    follow,
    record_disturbance,
    record_event_incident,
    record_growth,
)
from industriverse.operations.services import Services
from industriverse.shield.incidents import fuse_tickets
from industriverse.signals import Channel, Incident, Ticket

if TYPE_CHECKING:
    from industriverse.eil.events.watch import EventTicket

__all__ = [
    "channels_of",
    "event_ticket_of",
    "incident_of",
    "is_of_events",
    "keep_event_tickets",
    "keep_found_event_tickets",
    "keep_found_tickets",
    "keep_tickets",
    "tickets_of",
]


def keep_tickets(services: Services, stream: str, tickets: Sequence[Ticket]) -> list[str]:
    """Store new tickets, fuse them with the earlier ones and record the disturbance; returns the new ids.

    Everything is keyed by content, so a repeated call after a crash changes nothing.
    """
    follow(services, stream)
    new = [ticket.id for ticket in tickets if services.shield.add_ticket(ticket)]
    if tickets:
        known = {incident.id: incident for incident in services.shield.incidents()}
        for incident in fuse_tickets(services.shield.tickets(stream=stream)):
            before = known.get(incident.id)
            if before is None:
                # The store comes last: what it does not hold is recorded again after a crash.
                record_disturbance(services, incident)
                services.announcements.announce(incident)
                services.shield.put_incident(incident)
            elif before.closed_ns is None and before != incident:
                record_growth(services, incident)
                services.announcements.announce(incident)
                services.shield.put_incident(incident)
    return new


def keep_found_tickets(services: Services, stream: str) -> list[str]:
    """Store the tickets that reading a stream anew has found, once a process; returns the new ids."""
    live = services.streams.live(stream)
    if live is None or live.tickets_are_kept:
        return []
    new = keep_tickets(services, stream, live.tickets)
    live.tickets_are_kept = True
    return new


def keep_event_tickets(services: Services, stream: str, tickets: "Sequence[EventTicket]") -> list[str]:
    """Store new tickets of events and fuse them with the earlier ones of the same entity; returns the new ids.

    With incidents of samples they are joined by entity and time where sightings are.
    """
    new = [ticket.id for ticket in tickets if services.shield.add_ticket(ticket.as_ticket())]
    if tickets:
        known = {incident.id: incident for incident in services.shield.incidents()}
        for incident in fuse_tickets(services.shield.tickets(stream=stream)):
            before = known.get(incident.id)
            if before is None or (before.closed_ns is None and before != incident):
                # The store comes last here too.
                record_event_incident(services, incident)
                services.announcements.announce(incident)
                services.shield.put_incident(incident)
    return new


def keep_found_event_tickets(services: Services, stream: str) -> list[str]:
    """Store the tickets that reading a stream of events anew has found, once a process; returns the new ids."""
    live = services.events.live(stream)
    if live is None or live.tickets_are_kept:
        return []
    new = keep_event_tickets(services, stream, live.tickets)
    live.tickets_are_kept = True
    return new


def is_of_events(services: Services, stream: str) -> bool:
    """Whether a stream holds events, not samples."""
    return services.events.store.holds(stream)


def event_ticket_of(services: Services, incident: Incident) -> "EventTicket | None":
    """The first ticket of an incident as its event stream raised it; None for samples, or once it is forgotten."""
    if not is_of_events(services, incident.stream):
        return None
    live = services.events.live(incident.stream)
    found = () if live is None else live.tickets
    return next((ticket for ticket in found if ticket.id == incident.tickets[0]), None)


def channels_of(services: Services, incident: Incident) -> tuple[Channel, ...]:
    """Channels of an incident's stream, none for events."""
    if is_of_events(services, incident.stream):
        return ()
    return services.streams.store.channels(incident.stream)


def incident_of(services: Services, incident_id: str) -> Incident:
    """An incident by its id.

    Raises:
        NotFoundError: If there is none.
    """
    for incident in services.shield.incidents():
        if incident.id == incident_id:
            return incident
    raise NotFoundError(f"no incident {incident_id[:80]!r}", hint="list incidents with shield_threats")


def tickets_of(services: Services, incident: Incident) -> tuple[Ticket, ...]:
    """Tickets of an incident, oldest first."""
    wanted = set(incident.tickets)
    return tuple(ticket for ticket in services.shield.tickets(stream=incident.stream) if ticket.id in wanted)
