"""The simulated host cluster: requests are conserved, encryption spreads as its laws say, remedies work."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.signals import Frame
from industriverse.simulation import Command, SimulationError
from industriverse.simulation.catalogue import make_operator, make_plant, plain_spec
from industriverse.simulation.cluster_dynamics import (
    ClusterLaws,
    ClusterState,
    HostLoad,
    Orders,
    advance_cluster,
)
from industriverse.simulation.cluster_layout import HOSTS, TIERS
from industriverse.simulation.host_cluster import HostClusterPlant
from industriverse.simulation.journal import PlantJournal
from industriverse.simulation.plant import Plant
from industriverse.simulation.strikes import Strike

START_NS = 1_767_571_200 * 10**9
DAY = 288


def cluster(*strikes: Strike, seed: int = 3) -> HostClusterPlant:
    made = make_plant(plain_spec("hosts", seed, START_NS, 300, strikes))
    assert isinstance(made, HostClusterPlant)
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 400),
    st.floats(0, 300),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
    st.lists(st.sampled_from(HOSTS), unique=True),
    st.sampled_from([0.0, 500.0, 3000.0]),
)
def test_every_request_is_served_dropped_or_waits(
    genuine: float, false: float, encrypted: list[float], isolated: list[str], waiting: float
) -> None:
    flows = advance_cluster(
        ClusterState(dict.fromkeys(TIERS, waiting), dict(zip(HOSTS, encrypted, strict=True))),
        Orders(isolated=frozenset(isolated)),
        {"db-1": HostLoad(encrypting=True), "app-1": HostLoad(stolen_cpu=0.7)},
        genuine_per_s=genuine,
        false_per_s=false,
        laws=ClusterLaws(),
        seconds=300.0,
    )
    for flow in flows.tiers.values():
        assert flow.came + flow.waited == pytest.approx(
            flow.served + flow.dropped + flow.waits, rel=1e-12, abs=1e-9
        )
        assert min(flow.served, flow.dropped, flow.waits) >= -1e-9
    assert 0 <= flows.answered <= flows.genuine * (1 + 1e-12)
    assert all(0 <= share <= 1 for share in flows.cpu.values())
    assert all(
        after >= before for after, before in zip(flows.state.encrypted.values(), encrypted, strict=True)
    )


def test_clean_days_answer_everything_and_equal_runs_are_equal_to_the_bit() -> None:
    one, two = cluster(), cluster()
    one.advance(2 * DAY)
    for _ in range(2):
        two.advance(DAY)
    assert one.service().lost == pytest.approx(0.0, abs=1e-6)
    assert one.service().wasted == 0.0
    assert one.digest == two.digest
    assert cluster(seed=4).advance(3).values.tolist() != cluster().advance(3).values.tolist()


def test_an_encryptor_spreads_to_every_host_unless_the_segment_is_closed() -> None:
    free, closed = cluster(Strike("encrypt", "app-1", 10)), cluster(Strike("encrypt", "app-1", 10))
    closed.apply(Command("c", "block_lateral", "segment"))
    free.advance(DAY)
    closed.advance(DAY)
    assert free.flows is not None
    assert closed.flows is not None
    assert set(free.flows.state.infected) == set(HOSTS) - {"app-1"}
    assert closed.flows.state.infected == ()
    assert 0 < closed.service().wasted < free.service().wasted


@pytest.mark.parametrize(
    ("strike", "order"),
    [
        (Strike("encrypt", "file-1", 100), ("suspend_process", "file-1")),
        (Strike("exfiltrate", "db-1", 100, None, 45.0), ("block_outbound", "db-1")),
        (Strike("stop_service", "web-1", 100), ("guard_service", "web-1")),
        (Strike("flood", "gateway", 100, None, 150.0), ("limit_rate", "gateway")),
    ],
)
def test_an_attack_costs_service_and_its_remedy_brings_it_back(
    strike: Strike, order: tuple[str, str]
) -> None:
    attacked, helped = cluster(strike), cluster(strike)
    helped.apply(Command("c", *order))
    attacked.advance(DAY)
    helped.advance(DAY)
    assert attacked.service().harm > 100_000
    assert helped.service().harm < 0.3 * attacked.service().harm


def test_frozen_telemetry_repeats_to_the_bit_and_the_operator_does_not_believe_it() -> None:
    plant = cluster(Strike("encrypt", "app-2", 100), Strike("freeze", "app-2", 100))
    clean, frame = plant.advance(100), plant.advance(6)
    assert np.ptp(frame.column("app-2.cpu")) == 0.0
    operator = make_operator(plant.spec)
    operator.observe(frame, clean, ())
    assert "telemetry of app-2 is not believed" in operator.doubts


def test_the_operator_supposes_that_what_it_suspended_is_still_there() -> None:
    plant = cluster(Strike("encrypt", "app-1", 100))
    clean = plant.advance(100)
    before = plant.advance(4)
    order = Command("c", "suspend_process", "app-1")
    plant.apply(order)
    frame = Frame.concatenate([before, plant.advance(8)])
    operator = make_operator(plant.spec)
    operator.observe(frame, clean, (order,))
    assert "app-1 encrypts" in operator.doubts
    assert operator.predict([]).service.harm > 100 * operator.predict([order]).service.harm


def test_a_journal_replays_the_cluster_and_keeps_the_protocol(tmp_path: Path) -> None:
    spec = plain_spec("hosts", 5, START_NS, 300, [Strike("mine", "db-1", 3, None, 0.5)])
    journal = PlantJournal(tmp_path / "plants.sqlite")
    plant = journal.create("hosts", spec)
    assert isinstance(plant, Plant)
    plant.advance(5)
    plant.apply(Command("c", "suspend_process", "db-1"))
    plant.advance(5)
    again = journal.open("hosts")
    assert (again.digest, again.service()) == (plant.digest, plant.service())
    assert journal.plants()[0].spec == spec
    journal.close()


def test_what_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(SimulationError, match="cannot 'encrypt' 'mainframe'"):
        cluster(Strike("encrypt", "mainframe", 0))
    with pytest.raises(SimulationError, match="seed -1"):
        plain_spec("hosts", -1, 0, 300)
