"""Writes are promised on disk, carried over in order, and nothing is lost on the way."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from atlas.atlas_records import action, incident, proof, shift, state
from atlas.servers import Arcade
from industriverse.atlas import AtlasStore, Entity, Kind, OutboxFullError, Service, Transition
from industriverse.atlas.applying import Applier, Pump
from industriverse.atlas.bolt import open_bolt_atlas
from industriverse.atlas.checking import check
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.outbox import Outbox, Status

Opener = Callable[[], AtlasStore]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "books" / "outbox.sqlite3")


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def story(outbox: Outbox) -> None:
    outbox.append("n", [Service("network-3", "N", "water"), Entity("pump-1", "P", "pump")])
    outbox.append("n", [state(0), state(1), Transition("s00000", "s00001", "attack")], objects=[b"readings"])
    outbox.append("n", [shift("s00001"), incident()], states=["s00001"])
    outbox.append("n", [action(), proof("s00001")])


def test_what_was_promised_reaches_graph_and_objects_in_order(
    atlas: AtlasStore, outbox: Outbox, objects: ObjectStore
) -> None:
    story(outbox)
    assert outbox.counts()[Status.PENDING] == 10
    report = Applier(outbox, atlas, objects).apply()
    assert (report.applied, report.refused, report.waiting) == (10, 0, "")
    assert atlas.record(Kind.PROOF, "proof-1") == proof("s00001")
    assert atlas.transition_path("s00000", "s00001") == ("s00000", "s00001")
    assert atlas.counts().relations["INVOLVES"] == 1
    assert [objects.get_bytes(one.key) for one in objects.objects()] == [b"readings"]
    assert Applier(outbox, atlas, objects).apply().applied == 0
    before = atlas.counts()
    for entry in outbox.history():
        Applier(outbox, atlas, objects).repeat(entry)
    assert atlas.counts() == before


def test_a_promise_made_twice_under_one_name_counts_once(outbox: Outbox) -> None:
    assert outbox.append("n", [state(0), state(1)], key="window-7") == 2
    assert outbox.append("n", [state(0), state(1)], key="window-7") == 0
    assert outbox.append("n", []) == 0
    assert outbox.counts()[Status.PENDING] == 2


def test_a_promise_is_part_of_the_transaction_it_is_made_in(outbox: Outbox) -> None:
    with outbox._engine.connect() as connection, connection.begin() as transaction:
        outbox.append("n", [state(0)], connection=connection)
        transaction.rollback()
    assert outbox.counts()[Status.PENDING] == 0


def test_a_full_outbox_says_so_and_takes_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "small.sqlite3", capacity=3)
    outbox.append("n", [state(0), state(1)])
    with pytest.raises(OutboxFullError, match="more than 3 writes"):
        outbox.append("n", [state(2), state(3)])
    assert outbox.counts()[Status.PENDING] == 2


def test_an_entry_that_can_never_be_written_is_set_aside_with_its_reason(
    outbox: Outbox, objects: ObjectStore, tmp_path: Path
) -> None:
    outbox.append("n", [state(0), Transition("s00000", "ghost"), state(1), Transition("s00000", "s00001")])
    with open_atlas(tmp_path / "atlas") as atlas:
        applier = Applier(outbox, atlas, objects)
        assert (applier.apply().applied, outbox.counts()[Status.REFUSED]) == (3, 1)
        [refused] = outbox.refused()
        assert "a state of a transition is not in the graph" in refused.reason
        outbox.append("n", [state(7)])
        atlas.upsert_states([state(9)])
        assert outbox.retry_refused() == 1
        assert applier.apply().refused == 1
    assert outbox.prune(time.time_ns() + 1) == 4
    assert outbox.counts() == {Status.PENDING: 0, Status.APPLIED: 0, Status.REFUSED: 1}


def test_promises_by_many_threads_are_all_kept(outbox: Outbox, objects: ObjectStore, tmp_path: Path) -> None:
    def promise(worker: int) -> None:
        for index in range(25):
            outbox.append(f"stream-{worker}", [state(worker * 100 + index, service=f"stream-{worker}")])

    with open_atlas(tmp_path / "atlas") as atlas, Pump(Applier(outbox, atlas, objects), interval_s=0.05):
        threads = [threading.Thread(target=promise, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        limit = time.monotonic() + 30
        while outbox.counts()[Status.PENDING] and time.monotonic() < limit:
            time.sleep(0.02)
        assert atlas.counts().nodes[Kind.STATE] == 100


STREAM = """
import sys
from atlas.atlas_records import state
from industriverse.atlas import Transition
from industriverse.atlas.applying import Applier
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.outbox import Outbox

folder, index = sys.argv[1], int(sys.argv[2])
outbox = Outbox(folder + "/outbox.sqlite3")
applier = Applier(outbox, open_atlas(folder + "/atlas"), ObjectStore(folder + "/objects"))
while True:
    step = Transition(state(index - 1).id, state(index).id) if index else None
    outbox.append("n", [state(index), *([step] if step else [])], objects=[b"%d" % index], key=str(index))
    print(index, flush=True)
    if index % 3 == 0:
        applier.apply()
    index += 1
"""


def test_after_kill_nine_every_promise_is_carried_over_once(tmp_path: Path) -> None:
    first = 0
    for lines in (4, 25, 9):
        command = [sys.executable, "-c", STREAM, str(tmp_path), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
            assert process.stdout is not None
            seen = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
            seen += process.stdout.readlines()
        first = 1 + max(int(line) for line in seen if line.endswith("\n"))
    outbox, objects = Outbox(tmp_path / "outbox.sqlite3"), ObjectStore(tmp_path / "objects")
    with open_atlas(tmp_path / "atlas") as atlas:
        Applier(outbox, atlas, objects).apply()
        counts = atlas.counts()
        assert counts.nodes[Kind.STATE] in {first, first + 1}
        assert counts.relations["TRANSITIONS_TO"] == counts.nodes[Kind.STATE] - 1
        assert len(list(objects.objects())) == counts.nodes[Kind.STATE]
        report = check(atlas, objects, outbox)
        assert [one for one in report.findings if one.drift != "missing object"] == []
        assert {one.subject for one in report.findings} <= {"cd" * 32}


def test_a_graph_that_is_away_for_a_while_loses_nothing_and_catches_up(
    mortal_arcade: Arcade, outbox: Outbox, objects: ObjectStore
) -> None:
    arcade = mortal_arcade
    atlas: GraphAtlas = open_bolt_atlas(replace(arcade.settings, retry_s=1))
    with Pump(Applier(outbox, atlas, objects), interval_s=0.05) as pump:
        for index in range(60):
            outbox.append("n", [state(index)])
            if index == 20:
                arcade.server.kill()
            if index == 30:
                limit = time.monotonic() + 30
                while not pump.last.waiting and time.monotonic() < limit:
                    time.sleep(0.05)
                assert "cannot be reached" in pump.last.waiting
                assert outbox.counts()[Status.PENDING] > 0
                arcade.server.start()
        limit = time.monotonic() + 60
        while outbox.counts()[Status.PENDING] and time.monotonic() < limit:
            time.sleep(0.1)
    assert outbox.counts()[Status.PENDING] == 0
    assert atlas.counts().nodes[Kind.STATE] == 60
    assert [one.id for one in (atlas.state(f"s{n:05d}") for n in range(60)) if one] == [
        f"s{n:05d}" for n in range(60)
    ]
    atlas.close()


def test_the_outbox_shares_a_database_with_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE transfers (id TEXT)")
    connection.close()
    Outbox(path).append("n", [state(0)])
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM atlas_outbox").fetchone() == (1,)
    connection.close()
