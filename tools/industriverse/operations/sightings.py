"""Stored incidents as sightings on the layer that their leading channels belong to."""

import re

from industriverse.operations.desk import techniques_of, ticket_criticality
from industriverse.operations.incidents import is_of_events, tickets_of
from industriverse.operations.services import Services
from industriverse.shield.hybrid.joining import Layer, Sighting
from industriverse.signals import Ticket

__all__ = ["layer_and_labels", "sightings_of"]

# Channels that collectors write: counts of events and host activity are cyber, power and heat are energy.
_ENERGY = re.compile(r"^(phantom_heat|power_w\.|cpu\.temperature_c)")
_CYBER = re.compile(
    r"^(events|entities|peers|peer_entropy|log_bytes|log_packets|count:|cpu\.load|processes|memory\.|network\.|disk\.)"
)
_COLD = 0.2


def layer_and_labels(ticket: Ticket) -> tuple[Layer, frozenset[str]]:
    """The layer with the largest share of a ticket, and what its leading channels show."""
    shares = dict.fromkeys(Layer, 0.0)
    labels: set[str] = set()
    for entry in ticket.evidence:
        if _ENERGY.match(entry.channel):
            layer = Layer.ENERGY
        elif _CYBER.match(entry.channel):
            layer = Layer.CYBER
        else:
            layer = Layer.PHYSICAL
        shares[layer] += entry.share
        if entry.share < 0.1 * ticket.score:
            continue
        risen = entry.actual > entry.expected
        if layer is Layer.ENERGY and risen:
            labels.add("phantom_heat" if entry.channel == "phantom_heat" else "power_excess")
        if layer is Layer.CYBER and risen:
            labels.add("outbound" if "out_bytes" in entry.channel else "load_excess")
        if layer is Layer.PHYSICAL:
            if entry.temperature < _COLD:
                labels.add("cold")
            if entry.structure > max(entry.work, entry.heat):
                labels.add("invariant_broken")
    return max(shares, key=lambda layer: shares[layer]), frozenset(labels)


def sightings_of(services: Services) -> list[Sighting]:
    """Every stored incident that nobody suppressed as a sighting; its techniques are labels too."""
    found = []
    for incident in services.shield.incidents():
        tickets = tickets_of(services, incident)
        if not tickets or services.triage.suppressed_by(incident, services.clock()) is not None:
            continue
        layer, labels = layer_and_labels(tickets[0])
        if is_of_events(services, incident.stream):
            # Flows, commands and logs are cyber whatever their components are called.
            layer, labels = Layer.CYBER, frozenset()
        techniques = {tag.technique.id for tag in techniques_of(services, incident, tickets[0])}
        found.append(
            Sighting(
                id=incident.id,
                layer=layer,
                entity=incident.entity,
                start_ns=incident.opened_ns,
                end_ns=max(tickets[-1].onset_ns, incident.opened_ns),
                index=max(ticket_criticality(ticket) for ticket in tickets),
                labels=labels | techniques,
            )
        )
    return found
