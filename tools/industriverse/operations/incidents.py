"""Tickets become incidents, and both are kept."""

from collections.abc import Sequence

from industriverse.operations.errors import NotFoundError
from industriverse.operations.recording import follow, record_disturbance, record_growth
from industriverse.operations.services import Services
from industriverse.shield.incidents import fuse_tickets
from industriverse.signals import Incident, Ticket

__all__ = ["incident_of", "keep_found_tickets", "keep_tickets", "tickets_of"]


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
                services.shield.put_incident(incident)
            elif before.closed_ns is None and before != incident:
                record_growth(services, incident)
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
