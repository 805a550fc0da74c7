"""Fuse tickets into incidents: one asset, one incident. Pure functions, order-independent."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from industriverse.shield.errors import ShieldError
from industriverse.signals import NANOSECONDS_PER_SECOND, Incident, Ticket

__all__ = ["close_incident", "fuse_tickets", "leading_entity"]

# A stream that stays in alarm raises a ticket every hour, so two hours of silence end an incident.
_DEFAULT_GAP_S = 7200.0


def leading_entity(ticket: Ticket) -> str:
    """The asset with the largest summed share; a channel without an asset stands for itself.

    A ticket without evidence belongs to its stream as a whole.
    """
    shares: dict[str, float] = defaultdict(float)
    for evidence in ticket.evidence:
        shares[evidence.entity or evidence.channel] += evidence.share
    if not shares:
        return ticket.stream
    return min(shares, key=lambda entity: (-shares[entity], entity))


def fuse_tickets(
    tickets: Iterable[Ticket],
    *,
    gap_s: float = _DEFAULT_GAP_S,
    process_units: Mapping[str, str] | None = None,
) -> tuple[Incident, ...]:
    """Group tickets of one stream and one asset whose onsets lie close together.

    Args:
        tickets: In any order; a ticket that occurs twice counts once.
        gap_s: Longest time in seconds between consecutive onsets of one incident.
        process_units: Process unit of each asset; assets of one unit share incidents.

    Returns:
        Open incidents, oldest first. The id follows from stream and first ticket alone, so that later tickets
        extend an incident without renaming it.

    Raises:
        ShieldError: If ``gap_s`` is not positive.
    """
    if not gap_s > 0:
        raise ShieldError(f"gap_s = {gap_s} is not positive", hint="give seconds, for instance 7200")
    units = process_units or {}
    groups: dict[tuple[str, str], list[Ticket]] = defaultdict(list)
    for ticket in sorted({t.id: t for t in tickets}.values(), key=lambda t: (t.onset_ns, t.id)):
        entity = leading_entity(ticket)
        groups[ticket.stream, units.get(entity, entity)].append(ticket)
    gap_ns = gap_s * NANOSECONDS_PER_SECOND
    incidents = [
        _incident(stream, entity, run)
        for (stream, entity), group in groups.items()
        for run in _runs(group, gap_ns)
    ]
    return tuple(sorted(incidents, key=lambda incident: (incident.opened_ns, incident.id)))


def close_incident(incident: Incident, at_ns: int) -> Incident:
    """The incident with the time at which its stream came back to equilibrium.

    Raises:
        ShieldError: If it would close before it opened.
    """
    if at_ns < incident.opened_ns:
        raise ShieldError(
            f"incident {incident.id} cannot close before it opened", hint="give the time of the last alarm"
        )
    return replace(incident, closed_ns=at_ns)


def _runs(group: list[Ticket], gap_ns: float) -> list[list[Ticket]]:
    runs: list[list[Ticket]] = []
    for ticket in group:
        if runs and ticket.onset_ns - runs[-1][-1].onset_ns <= gap_ns:
            runs[-1].append(ticket)
        else:
            runs.append([ticket])
    return runs


def _incident(stream: str, entity: str, run: list[Ticket]) -> Incident:
    first = run[0]
    digest = hashlib.sha256(f"{stream}\n{first.id}".encode()).hexdigest()
    return Incident(
        id=f"incident-{digest[:16]}",
        stream=stream,
        entity=entity,
        tickets=tuple(ticket.id for ticket in run),
        opened_ns=first.onset_ns,
    )
