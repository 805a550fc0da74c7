"""Field energies: conditional surprises that add up."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.eil.events import MarkTree
from industriverse.eil.events.codes import FieldCodes
from industriverse.signals.events import Event, FieldValue


def flow(service: str, flag: str, size: float) -> Event:
    return Event(0, "h", "flow", {"service": service, "flag": flag, "src_bytes": size})


@pytest.fixture(scope="module")
def tree() -> MarkTree:
    generator = np.random.default_rng(0)
    events = []
    for _ in range(3000):
        service = "http" if generator.random() < 0.7 else "dns"
        flag = "SF" if generator.random() < (0.99 if service == "http" else 0.5) else "S0"
        size = float(generator.lognormal(6.0 if service == "http" else 3.0, 0.3))
        events.append(flow(service, flag, size))
    return MarkTree.fit(events)


def test_the_flag_depends_on_the_service_in_its_energy(tree: MarkTree) -> None:
    marks = {mark.field: mark for mark in tree.explain(flow("http", "S0", 400.0))}
    assert {marks["flag"].given, marks["service"].given} & {"service", "src_bytes", "flag"}
    usual = tree.energy(flow("dns", "S0", 20.0))
    assert tree.energy(flow("http", "S0", 400.0)) > usual + 1.0


def test_the_explanation_adds_up_to_the_energy(tree: MarkTree) -> None:
    event = flow("http", "REJ", 1e9)
    marks = tree.explain(event)
    assert math.isclose(sum(mark.energy_nats for mark in marks), tree.energy(event))
    assert marks[0].energy_nats >= marks[-1].energy_nats
    assert tree.expected(event, "flag") == "SF"


@given(
    st.dictionaries(
        st.sampled_from(["service", "flag", "src_bytes", "other"]),
        st.text(max_size=4) | st.floats() | st.integers(-(10**30), 10**30),
    )
)
def test_any_values_have_a_finite_energy(fields: dict[str, FieldValue]) -> None:
    clean = [flow("a", "b", float(i)) for i in range(50)]
    energy = MarkTree.fit(clean).energy(Event(0, "h", "anything", fields))
    assert math.isfinite(energy)
    assert energy >= 0.0


def test_a_rebuilt_tree_gives_the_same_bits(tree: MarkTree) -> None:
    rebuilt = MarkTree.from_state(json.loads(json.dumps(tree.state())))
    for event in (flow("http", "SF", 400.0), flow("new", "S9", -1.0), Event(0, "h", "x", {})):
        assert rebuilt.energy(event) == tree.energy(event)
        assert rebuilt.explain(event) == tree.explain(event)


def test_events_without_fields_have_no_energy_of_fields() -> None:
    tree = MarkTree.fit([Event(0, "h", "a")] * 10)
    assert tree.energy(Event(0, "h", "a", {"x": 1})) == 0.0
    assert tree.fields == ()


def test_numbers_outside_the_clean_range_and_repeated_ones_have_codes_of_their_own() -> None:
    codes = FieldCodes.fit("x", [0.0] * 50 + [float(i) for i in range(1, 51)])
    assert len({codes.of(-1.0), codes.of(0.0), codes.of(0.5), codes.of(50.0), codes.of(51.0)}) == 5
    assert codes.text(codes.of(0.0)) == "0"
    assert codes.text(codes.of(99.0)) == "between 50 and inf"
    assert codes.of(float("nan")) == codes.of(None)
    assert max(codes.of(v) for v in (-1.0, 1e300, math.inf)) < codes.size


def test_rare_categories_share_a_code_only_where_there_are_many() -> None:
    few = FieldCodes.fit("x", ["a", "b"])
    assert few.text(few.of("new")) == "never seen"
    many = FieldCodes.fit("x", [f"v{i}" for i in range(1000)])
    assert many.text(many.of("new")) == "one of many others"
    assert many.size < 140
    assert many.of("v1") == many.of("new")
    some = FieldCodes.fit("x", ["usual"] * 500 + [f"v{i}" for i in range(500)])
    assert some.of("usual") != some.of("v1") == some.of("new")
