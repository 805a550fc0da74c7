"""Which earlier ticket was most like this one: the same sensors, moved the same way, for the same kind of reason.

A ticket becomes a vector with three entries a channel, its share of the score split over work, heat and structure,
the work part signed by the side to which the channel left. Likeness is the cosine between two such vectors: 1 for
the same pattern at any strength, 0 for other channels or other reasons, below 0 for the opposite direction.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from industriverse.signals import ChannelEvidence, Ticket

__all__ = ["AlikeTicket", "alike_tickets", "likeness"]

Pattern = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class AlikeTicket:
    """An earlier ticket and how alike it is, at most 1."""

    ticket: Ticket
    likeness: float


def _parts(evidence: ChannelEvidence) -> tuple[tuple[str, float], ...]:
    excess = evidence.work + evidence.heat + evidence.structure
    if not excess > 0.0 or not math.isfinite(evidence.share):
        return (("share", evidence.share if math.isfinite(evidence.share) else 0.0),)
    side = -1.0 if evidence.actual < evidence.expected else 1.0
    return tuple(
        (kind, sign * evidence.share * part / excess)
        for kind, part, sign in (
            ("work", evidence.work, side),
            ("heat", evidence.heat, 1.0),
            ("structure", evidence.structure, 1.0),
        )
    )


def _pattern(ticket: Ticket) -> Pattern:
    return {
        (evidence.channel, kind): value for evidence in ticket.evidence for kind, value in _parts(evidence)
    }


def _cosine(one: Pattern, other: Pattern) -> float:
    product = sum(value * other.get(key, 0.0) for key, value in one.items())
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return product / lengths if lengths > 0.0 else 0.0


def likeness(one: Ticket, other: Ticket) -> float:
    """Cosine between the patterns of two tickets, from -1 to 1; 0 if either has no evidence."""
    return _cosine(_pattern(one), _pattern(other))


def alike_tickets(ticket: Ticket, past: Iterable[Ticket], *, limit: int = 1) -> list[AlikeTicket]:
    """The earlier tickets of the same stream that are most like a ticket, most alike first.

    Args:
        ticket: The ticket to be explained.
        past: Tickets to compare with; later ones and those of other streams are left out.
        limit: How many to give.
    """
    pattern = _pattern(ticket)
    found = [
        AlikeTicket(earlier, _cosine(pattern, _pattern(earlier)))
        for earlier in past
        if earlier.stream == ticket.stream and earlier.onset_ns < ticket.onset_ns
    ]
    return sorted(found, key=lambda alike: (-alike.likeness, -alike.ticket.onset_ns))[:limit]
