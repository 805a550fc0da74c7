"""Every drift between graph, objects and outbox is found, and repaired where that is possible."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atlas.atlas_records import proof, shift, state
from industriverse.atlas import AtlasStore, Transition
from industriverse.atlas.applying import Applier
from industriverse.atlas.archive import Archive
from industriverse.atlas.checking import Drift, check
from industriverse.atlas.engine import Statement
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.outbox import Outbox

LATER = datetime.now(UTC) + timedelta(days=1)
READINGS = b"readings of a state"
KEY = hashlib.sha256(READINGS).hexdigest()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite3")


@pytest.fixture
def graph(atlas: AtlasStore, outbox: Outbox, objects: ObjectStore) -> GraphAtlas:
    assert isinstance(atlas, GraphAtlas)
    states = [replace(state(index), evidence=KEY) for index in range(3)]
    outbox.append("n", states, objects=[READINGS])
    outbox.append("n", [Transition("s00000", "s00001", "attack"), Transition("s00001", "s00002", "repair")])
    outbox.append("n", [replace(shift("s00001"), from_regime="calm")])
    Applier(outbox, atlas, objects).apply()
    return atlas


def drifts(graph: GraphAtlas, objects: ObjectStore, outbox: Outbox | None, **options: object) -> list[str]:
    report = check(graph, objects, outbox, now=LATER, **options)  # type: ignore[arg-type]
    return [f"{one.drift}{' repaired' if one.repaired else ''}" for one in report.findings]


def sound(graph: GraphAtlas, objects: ObjectStore, outbox: Outbox | None) -> bool:
    report = check(graph, objects, outbox, now=LATER)
    return report.clean and report.findings == ()


def test_stores_that_agree_are_found_clean(graph: GraphAtlas, objects: ObjectStore, outbox: Outbox) -> None:
    report = check(graph, objects, outbox, now=LATER)
    assert report.clean
    assert (report.findings, report.objects, report.references, report.entries) == ((), 1, 1, 7)


def test_a_missing_object_comes_back_from_the_outbox(
    graph: GraphAtlas, objects: ObjectStore, outbox: Outbox
) -> None:
    objects.delete(KEY)
    assert drifts(graph, objects, outbox) == ["missing object"]
    assert drifts(graph, objects, None, repair=True) == ["missing object"]
    assert drifts(graph, objects, outbox, repair=True) == ["missing object repaired"]
    assert sound(graph, objects, outbox)


def test_a_damaged_object_comes_back_from_another_store(
    graph: GraphAtlas, objects: ObjectStore, tmp_path: Path
) -> None:
    backup = ObjectStore(tmp_path / "backup")
    backup.put_bytes(READINGS)
    [file] = (tmp_path / "objects").rglob(KEY)
    file.write_bytes(READINGS[:-1])
    assert drifts(graph, objects, None) == ["wrong hash"]
    assert drifts(graph, objects, None, sources=[backup], repair=True) == ["wrong hash repaired"]
    assert objects.get_bytes(KEY) == READINGS


def test_an_orphan_is_removed_when_old_and_kept_when_young_or_wanted(
    graph: GraphAtlas, objects: ObjectStore, outbox: Outbox
) -> None:
    key = objects.put_bytes(b"nobody wants me")
    assert check(graph, objects, outbox).findings == ()
    assert drifts(graph, objects, outbox, keep={key}) == []
    assert drifts(graph, objects, outbox) == ["orphan object"]
    outbox.append("n", [replace(state(8), evidence=key)])
    assert drifts(graph, objects, outbox, repair=True) == []
    Applier(outbox, graph, objects).apply()
    assert drifts(graph, objects, outbox, repair=True) == []
    other = objects.put_bytes(b"nor me")
    assert drifts(graph, objects, outbox, repair=True) == ["orphan object repaired"]
    assert other not in objects
    assert key in objects


def test_a_missing_transition_comes_back_with_its_cause(
    graph: GraphAtlas, objects: ObjectStore, outbox: Outbox
) -> None:
    graph.engine.write([Statement("MATCH (n {id: 's00001'})-[t:TRANSITIONS_TO]->() DELETE t")])
    assert drifts(graph, objects, outbox) == ["missing transition"]
    assert drifts(graph, objects, outbox, repair=True) == ["missing transition repaired"]
    rows = graph.query(
        "MATCH (:EnergyState {id: 's00001'})-[t:TRANSITIONS_TO]->(m) RETURN m.id AS m, t.cause AS c"
    )
    assert rows.rows == ({"m": "s00002", "c": "repair"},)
    assert sound(graph, objects, outbox)


def test_a_transition_that_a_shift_testifies_to_is_drawn_without_an_outbox(
    graph: GraphAtlas, objects: ObjectStore
) -> None:
    graph.engine.write([Statement("MATCH (n {id: 's00000'})-[t:TRANSITIONS_TO]->() DELETE t")])
    assert drifts(graph, objects, None) == ["missing transition"]
    assert drifts(graph, objects, None, repair=True) == ["missing transition repaired"]
    assert graph.transition_path("s00000", "s00001") == ("s00000", "s00001")
    assert sound(graph, objects, None)


def test_a_lost_or_changed_state_is_written_again(
    graph: GraphAtlas, objects: ObjectStore, outbox: Outbox
) -> None:
    graph.engine.write([Statement("MATCH (n:EnergyState {id: 's00002'}) DETACH DELETE n")])
    graph.engine.write([Statement("MATCH (n:EnergyState {id: 's00000'}) SET n.energy = 5.5")])
    assert drifts(graph, objects, outbox) == ["missing record", "missing record", "missing transition"]
    assert len(drifts(graph, objects, outbox, repair=True)) == 3
    assert sound(graph, objects, outbox)
    assert graph.state("s00000") == replace(state(0), evidence=KEY)


def test_an_archived_state_is_not_missing_and_its_segment_is_checked(
    graph: GraphAtlas, objects: ObjectStore, outbox: Outbox, tmp_path: Path
) -> None:
    assert Archive(graph, objects).keep_newest(1).states == 2
    assert sound(graph, objects, outbox)
    [segment] = Archive(graph, objects).segments()
    backup = ObjectStore(tmp_path / "backup")
    backup.put_bytes(objects.get_bytes(segment.id))
    objects.put_bytes(b"an orphan that cannot be told from what the lost segment names")
    objects.delete(segment.id)
    assert drifts(graph, objects, None) == ["missing object"]
    assert drifts(graph, objects, None, sources=[backup], repair=True) == ["missing object repaired"]


def test_a_proof_without_its_certificate_and_a_refused_entry_are_reported(
    graph: GraphAtlas, objects: ObjectStore, outbox: Outbox
) -> None:
    graph.record_proof(proof("s00000"))
    outbox.append("n", [Transition("s00000", "ghost")])
    Applier(outbox, graph, objects).apply()
    report = check(graph, objects, outbox, now=LATER, repair=True)
    assert [(one.drift, one.repaired) for one in report.findings] == [
        (Drift.MISSING_OBJECT, False),
        (Drift.REFUSED_ENTRY, False),
    ]
    assert not report.clean
    assert report.findings[0].detail == "Proof proof-1 refers to it"
