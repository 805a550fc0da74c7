"""Evidence of several layers is joined by asset and time, and each cross-layer pattern needs what it declares."""

import random

import pytest

from industriverse.shield.hybrid import Layer, Mode, Sighting, join_sightings, match_patterns, permission

MINUTE = 60 * 10**9


def seen(
    name: str, layer: Layer, minute: int, *labels: str, index: float = 50.0, entity: str = "pump-3"
) -> Sighting:
    return Sighting(name, layer, entity, minute * MINUTE, (minute + 5) * MINUTE, index, frozenset(labels))


def patterns(*sightings: Sighting) -> list[str]:
    (joined,) = join_sightings(sightings)
    return [match.pattern.name for match in match_patterns(joined)]


def test_a_machine_and_the_asset_it_serves_are_one_incident_in_any_order() -> None:
    found = [
        seen("a", Layer.CYBER, 0, entity="plc-3"),
        seen("b", Layer.PHYSICAL, 30),
        seen("c", Layer.PHYSICAL, 500),
        seen("d", Layer.PHYSICAL, 10, entity="tank-1"),
    ]
    expected = None
    for seed in range(5):
        random.Random(seed).shuffle(found)
        joined = join_sightings(found, serves={"plc-3": "pump-3"}, window_s=3600)
        groups = [(cross.id, [s.id for s in cross.sightings]) for cross in joined]
        assert [group for _, group in groups] == [["a", "b"], ["d"], ["c"]]
        expected = expected or groups
        assert groups == expected
    assert joined[0].layers == {Layer.CYBER, Layer.PHYSICAL}


def test_coordinated_needs_the_intrusion_first() -> None:
    assert patterns(seen("a", Layer.CYBER, 0), seen("b", Layer.PHYSICAL, 20)) == ["coordinated"]
    assert patterns(seen("a", Layer.CYBER, 20), seen("b", Layer.PHYSICAL, 0)) == []
    assert patterns(seen("a", Layer.CYBER, 0, index=10), seen("b", Layer.PHYSICAL, 20)) == []


def test_energy_drain_needs_energy_without_work_and_unusual_activity() -> None:
    drain = seen("a", Layer.ENERGY, 0, "phantom_heat")
    assert patterns(drain, seen("b", Layer.CYBER, 5, "outbound")) == ["energy_drain"]
    assert patterns(drain) == []
    assert patterns(drain, seen("b", Layer.CYBER, 5)) == []


def test_stealth_needs_a_quiet_network_and_readings_too_calm() -> None:
    quiet, copied = seen("a", Layer.CYBER, 9, index=15), seen("b", Layer.PHYSICAL, 5, "copy")
    assert patterns(quiet, copied) == ["stealth_intrusion"]
    assert patterns(seen("a", Layer.CYBER, 9, index=90), copied) == []


def test_a_physics_violation_stands_alone_but_not_on_the_network() -> None:
    assert patterns(seen("a", Layer.PHYSICAL, 0, "invariant_broken", index=45)) == ["physics_violation"]
    assert patterns(seen("a", Layer.PHYSICAL, 0, "invariant_broken", index=30)) == []
    assert patterns(seen("a", Layer.CYBER, 0, "invariant_broken", index=90)) == []


def test_one_sighting_cannot_satisfy_two_conditions() -> None:
    both = seen("a", Layer.ENERGY, 0, "phantom_heat", "outbound")
    assert patterns(both) == []


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("index", [0.0, 50.0, 100.0])
def test_what_cannot_be_undone_is_never_done_without_a_person(mode: Mode, index: float) -> None:
    answer = permission(mode, reversible=False, index=index)
    assert not answer.allowed or answer.ask


def test_an_emergency_is_quicker_only_with_what_can_be_undone() -> None:
    assert permission(Mode.AUTONOMOUS, reversible=True, index=50).ask
    assert not permission(Mode.EMERGENCY, reversible=True, index=50).ask
    assert not permission(Mode.PASSIVE, reversible=True, index=100).allowed
    assert permission(Mode.DETECT, reversible=True, index=100).ask
