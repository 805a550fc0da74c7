"""Tickets and incidents: what a person is told when a stream leaves equilibrium."""

from dataclasses import dataclass

__all__ = ["ChannelEvidence", "Incident", "Ticket"]


@dataclass(frozen=True, slots=True)
class ChannelEvidence:
    """How much one channel contributes to a ticket, and what it did.

    Attributes:
        channel: Channel name.
        entity: Asset that the channel observes, empty if unknown.
        unit: UCUM code of ``actual`` and ``expected``.
        share: Part of the score, same unit as the score (nats); shares of a ticket add up to its score.
        work: Work part of the channel's free-energy excess, kT.
        heat: Heat part, kT.
        structure: Structure part, kT.
        actual: Observed value at the ticket's worst sample.
        expected: Value that the reference predicted there.
        temperature: The channel's EWMA(e^2)/sigma^2; below 1 is frozen, smoothed or replayed.
    """

    channel: str
    entity: str
    unit: str
    share: float
    work: float
    heat: float
    structure: float
    actual: float
    expected: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """An alarm onset on one stream.

    Attributes:
        id: Stable identifier, derived from stream and onset.
        stream: Name of the stream.
        onset_ns: Time of the first sample in alarm, nanoseconds since 1970-01-01 UTC.
        score: Score at onset, nats.
        p_value: Conformal p-value at onset.
        evidence: Contributions, largest share first.
    """

    id: str
    stream: str
    onset_ns: int
    score: float
    p_value: float
    evidence: tuple[ChannelEvidence, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """Tickets that concern one asset, handled together.

    Attributes:
        id: Stable identifier, derived from its first ticket.
        stream: Name of the stream.
        entity: The asset most implicated.
        tickets: Ticket ids, oldest first.
        opened_ns: Onset of the first ticket, nanoseconds since 1970-01-01 UTC.
        closed_ns: When the stream came back to equilibrium, or None while open.
    """

    id: str
    stream: str
    entity: str
    tickets: tuple[str, ...]
    opened_ns: int
    closed_ns: int | None = None
