import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield import ShieldError, close_incident, fuse_tickets, leading_entity
from industriverse.signals import Ticket
from shield.tank import NOW, evidence, ticket

TICKETS = st.lists(
    st.tuples(st.integers(0, 40_000), st.sampled_from(["pump-1", "tank-2"]), st.sampled_from(["a", "b"])),
    max_size=25,
).map(
    lambda rows: [
        ticket(f"t{i}", onset, evidence(f"{entity}.level", 2.0), stream=stream)
        for i, (onset, entity, stream) in enumerate(rows)
    ]
)


def test_tickets_of_one_asset_close_in_time_are_one_incident() -> None:
    tickets = [ticket(f"t{i}", 3600 * i, evidence("pump-1.flow", 2.0)) for i in range(5)]
    (incident,) = fuse_tickets(tickets)
    assert incident.entity == "pump-1"
    assert incident.tickets == ("t0", "t1", "t2", "t3", "t4")
    assert incident.opened_ns == NOW
    assert incident.closed_ns is None


def test_another_asset_another_stream_or_a_long_silence_is_another_incident() -> None:
    incidents = fuse_tickets(
        [
            ticket("t0", 0, evidence("pump-1.flow", 2.0)),
            ticket("t1", 10, evidence("tank-2.level", 2.0)),
            ticket("t2", 20, evidence("pump-1.flow", 2.0), stream="other"),
            ticket("t3", 7201, evidence("pump-1.flow", 2.0)),
        ]
    )
    assert [incident.tickets for incident in incidents] == [("t0",), ("t1",), ("t2",), ("t3",)]


def test_assets_of_one_process_unit_share_an_incident() -> None:
    tickets = [ticket("t0", 0, evidence("pump-1.flow", 2.0)), ticket("t1", 60, evidence("tank-2.level", 2.0))]
    (incident,) = fuse_tickets(tickets, process_units={"pump-1": "unit-A", "tank-2": "unit-A"})
    assert incident.entity == "unit-A"


def test_the_asset_with_the_largest_summed_share_leads() -> None:
    items = (evidence("tank-2.level", 3.0), evidence("pump-1.flow", 2.0), evidence("pump-1.power", 2.0))
    assert leading_entity(ticket("t", 0, *items)) == "pump-1"
    assert leading_entity(ticket("t", 0, evidence("loose", 2.0, entity=""))) == "loose"
    assert leading_entity(ticket("t", 0)) == "plant"


@given(tickets=TICKETS, seed=st.integers(0, 1000))
def test_fusing_does_not_depend_on_the_order_and_loses_no_ticket(tickets: list[Ticket], seed: int) -> None:
    shuffled = tickets + tickets[:3]
    random.Random(seed).shuffle(shuffled)
    incidents = fuse_tickets(tickets)
    assert fuse_tickets(shuffled) == incidents
    assert sorted(t for incident in incidents for t in incident.tickets) == sorted(t.id for t in tickets)


@given(tickets=TICKETS)
def test_a_later_ticket_never_renames_an_incident(tickets: list[Ticket]) -> None:
    ordered = sorted(tickets, key=lambda t: (t.onset_ns, t.id))
    before = {incident.id for incident in fuse_tickets(ordered[:-1])}
    assert before <= {incident.id for incident in fuse_tickets(ordered)}


def test_impossible_gaps_and_closings_are_refused() -> None:
    with pytest.raises(ShieldError, match="not positive"):
        fuse_tickets([], gap_s=0)
    (incident,) = fuse_tickets([ticket("t", 0, evidence("pump-1.flow", 1.0))])
    assert close_incident(incident, NOW + 5).closed_ns == NOW + 5
    with pytest.raises(ShieldError, match="cannot close before it opened"):
        close_incident(incident, NOW - 1)
