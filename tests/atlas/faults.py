"""Faults on purpose: processes killed in the middle of their writes, networks that fall silent.

The suite runs each of them a few times; ``benchmarks/atlas_faults.py`` runs them as often and as long as asked.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from atlas.atlas_records import state
from atlas.servers import Arcade, Server, Weed, free_ports
from industriverse.atlas import EnergyState, Kind, Transition
from industriverse.atlas.applying import Applier, Pump
from industriverse.atlas.bolt import open_bolt_atlas
from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.checking import check
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.outbox import Outbox, Status
from industriverse.atlas.s3 import S3ObjectStore, S3Settings

BATCH = 50
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
GRAPH_WRITER = """
import json, sys
from atlas.faults import graph_of, write_batches
write_batches(graph_of(json.loads(sys.argv[1])), int(sys.argv[2]))
"""
OBJECT_WRITER = """
import json, sys
from atlas.faults import objects_of, write_objects
write_objects(objects_of(json.loads(sys.argv[1])), int(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of a store that was killed again and again.

    Attributes:
        kills: How often.
        acknowledged: Writes that were acknowledged.
        present: Writes that are there, the ones of the last moment among them.
    """

    kills: int
    acknowledged: int
    present: int


def graph_of(place: dict[str, str]) -> GraphAtlas:
    """The graph in a folder, or behind an address."""
    if "folder" in place:
        from industriverse.atlas.embedded import open_atlas

        return open_atlas(place["folder"])
    return open_bolt_atlas(BoltSettings(**place))  # type: ignore[arg-type]


def objects_of(place: dict[str, str]) -> ObjectStore:
    """The objects in a folder, or behind an address."""
    return ObjectStore(place["folder"]) if "folder" in place else S3ObjectStore(S3Settings(**place))  # type: ignore[arg-type]


def batch_of(number: int) -> list[EnergyState]:
    """States that are written together; their regime says with whom."""
    return [
        EnergyState(
            f"b{number:05d}-{row:02d}", 1 + number * 100 + row, 1.0, 0.0, "water", f"b{number}", "n", ("p",)
        )
        for row in range(BATCH)
    ]


def write_batches(atlas: GraphAtlas, number: int) -> None:
    """Write batches until somebody puts an end to it, and say which were acknowledged."""
    while True:
        rows = batch_of(number)
        atlas.upsert_states(rows)
        print(f"states {number}", flush=True)
        atlas.link_transitions([Transition(one.id, two.id) for one, two in pairwise(rows)])
        print(f"links {number}", flush=True)
        number += 1


def content_of(number: int) -> bytes:
    """Bytes of an object, some 300 kB."""
    return f"{number:012d}".encode() * 25_000


def write_objects(store: ObjectStore, number: int) -> None:
    """Write objects until somebody puts an end to it, and say which were acknowledged."""
    while True:
        print(store.put_bytes(content_of(number)), number, flush=True)
        number += 1


def kill_in_the_middle(
    script: str, place: dict[str, str], first: int, lines: int, server: Server | None
) -> list[list[str]]:
    """Run a writer, kill it and its server after some lines; what had been acknowledged by then."""
    command = [sys.executable, "-c", script, json.dumps(place), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(lines)]
        # A moment later, so that the kill falls anywhere in a write.
        time.sleep(0.003 * (first % 7))
        if server is not None:
            server.kill()
        process.send_signal(signal.SIGKILL)
        # Lines that were in the pipe when the kill struck were acknowledged as well.
        seen += process.stdout.readlines()
    if server is not None:
        server.start()
    assert all(seen[:lines]), "the writer ended by itself"
    return [line.split() for line in seen if line.endswith("\n")]


def kill_graph(place: dict[str, str], kills: int, objects: ObjectStore, server: Server | None) -> Killed:
    """Kill whoever writes a graph; after each time all that was acknowledged is there and nothing is torn."""
    acknowledged: dict[str, set[str]] = {"states": set(), "links": set()}
    present = 0
    for kill in range(kills):
        for what, number in kill_in_the_middle(GRAPH_WRITER, place, kill * 1_000, 1 + 3 * (kill % 6), server):
            acknowledged[what].add(f"b{number}")
        atlas = graph_of(place)
        whole = atlas.query(
            "MATCH (:Service)-[:CONSUMES_ENERGY]->(n:EnergyState)-[:CONCERNS]->(:Entity) "
            "RETURN n.regime AS batch, count(*) AS size",
            row_limit=100_000,
        ).rows
        links = atlas.query(
            "MATCH (n:EnergyState)-[t:TRANSITIONS_TO]->(:EnergyState) RETURN n.regime AS batch, count(t) AS size",
            row_limit=100_000,
        ).rows
        assert {row["size"] for row in whole} == {BATCH}, "a batch of states is torn"
        assert {row["size"] for row in links} <= {BATCH - 1}, "a batch of transitions is torn"
        assert acknowledged["states"] <= {row["batch"] for row in whole}
        assert acknowledged["links"] <= {row["batch"] for row in links}
        assert atlas.counts().nodes[Kind.STATE] == BATCH * len(whole)
        report = check(atlas, objects)
        assert report.findings == (), report.findings
        atlas.close()
        present = len(whole) + len(links)
    return Killed(kills, sum(map(len, acknowledged.values())), present)


def kill_objects(place: dict[str, str], kills: int, server: Server | None) -> Killed:
    """Kill whoever writes objects; after each time all that was acknowledged is there and nothing is torn."""
    acknowledged: set[str] = set()
    present: set[str] = set()
    for kill in range(kills):
        for key, _ in kill_in_the_middle(OBJECT_WRITER, place, kill * 1_000, 1 + 3 * (kill % 6), server):
            acknowledged.add(key)
        store = objects_of(place)
        present = {info.key for info in store.objects()}
        assert acknowledged <= present
        assert all(store.intact(key) for key in present), "an object is torn"
    return Killed(kills, len(acknowledged), len(present))


class Wire:
    """A line to a server that can fall silent: nothing is refused, nothing arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open = threading.Event()
        self._open.set()
        self._ended = threading.Event()
        [self.port] = free_ports(1)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Fall silent."""
        self._open.clear()

    def mend(self) -> None:
        """Let pass again what waits and what comes."""
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._open.set()
        for one in self._sockets:
            # A blocked accept or recv ends by this.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
                self._open.wait()
                far = socket.create_connection(self._target)
            except OSError:
                continue
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._open.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@dataclass(frozen=True, slots=True)
class CutOff:
    """What became of a stream whose store fell silent.

    Attributes:
        silent_s: How long.
        promised: States (and objects) that the stream promised.
        slowest_promise_s: Longest time that a promise took: the stream was not held up.
        most_waiting: Entries that waited at most.
        caught_up_s: From the end of the silence until nothing waited.
    """

    silent_s: float
    promised: int
    slowest_promise_s: float
    most_waiting: int
    caught_up_s: float


def stream_through_a_cut(
    wire: Wire, outbox: Outbox, connect: Callable[[], tuple[GraphAtlas, ObjectStore]], silent_s: float
) -> CutOff:
    """Promise states and objects all the time while the line is cut for a while; then nothing is missing."""
    atlas, objects = connect()
    slowest, waiting, number = 0.0, 0, 0
    with Pump(Applier(outbox, atlas, objects), interval_s=0.05) as pump:
        cut_at = time.monotonic() + 0.5
        mended_at = cut_at + silent_s
        while (now := time.monotonic()) < mended_at + 0.5:
            wire.cut() if cut_at <= now < mended_at else wire.mend()
            began = time.perf_counter()
            outbox.append("n", [state(number)], objects=[content_of(number)[:2_000]])
            pump.wake()
            slowest = max(slowest, time.perf_counter() - began)
            number += 1
            waiting = max(waiting, outbox.counts()[Status.PENDING]) if number % 20 == 0 else waiting
            time.sleep(0.01)
        limit = time.monotonic() + 240
        while outbox.counts()[Status.PENDING] and time.monotonic() < limit:
            time.sleep(0.05)
        caught_up_s = time.monotonic() - mended_at
    assert outbox.counts() == {Status.PENDING: 0, Status.APPLIED: 2 * number, Status.REFUSED: 0}
    assert waiting > 0, "the cut was not felt"
    assert {f"s{one:05d}" for one in range(number)} == {
        row["id"] for row in atlas.query("MATCH (n:EnergyState) RETURN n.id AS id", row_limit=100_000).rows
    }
    assert all(objects.intact(info.key) for info in objects.objects())
    assert len(list(objects.objects())) == number
    atlas.close()
    return CutOff(silent_s, number, slowest, waiting, caught_up_s)


def cut_bolt(arcade: Arcade, folder: Path, silent_s: float) -> CutOff:
    """Cut the line to the graph."""
    parts = urlsplit(arcade.settings.uri)
    assert parts.hostname is not None
    assert parts.port is not None
    with Wire(parts.hostname, parts.port) as wire:
        settings = replace(arcade.settings, uri=f"bolt://127.0.0.1:{wire.port}")
        outbox = Outbox(folder / "outbox.sqlite")
        return stream_through_a_cut(
            wire, outbox, lambda: (open_bolt_atlas(settings), ObjectStore(folder / "objects")), silent_s
        )


def cut_s3(weed: Weed, prefix: str, folder: Path, silent_s: float) -> CutOff:
    """Cut the line to the objects."""
    from industriverse.atlas.embedded import open_atlas

    parts = urlsplit(weed.endpoint)
    assert parts.hostname is not None
    assert parts.port is not None
    with Wire(parts.hostname, parts.port) as wire:
        settings = replace(weed.settings(prefix), endpoint=f"http://127.0.0.1:{wire.port}")
        outbox = Outbox(folder / "outbox.sqlite")
        return stream_through_a_cut(
            wire, outbox, lambda: (open_atlas(folder / "atlas"), S3ObjectStore(settings)), silent_s
        )
