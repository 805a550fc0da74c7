"""What happened before that was like this."""

from dataclasses import dataclass

from industriverse.eil.likeness import AlikeTicket, alike_tickets
from industriverse.operations.services import Services
from industriverse.operations.times import time_text
from industriverse.signals import Incident, Ticket

__all__ = ["PastIncident", "nearest_past_incident"]

ALIKE = 0.5
"""Cosine below which two tickets have too little in common to be shown side by side."""


@dataclass(frozen=True, slots=True)
class PastIncident:
    """An earlier incident, the ticket of it that is most alike, and how alike that is, at most 1."""

    incident: Incident
    alike: AlikeTicket

    def sentence(self) -> str:
        """The earlier incident in one sentence."""
        when = time_text(self.alike.ticket.onset_ns)
        state = (
            "still open"
            if self.incident.closed_ns is None
            else f"closed {time_text(self.incident.closed_ns)}"
        )
        return (
            f"Most like it before: incident {self.incident.id} at {when} on {self.incident.entity or 'no asset'} "
            f"(likeness {self.alike.likeness:.2f}, {state})."
        )


def nearest_past_incident(services: Services, incident: Incident, ticket: Ticket) -> PastIncident | None:
    """The earlier incident of the stream whose ticket is most like a ticket, None if none is alike."""
    others = {
        ticket_id: other
        for other in services.shield.incidents()
        if other.stream == incident.stream and other.id != incident.id
        for ticket_id in other.tickets
    }
    past = [earlier for earlier in services.shield.tickets(stream=incident.stream) if earlier.id in others]
    found = alike_tickets(ticket, past)
    if not found or found[0].likeness < ALIKE:
        return None
    return PastIncident(others[found[0].ticket.id], found[0])
