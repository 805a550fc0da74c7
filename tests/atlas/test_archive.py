"""Old states leave the graph and are found all the same."""

from pathlib import Path

import pytest

from atlas.atlas_records import SECOND, START_NS, incident, proof, shift, state
from industriverse.atlas import AtlasStore, Kind, SearchError, Transition
from industriverse.atlas.archive import Archive
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def graph(atlas: AtlasStore) -> GraphAtlas:
    assert isinstance(atlas, GraphAtlas)
    atlas.upsert_states(
        [state(index, service=f"service-{index % 3}", entities=("pump-1", "é")) for index in range(60)]
    )
    atlas.link_transitions([Transition(state(n).id, state(n + 1).id, f"cause-{n}") for n in range(59)])
    return atlas


def test_archived_states_leave_the_graph_and_are_found_by_id_and_time(
    graph: GraphAtlas, objects: ObjectStore
) -> None:
    before = {f"s{index:05d}": graph.state(f"s{index:05d}") for index in range(60)}
    archive = Archive(graph, objects, segment_states=16)
    report = archive.archive_before(START_NS + 40 * SECOND)
    assert (report.states, len(report.segments)) == (40, 3)
    assert graph.counts().nodes[Kind.STATE] == 20
    assert graph.state("s00039") is None
    assert {one: archive.state(one) for one in list(before)[:40]} == dict(list(before.items())[:40])
    assert archive.state("s00041") is None
    found = archive.search(start_ns=START_NS + 10 * SECOND, stop_ns=START_NS + 30 * SECOND)
    assert [one.id for one in found] == [f"s{index:05d}" for index in range(10, 30)]
    assert [one.id for one in archive.search(service="service-1", limit=3)] == ["s00001", "s00004", "s00007"]
    assert len(list(archive.states())) == 40
    with pytest.raises(SearchError, match="limit is 0"):
        archive.search(limit=0)


def test_transitions_of_archived_states_are_kept_with_them(graph: GraphAtlas, objects: ObjectStore) -> None:
    archive = Archive(graph, objects, segment_states=7)
    archive.archive_before(START_NS + 20 * SECOND)
    # Within a segment, and from the archive to the graph.
    assert set(archive.transitions("s00003")) == {
        Transition("s00002", "s00003", "cause-2"),
        Transition("s00003", "s00004", "cause-3"),
    }
    assert Transition("s00019", "s00020", "cause-19") in archive.transitions("s00019")
    assert graph.counts().relations["TRANSITIONS_TO"] == 39
    assert archive.transitions("s00045") == ()


def test_states_that_evidence_rests_on_stay(graph: GraphAtlas, objects: ObjectStore) -> None:
    graph.record_regime_shift(shift("s00001"))
    graph.record_incident(incident(), states=["s00002"])
    graph.record_proof(proof("s00003"))
    report = Archive(graph, objects).keep_newest(10)
    assert report.states == 50
    kept = [one.id for one in (graph.state(f"s0000{index}") for index in range(10)) if one]
    assert kept == ["s00001", "s00002", "s00003"]
    assert Archive(graph, objects).keep_newest(1).states == 7
    assert Archive(graph, objects).keep_newest(1).states == 0
    assert graph.counts().relations["INVOLVES"] == 1


def test_a_state_written_while_it_is_archived_is_not_lost(
    graph: GraphAtlas, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(graph, objects)
    changed = state(5, energy=-7.0, entities=("pump-1", "é"))
    put = objects.put_bytes
    rounds: list[int] = []

    def write_between(content: bytes) -> str:
        if not rounds:
            graph.upsert_states([changed])
        rounds.append(len(content))
        return put(content)

    monkeypatch.setattr(objects, "put_bytes", write_between)
    assert archive.archive_before(START_NS + 10 * SECOND).states == 10
    assert len(rounds) == 2
    assert archive.state("s00005") == changed
    assert {one.key for one in objects.objects()} == {one.id for one in archive.segments()}


def test_a_state_archived_twice_shows_its_last_version(graph: GraphAtlas, objects: ObjectStore) -> None:
    archive = Archive(graph, objects)
    archive.archive_before(START_NS + 10 * SECOND)
    again = state(3, energy=99.0)
    graph.upsert_states([again])
    archive.archive_before(START_NS + 10 * SECOND)
    assert archive.state("s00003") == again
    assert len([one for one in archive.search() if one.id == "s00003"]) == 1
