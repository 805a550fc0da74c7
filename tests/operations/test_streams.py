"""Streams: learned once, followed by a live detector, the same after a restart as before."""

import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.platform import Platform
from industriverse.operations.streams import LiveStream, Streams
from industriverse.operations.telemetry import TelemetryStore
from industriverse.physics import IndustriverseError
from industriverse.signals import NANOSECONDS_PER_SECOND, Ticket
from prepared_plant import CLEAN_HOURS, PLANT, Prepared, call, on
from wandering_telemetry import wandering


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[Streams]:
    store = TelemetryStore(tmp_path / "samples.sqlite")
    yield Streams(store, tmp_path)
    store.close()


def reopened(tmp_path: Path) -> Streams:
    return Streams(TelemetryStore(tmp_path / "samples.sqlite"), tmp_path)


def same_readings(one: LiveStream, other: LiveStream) -> bool:
    first, second = one.readings, other.readings
    assert first is not None
    assert second is not None
    return all(
        np.asarray(getattr(first, name)).tobytes() == np.asarray(getattr(second, name)).tobytes()
        for name in type(first).__dataclass_fields__
    )


def test_learning_again_from_the_same_rows_changes_nothing(streams: Streams, tmp_path: Path) -> None:
    streams.ingest("s", wandering(900))
    first = streams.learn("s", 700, 1.0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.npz")}
    again = streams.learn("s", 700, 1.0)
    assert first.relearned
    assert not again.relearned
    assert first.reference.digest == again.reference.digest
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.npz")}


def test_another_budget_or_other_rows_make_another_reference(streams: Streams) -> None:
    streams.ingest("s", wandering(900))
    digests = {
        streams.learn("s", 700, 1.0).reference.digest,
        streams.learn("s", 700, 5.0).reference.digest,
        streams.learn("s", 800, 5.0).reference.digest,
    }
    assert len(digests) == 3


def test_readings_and_tickets_after_a_restart_equal_those_before(streams: Streams, tmp_path: Path) -> None:
    whole = wandering(1500, fault_from=1200)
    streams.ingest("s", whole.rows(0, 700))
    streams.learn("s", None, 1.0)
    raised: list[Ticket] = []
    for start in range(700, 1500, 37):
        raised += streams.ingest("s", whole.rows(start, min(start + 37, 1500))).tickets
    assert raised
    again = reopened(tmp_path)
    assert same_readings(streams.watched("s"), again.watched("s"))
    assert again.watched("s").tickets == tuple(raised) == streams.watched("s").tickets
    assert again.watched("s").summary() == streams.watched("s").summary()
    again.store.close()


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(700, 900), min_size=1, max_size=5), overlap=st.integers(0, 20))
def test_however_samples_arrive_the_readings_are_the_same(
    cuts: list[int], overlap: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = wandering(900)
    folder = tmp_path_factory.mktemp("arrival")
    store = TelemetryStore(folder / "samples.sqlite")
    streams = Streams(store, folder)
    streams.ingest("s", whole.rows(0, 700))
    streams.learn("s", None, 1.0)
    edges = [700, *sorted(cuts), 900]
    for start, stop in pairwise(edges):
        streams.ingest("s", whole.rows(start - overlap, stop))
    at_once = LiveStream(
        "s", streams.watched("s").reference, free_energy_limit_kt=0.0, daily_work_limit_kt=0.0
    )
    at_once.feed(whole.rows(700, 900))
    assert same_readings(streams.watched("s"), at_once)
    store.close()


def test_two_streams_are_watched_apart(streams: Streams) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        streams.ingest(name, wandering(800, seed=seed).rows(0, 700))
        streams.learn(name, None, 1.0)
    streams.ingest("one", wandering(800, seed=1).rows(700, 800))
    assert streams.watched("two").readings is None
    assert len(streams.watched("one").readings or ()) == 100


def test_a_name_means_nothing_to_the_file_system(streams: Streams, tmp_path: Path) -> None:
    for name in ("../../outside", "ä" * 80, "a/b", ".", "con\x00"):
        streams.ingest(name, wandering(300))
        streams.learn(name, None, 1.0)
        assert streams.watched(name).reference.clean_rows == 300
    assert all(path.is_relative_to(tmp_path) for path in tmp_path.rglob("*.npz"))
    assert not (tmp_path.parent.parent / "outside").exists()


def test_a_proof_is_refused_with_the_number_of_rows_that_it_needs(streams: Streams) -> None:
    streams.ingest("s", wandering(300))
    learned = streams.learn("s", None, 1.0)
    assert learned.equilibrium is None
    assert "300 clean samples are too few to prove anything; 512 are needed" in learned.no_proof_because
    assert streams.equilibrium("s") is None


def test_learning_from_more_rows_than_there_are_is_refused(streams: Streams) -> None:
    streams.ingest("s", wandering(300))
    with pytest.raises(OperationError, match="holds 300 samples, not 301; send more"):
        streams.learn("s", 301, 1.0)


def test_learning_from_too_few_rows_is_refused_and_keeps_the_old_reference(streams: Streams) -> None:
    streams.ingest("s", wandering(300))
    kept = streams.learn("s", 200, 1.0).reference.digest
    with pytest.raises(IndustriverseError, match="100"):
        streams.learn("s", 50, 1.0)
    assert streams.watched("s").reference.digest == kept


def test_a_stream_without_reference_says_how_to_get_one(streams: Streams) -> None:
    streams.ingest("s", wandering(10))
    with pytest.raises(NotFoundError, match="no reference yet; call signal_compile"):
        streams.watched("s")
    with pytest.raises(NotFoundError, match="no stream"):
        streams.watched("t")


def test_predicting_with_the_detector_leaves_its_state_bit_for_bit(streams: Streams, tmp_path: Path) -> None:
    whole = wandering(1000)
    streams.ingest("s", whole.rows(0, 900))
    streams.learn("s", 700, 1.0)
    streams.watched("s").expected_work_kt(wandering(960, seed=9).rows(900, 960), from_row=0)
    streams.ingest("s", whole.rows(900, 1000))
    undisturbed = reopened(tmp_path)
    assert same_readings(streams.watched("s"), undisturbed.watched("s"))
    undisturbed.store.close()


def test_tickets_of_rows_beyond_the_clean_ones_become_incidents_at_once(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        services = platform.services
        await platform.run(lambda: services.streams.ingest("s", wandering(1000, fault_from=900)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        threats = await call(platform, "shield_threats")
        assert threats.total == 1
        assert threats.incidents[0].entity == "a"

    on(tmp_path / "home", story)


def test_a_ticket_that_a_dying_process_did_not_keep_is_kept_by_the_next(
    alarmed: Path, story: Prepared
) -> None:
    # The moment between storing samples and storing their ticket: the samples are there, the ticket is not.
    for table in ("tickets", "incidents"):
        connection = sqlite3.connect(alarmed / "shield.sqlite")
        with connection:
            connection.execute(f"DELETE FROM {table}")
        connection.close()

    async def tale(platform: Platform) -> None:
        assert (await call(platform, "shield_threats")).total == 0
        run = await call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS)
        assert len(run.tickets) == 1
        assert (await call(platform, "shield_threats")).incidents[0].id == story.incident_id

    on(alarmed, tale)


def test_samples_that_a_dying_process_did_not_send_are_sent_by_the_next(
    alarmed: Path, story: Prepared
) -> None:
    connection = sqlite3.connect(alarmed / "streams" / "samples.sqlite")
    with connection:
        last = connection.execute("SELECT max(timestamp_ns) FROM sample").fetchone()[0]
        connection.execute(
            "DELETE FROM sample WHERE timestamp_ns > ?", (last - 5 * 900 * NANOSECONDS_PER_SECOND,)
        )
    connection.close()

    async def tale(platform: Platform) -> None:
        run = await call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS)
        assert run.samples_added == 5
        regime = await call(platform, "eil_regime", stream=PLANT)
        assert regime.plant_hours == story.alarm_hours

    on(alarmed, tale)
