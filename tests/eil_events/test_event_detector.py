"""The contract of the event detector."""

import math
import pickletools
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from industriverse.eil.events import (
    COMPONENTS,
    EventDetector,
    EventDetectorError,
    EventFitError,
    EventReadings,
    EventReference,
    EventReferenceError,
    EventWatcher,
)
from industriverse.eil.events.tails import Tail
from industriverse.signals.events import Event

SECOND_NS = 10**9
MakeEvents = Callable[..., list[Event]]


def same_bits(a: EventReadings, b: EventReadings) -> bool:
    columns = ("timestamps_ns", "score", "p_value", "entity_score", "entity_p_value", "alarm", "energies")
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in columns)


def test_blocks_one_by_one_and_any_cut_give_the_same_bits(
    detector: EventDetector, make_events: MakeEvents
) -> None:
    events = make_events(60, seed=5)
    whole = detector.score(events)
    detector.reset()
    single = EventReadings.of([detector.update(event) for event in events])
    detector.reset()
    cut = [detector.score(events[:7]), detector.score(events[7:101]), detector.score(events[101:])]
    assert same_bits(whole, single)
    assert np.concatenate([part.score for part in cut]).tobytes() == whole.score.tobytes()
    assert len(whole) == len(events)


def test_snapshot_and_restore_replay_the_same_bits(detector: EventDetector, make_events: MakeEvents) -> None:
    events = make_events(40, seed=8)
    detector.score(events[:200])
    kept = detector.snapshot()
    first = detector.score(events[200:])
    detector.restore(kept)
    assert same_bits(detector.score(events[200:]), first)


def test_events_in_are_readings_out(detector: EventDetector) -> None:
    assert len(detector.score([])) == 0
    assert detector.score([]).energies.shape == (0, len(COMPONENTS))


def test_a_saved_and_loaded_reference_gives_the_same_bits(
    fitted: EventDetector, make_events: MakeEvents, tmp_path: Path
) -> None:
    events = make_events(80, seed=6)
    path = fitted.reference.save(tmp_path / "reference.json")
    loaded = EventReference.load(path)
    assert loaded.digest == fitted.reference.digest
    fresh = EventDetector.from_reference(fitted.reference)
    assert same_bits(EventDetector.from_reference(loaded).score(events), fresh.score(events))
    with pytest.raises(ValueError, match="opcode"):
        list(pickletools.genops(path.read_bytes()))


def test_an_altered_or_foreign_reference_is_refused(fitted: EventDetector, tmp_path: Path) -> None:
    path = fitted.reference.save(tmp_path / "reference.json")
    text = path.read_text()
    path.write_text(text.replace('"clean_events":', '"clean_events":1', 1))
    with pytest.raises(EventReferenceError, match="altered"):
        EventReference.load(path)
    path.write_text(text.replace("industriverse-event-reference", "something-else", 1))
    with pytest.raises(EventReferenceError, match="something-else"):
        EventReference.load(path)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(EventReferenceError, match="not a readable"):
        EventReference.load(path)
    with pytest.raises(EventReferenceError, match="no event reference"):
        EventReference.load(tmp_path / "none.json")
    with pytest.raises(EventReferenceError, match="cannot write"):
        fitted.reference.save(tmp_path / "none" / "reference.json")


def test_clean_telemetry_keeps_the_promised_budget(fitted: EventDetector, make_events: MakeEvents) -> None:
    promised = fitted.calibration
    assert promised.certified
    for seed in (21, 22):
        watcher = EventWatcher(EventDetector.from_reference(fitted.reference), "plant")
        watcher.feed(make_events(1500, seed=seed))
        summary = watcher.summary()
        assert summary.realised_per_day <= 2.0 * promised.promised_per_day
        assert summary.events == len(make_events(1500, seed=seed))


def test_clean_p_values_are_near_uniform(detector: EventDetector, make_events: MakeEvents) -> None:
    p_values = detector.score(make_events(1000, seed=31)).p_value
    for level in (0.5, 0.1, 0.01):
        assert float(np.mean(p_values <= level)) <= 1.5 * level + 0.005


@pytest.mark.parametrize(
    ("symbol", "fields", "component"),
    [
        ("write register", {"src": "10.0.0.1", "address": 900, "quantity": 1}, "marks"),
        ("write register", {"src": "10.6.6.6", "address": 7, "quantity": 1}, "marks"),
        ("diagnostics restart", {"src": "10.0.0.1", "address": 0, "quantity": 0}, "sequence"),
    ],
)
def test_one_injected_command_raises_a_ticket_that_names_it(
    detector: EventDetector,
    make_events: MakeEvents,
    symbol: str,
    fields: dict[str, str | int | float],
    component: str,
) -> None:
    watcher = EventWatcher(detector, "plant")
    watcher.feed(make_events(50, seed=41))
    injected = Event(round(101.0 * SECOND_NS), "plc-2", symbol, fields)
    readings, tickets = watcher.feed([injected])
    assert readings.alarm.all()
    (ticket,) = tickets
    assert (ticket.entity, ticket.onset_ns) == ("plc-2", injected.timestamp_ns)
    explanation = ticket.explanation
    shares = {evidence.component: evidence.share for evidence in explanation.event_evidence}
    assert shares[component] > 0.0
    assert math.isclose(sum(shares.values()), ticket.reading.score)
    assert symbol in explanation.sentence()
    shared = ticket.as_ticket()
    assert (shared.id, shared.stream, shared.onset_ns) == (ticket.id, "plant", ticket.onset_ns)
    assert math.isclose(sum(evidence.share for evidence in shared.evidence), shared.score)


def test_a_command_out_of_turn_is_explained_by_its_context_and_alternatives(detector: EventDetector) -> None:
    fields: dict[str, str | int | float] = {"src": "10.0.0.1", "address": 16, "quantity": 8}
    commands = ["read coils", "read inputs", "read registers", "read registers"]
    for place, command in enumerate(commands):
        detector.update(Event(round((100 + 0.01 * place) * SECOND_NS), "plc-1", command, fields))
    explanation = detector.explain()
    assert explanation.context == ("read coils", "read inputs", "read registers")
    assert explanation.expected_symbols[0][0] == "read coils"
    assert explanation.symbol_probability < 0.05
    assert explanation.gap_s == pytest.approx(0.01)
    assert explanation.usual_gap_s == pytest.approx(2.0, rel=0.5)


def test_a_flood_is_seen_in_the_pace_of_its_entity(detector: EventDetector, make_events: MakeEvents) -> None:
    detector.score(make_events(50, seed=51))
    fields: dict[str, str | int | float] = {"src": "10.0.0.1", "address": 16, "quantity": 8}
    flood = [Event(round((101 + 0.001 * i) * SECOND_NS), "plc-1", "read coils", fields) for i in range(300)]
    readings = detector.score(flood)
    assert readings.alarm[-100:].all()
    assert readings.entity_p_value[-1] < 1e-3
    explanation = detector.explain()
    assert "unlike itself" in explanation.sentence()
    assert {e.component: e.share for e in explanation.entity_evidence}["pace"] > 1.0


def test_an_entity_calms_down_soon_after_an_oddity_is_over(
    detector: EventDetector, make_events: MakeEvents
) -> None:
    events = make_events(100, seed=55)
    detector.score(events[:600])
    odd = [Event(events[600].timestamp_ns + i, events[600].entity, f"odd {i}", {}) for i in range(5)]
    assert detector.score(odd).alarm.all()
    later = detector.score(events[600:])
    mine = np.array([entity == events[600].entity for entity in later.entities])
    assert not later.alarm[~mine].any()
    assert not later.alarm[mine][30:].any()


def test_commands_replayed_backwards_go_against_the_clean_currents(
    detector: EventDetector, make_events: MakeEvents
) -> None:
    events = make_events(100, seed=61)
    forwards = detector.score(events)
    detector.reset()
    times = [event.timestamp_ns for event in events]
    backwards = detector.score(
        replace(e, timestamp_ns=t) for e, t in zip(reversed(events), times, strict=True)
    )
    reversal = COMPONENTS.index("reversal")
    assert (
        np.nanmedian(backwards.energies[-200:, reversal]) > 0.0 > np.nanmedian(forwards.energies[:, reversal])
    )
    assert backwards.alarm[-200:].mean() > 0.9 > 0.05 > forwards.alarm.mean()


def test_an_unknown_entity_is_surprising_by_the_novelty_of_entities(detector: EventDetector) -> None:
    fields: dict[str, str | int | float] = {"src": "10.0.0.1", "address": 16, "quantity": 8}
    known = detector.update(Event(0, "plc-1", "read coils", fields)).energy("rarity")
    new = detector.update(Event(0, "plc-99", "read coils", fields)).energy("rarity")
    assert known is not None
    assert new is not None
    assert new - known > 5.0


def test_late_events_are_taken_as_simultaneous_and_break_nothing(
    detector: EventDetector, make_events: MakeEvents
) -> None:
    events = make_events(30, seed=71)
    readings = detector.score([*events[60:], *events[:60]])
    assert np.isfinite(readings.score).all()
    assert len(readings) == len(events)


def test_the_order_of_clean_events_does_not_matter(clean: list[Event], fitted: EventDetector) -> None:
    shuffled = [clean[i] for i in np.random.default_rng(0).permutation(len(clean))]
    again = EventDetector(budget_per_day=300.0, refractory_s=60.0).fit(shuffled)
    assert again.reference.digest == fitted.reference.digest


def test_scoring_never_changes_the_reference(fitted: EventDetector, make_events: MakeEvents) -> None:
    detector = EventDetector.from_reference(EventReference._of(fitted.reference._content()))
    detector.score(make_events(50, seed=81))
    assert EventReference._of(detector.reference._content()).digest == fitted.reference.digest


def test_memory_stays_within_its_bound_under_ever_new_entities_and_symbols(fitted: EventDetector) -> None:
    reference = replace(fitted.reference, maximum_entities=50)
    detector = EventDetector.from_reference(reference)

    def feed(start: int, stop: int) -> None:
        for i in range(start, stop):
            detector.update(Event(i * 1000, f"host-{i % 997:060d}", f"symbol-{i:056d}", {}))

    feed(0, 6_000)
    tracemalloc.start()
    feed(6_000, 12_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(detector._memory) == 50
    assert all(len(state.last_of) <= 64 for state in detector._memory._states.values())
    assert grown < 50 * 16 * 1024


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Event,
            st.integers(0, 2**62),
            st.text(max_size=5),
            st.text(max_size=5),
            st.dictionaries(st.sampled_from(["src", "address", "new"]), st.text(max_size=3) | st.floats()),
        ),
        max_size=20,
    )
)
def test_any_events_get_finite_scores(fitted: EventDetector, events: list[Event]) -> None:
    readings = EventDetector.from_reference(fitted.reference).score(events)
    assert np.isfinite(readings.score).all()
    assert np.isfinite(readings.entity_score).all()
    assert ((readings.p_value >= 0.0) & (readings.p_value <= 1.0)).all()


def test_streams_without_variety_raise_no_alarm_while_they_stay_so() -> None:
    events = [Event(i * SECOND_NS, "e", "tick") for i in range(300)]
    detector = EventDetector(budget_per_day=1000.0, refractory_s=0.0).fit(events)
    later = detector.score([Event((300 + i) * SECOND_NS, "e", "tick") for i in range(100)])
    assert not later.alarm.any()
    assert detector.update(Event(400 * SECOND_NS, "e", "tock")).alarm
    assert detector.update(Event(500 * SECOND_NS, "e", "tick")).alarm


def test_settings_and_states_that_cannot_work_are_refused(detector: EventDetector) -> None:
    for budget in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(EventDetectorError, match="budget_per_day"):
            EventDetector(budget)
    with pytest.raises(EventDetectorError, match="refractory_s"):
        EventDetector(refractory_s=-1.0)
    with pytest.raises(EventDetectorError, match="not fitted"):
        EventDetector().update(Event(0, "e", "s"))
    with pytest.raises(EventDetectorError, match="no event was read"):
        detector.explain()
    with pytest.raises(EventFitError, match="too few"):
        EventDetector().fit([Event(0, "e", "s")] * 99)
    with pytest.raises(EventFitError, match="all at one time"):
        EventDetector().fit([Event(0, "e", "s")] * 100)


def test_a_tail_is_never_sharper_than_its_clean_events_can_tell() -> None:
    tail = Tail.fit(np.full(1000, 2.0))
    assert (tail.nats(2.0), tail.median) == (0.0, 2.0)
    assert 0.0 < tail.nats(2.1) < 1.0 < tail.nats(4.0)


def test_a_tail_reads_like_that_of_the_compiled_core() -> None:
    from industriverse.eil.kernel import fuse_components

    generator = np.random.default_rng(0)
    clean = generator.gamma(2.0, size=2000)
    tail = Tail.fit(clean)
    values = np.concatenate([clean[:50], [0.0, -1.0, 15.0]])
    settled = np.zeros(1)
    compiled = fuse_components(values[:, None], np.array([tail.state()]), np.ones(1), settled, 0.0)
    assert np.allclose([min(tail.nats(float(v)), 20.0) for v in values], compiled, rtol=1e-12)
    assert tail.median == pytest.approx(float(np.median(clean)), rel=0.02)
