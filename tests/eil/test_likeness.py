"""An earlier ticket is alike if the same sensors left the same way for the same kind of reason."""

from dataclasses import replace

import pytest

from industriverse.eil.likeness import alike_tickets, likeness
from industriverse.signals import ChannelEvidence, Ticket


def evidence(
    channel: str, share: float, *, work: float = 1.0, heat: float = 0.0, above: bool = True
) -> ChannelEvidence:
    return ChannelEvidence(
        channel=channel,
        entity="",
        unit="m",
        share=share,
        work=work,
        heat=heat,
        structure=0.0,
        actual=5.0 if above else -5.0,
        expected=0.0,
        temperature=1.0,
    )


def ticket(onset: int, *parts: ChannelEvidence, stream: str = "s") -> Ticket:
    return Ticket(f"t-{onset}", stream, onset, sum(part.share for part in parts), 0.001, parts)


def test_the_same_pattern_at_another_strength_is_wholly_alike() -> None:
    one = ticket(1, evidence("a", 4.0), evidence("b", 1.0))
    other = ticket(2, evidence("a", 12.0), evidence("b", 3.0))
    assert likeness(one, other) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other",
    [
        ticket(2, evidence("b", 4.0)),
        ticket(2, evidence("a", 4.0, work=0.0, heat=1.0)),
        ticket(2, evidence("a", 4.0, above=False)),
        ticket(2),
    ],
)
def test_other_sensors_reasons_or_sides_are_not_alike(other: Ticket) -> None:
    assert likeness(ticket(1, evidence("a", 4.0)), other) <= 0.0


def test_the_nearest_earlier_ticket_of_the_stream_comes_first() -> None:
    now = ticket(10, evidence("a", 4.0), evidence("b", 1.0))
    near, far = ticket(3, evidence("a", 4.0)), ticket(4, evidence("c", 4.0))
    later, foreign = replace(now, onset_ns=11), replace(now, stream="x", onset_ns=1)
    found = alike_tickets(now, [far, later, foreign, near, now], limit=5)
    assert [alike.ticket for alike in found] == [near, far]
    assert found[0].likeness > 0.9 > found[1].likeness
