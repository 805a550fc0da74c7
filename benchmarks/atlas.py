"""Atlas benchmark: writes, lookups, walks, ranges, memory, cold open, objects and fields, beside raw calls.

    python benchmarks/atlas.py [--states 20000] [--servers] [--bolt URI USER PASSWORD DATABASE] [--json out]
    python benchmarks/atlas.py --retention 1000000

A raw call is the same text with the same values given to the library below without anything of ours: kglite, the
official Bolt driver, obstore, zarr, plain files. Ours and raw take turns, many times, and the medians are
compared, so that a loaded machine slows both; of what runs in this process alone the CPU time is compared.
``--servers`` starts ArcadeDB and SeaweedFS, from the packages of the development extra, with at most 2,000 states.
"""

import argparse
import hashlib
import itertools
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from zarr.storage import LocalStore
from zarr.storage import ObjectStore as ZarrOnObstore

from industriverse.atlas import EnergyState, Kind, Search, Transition, cypher
from industriverse.atlas.archive import Archive
from industriverse.atlas.bolt import BoltSettings, open_bolt_atlas
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.fields import CHUNK_STEPS, SHARD_STEPS, open_field, put_field
from industriverse.atlas.graph import GraphAtlas, row_of
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.s3 import S3ObjectStore, S3Settings
from industriverse.operations.memory import ARCHIVE_EVERY, KEPT_STATES

if TYPE_CHECKING:
    from obstore.store import S3Store
    from zarr.abc.store import Store

SECOND_NS = 1_000_000_000
START_NS = 1_767_225_600 * SECOND_NS
BATCH = 1_000
LOOKUPS = 2_000
WALKS = 300
RANGES = 50
OBJECTS = 40
TURNS = 11
SERVER_STATES = 2_000
FIELD_STEPS = 4_000
OBJECT_BYTES = 262_144

RAW_WRITE = (
    f"UNWIND $rows AS row MERGE (n:EnergyState {{id: row.id}}) SET {cypher.assignments(Kind.STATE, 'row.')}"
)
THREE_HOPS = "MATCH (n:EnergyState {id: $id})-[:TRANSITIONS_TO*3]->(m) RETURN m.id AS id"


def states(first: int, count: int) -> list[EnergyState]:
    """States of twenty streams and fifty assets."""
    return [
        EnergyState(
            id=f"state-{index:09d}",
            timestamp_ns=START_NS + index * SECOND_NS,
            energy=float(index % 97),
            entropy=0.25,
            domain="water",
            regime="calm",
            service=f"stream-{index % 20}",
            entities=(f"pump-{index % 50}",),
            reference_digest="ab" * 32,
            vector=(float(index % 97), 1.0, 1.0, 0.25, 2.0, 3.0, 4.0, float(index % 13)),
        )
        for index in range(first, first + count)
    ]


def resident_mb() -> float:
    """Resident memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6


def peak_mb() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def seconds_of(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long some work takes."""
    began = clock()
    work()
    return clock() - began


def per_second(
    count: int, work: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> float:
    """Rate of some work that does ``count`` things."""
    return count / seconds_of(work, clock)


def fill(atlas: GraphAtlas, total: int) -> dict[str, float]:
    """Write states with their relations, and transitions; rates of both."""
    spent = {"states": 0.0, "transitions": 0.0}
    for first in range(0, total, BATCH):
        batch = states(first, BATCH)
        links = [Transition(one.id, two.id, "drift") for one, two in pairwise(batch)]
        spent["states"] += seconds_of(partial(atlas.upsert_states, batch))
        spent["transitions"] += seconds_of(partial(atlas.link_transitions, links))
    return {f"{name}_per_s": round(total / seconds) for name, seconds in spent.items()}


def reads(atlas: GraphAtlas, total: int) -> dict[str, float]:
    """Rates of lookups, walks and ranges."""
    engine = atlas.engine
    step = max(1, total // LOOKUPS)
    ids = [f"state-{index:09d}" for index in range(0, total, step)]
    found: dict[str, float] = {
        "spread_lookups_per_s": per_second(len(ids), lambda: [atlas.state(one) for one in ids]),
        "spread_three_hops_per_s": per_second(
            WALKS, lambda: [engine.read([Statement(THREE_HOPS, {"id": one})]) for one in ids[:WALKS]]
        ),
        "neighbourhood_depth_3_per_s": per_second(
            WALKS // 10, lambda: [atlas.neighbourhood(one, depth=3) for one in ids[: WALKS // 10]]
        ),
    }
    middle = START_NS + total // 2 * SECOND_NS
    search = Search(start_ns=middle, stop_ns=middle + 100 * SECOND_NS, limit=100)
    found["search_of_100_per_s"] = per_second(RANGES, lambda: [atlas.search(search) for _ in range(RANGES)])
    place = states(0, 1)[0].vector
    found["similar_per_s"] = per_second(5, lambda: [atlas.similar(place) for _ in range(5)])
    return {name: round(value, 1) for name, value in found.items()}


def compared(
    name: str,
    count: int,
    ours: Callable[[], object],
    raw: Callable[[], object],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Rates of some work done by us and without us in turns, and the share of the raw rate that we reach."""
    ours()
    raw()
    turns = [(per_second(count, ours, clock), per_second(count, raw, clock)) for _ in range(TURNS)]
    found = {
        f"{name}_per_s": statistics.median(one for one, _ in turns),
        f"{name}_raw_per_s": statistics.median(two for _, two in turns),
        f"{name}_share": statistics.median(one / two for one, two in turns),
    }
    return {key: round(value, 2) for key, value in found.items()}


def beside(
    atlas: GraphAtlas,
    read: Callable[[str, Row], object],
    write: Callable[[str, Row], object],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The same reads and writes through the engine and by the library alone."""
    engine, fetch = atlas.engine, cypher.fetch(Kind.STATE)
    ids = [f"state-{index:09d}" for index in range(0, 600, 10)]
    rows = [row_of(one) for one in states(0, BATCH)]
    middle = START_NS + 500 * SECOND_NS
    names = frozenset({"start_ns", "stop_ns"})
    span = {"start_ns": middle, "stop_ns": middle + 100 * SECOND_NS, "limit": 100}
    text = cypher.find(Kind.STATE, names, newest_first=True, after=False)
    place = states(0, 1)[0].vector
    return {
        **compared(
            "lookup",
            len(ids),
            lambda: [engine.read([Statement(fetch, {"id": one})]) for one in ids],
            lambda: [read(fetch, {"id": one}) for one in ids],
            clock,
        ),
        **compared(
            "lookup_as_record",
            len(ids),
            lambda: [atlas.state(one) for one in ids],
            lambda: [read(fetch, {"id": one}) for one in ids],
            clock,
        ),
        **compared(
            "three_hops",
            len(ids),
            lambda: [engine.read([Statement(THREE_HOPS, {"id": one})]) for one in ids],
            lambda: [read(THREE_HOPS, {"id": one}) for one in ids],
            clock,
        ),
        **compared(
            "similar",
            1,
            lambda: engine.nearest(place, 10, ""),
            lambda: read(cypher.SIMILAR, {"vector": list(place), "limit": 10, "id": ""}),
            clock,
        ),
        **compared(
            "range", 100, lambda: engine.read([Statement(text, span)]), lambda: read(text, span), clock
        ),
        **compared(
            "upsert",
            BATCH,
            lambda: engine.write([Statement(RAW_WRITE, {"rows": rows})]),
            lambda: write(RAW_WRITE, {"rows": rows}),
        ),
    }


def beside_driver(atlas: GraphAtlas, settings: BoltSettings) -> dict[str, float]:
    """Our engine beside the official driver."""
    import neo4j

    auth = (settings.user, settings.password)
    with neo4j.GraphDatabase.driver(settings.uri, auth=auth) as plain:

        def read(text: str, parameters: Row) -> object:
            return plain.execute_query(
                text, parameters, database_=settings.database, routing_=neo4j.RoutingControl.READ
            )

        def write(text: str, parameters: Row) -> object:
            return plain.execute_query(text, parameters, database_=settings.database)

        return beside(atlas, read, write)


def beside_kglite(atlas: GraphAtlas, folder: Path) -> dict[str, float]:
    """Our engine beside the library, on a graph of the same states."""
    import kglite

    session = kglite.open_session(str(folder / "raw.kgl"), durable="full")
    for text in cypher.SCHEMA:
        session.execute(text)

    def read(text: str, parameters: Row) -> object:
        return session.snapshot().cypher(text, params=parameters).to_list()

    def write(text: str, parameters: Row) -> None:
        transaction = session.begin()
        transaction.cypher(text, params=parameters)
        transaction.commit()

    total = atlas.counts().nodes[Kind.STATE]
    for first in range(0, total, BATCH):
        batch = states(first, BATCH)
        write(RAW_WRITE, {"rows": [row_of(one) for one in batch]})
        links = [{"source": one.id, "target": two.id, "cause": "drift"} for one, two in pairwise(batch)]
        write(cypher.LINK_TRANSITIONS, {"rows": links})
    found = beside(atlas, read, write, time.process_time)
    session.close()
    return found


def objects(
    store: ObjectStore, put_raw: Callable[[str, bytes], object], get_raw: Callable[[str], bytes]
) -> dict[str, float]:
    """Rates of an object store beside writing, reading and hashing the same bytes without it."""
    serial = itertools.count()
    keys = [store.put_bytes(OBJECT(number)) for number in range(OBJECTS)]
    for number in range(OBJECTS):
        put_raw(f"get-{number}", OBJECT(number))
    return {
        **compared(
            "put",
            OBJECTS,
            lambda: [store.put_bytes(OBJECT(10_000 + next(serial))) for _ in range(OBJECTS)],
            lambda: [
                put_raw(hashlib.sha256(one).hexdigest(), one)
                for one in (OBJECT(50_000 + next(serial)) for _ in range(OBJECTS))
            ],
        ),
        **compared(
            "get",
            OBJECTS,
            lambda: [store.get_bytes(key) for key in keys],
            # Both hand over the bytes: to read into memory that was just given back is half the work.
            lambda: [hashed(get_raw(f"get-{number}")) for number in range(OBJECTS)],
        ),
    }


def hashed(content: bytes) -> bytes:
    """Bytes of which the hash is known, as those of an object that is read are."""
    assert hashlib.sha256(content).hexdigest()
    return content


def OBJECT(number: int) -> bytes:  # noqa: N802
    """Bytes of an object of which there is no other."""
    return number.to_bytes(8, "big") * (OBJECT_BYTES // 8)


def local_objects(folder: Path) -> dict[str, float]:
    """Objects in a folder beside plain files with the same promise, and beside files in one folder, which promise less.

    The promise is that a file is there whole or not at all, in folders that stay small, and on disk with every
    folder entry that leads to it. A file that is written in place is torn by a kill.
    """
    raw, flat = folder / "raw-objects", folder / "flat-objects"
    for one in (raw, flat):
        one.mkdir()

    def sync(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def write(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def place(name: str) -> Path:
        return raw / name[:2] / name[2:4] / name

    def put(name: str, content: bytes) -> None:
        path = place(name)
        new = [one for one in (path.parent, path.parent.parent) if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{name}.unfinished")
        write(unfinished, content)
        unfinished.rename(path)
        for one in (path.parent, *(one.parent for one in new)):
            sync(one)

    def put_flat(name: str, content: bytes) -> None:
        write(flat / name, content)
        sync(flat)

    store = ObjectStore(folder / "objects")
    found = objects(store, put, lambda name: place(name).read_bytes())
    serial = itertools.count(90_000)

    def ours() -> None:
        for _ in range(OBJECTS):
            store.put_bytes(OBJECT(next(serial)))

    def theirs() -> None:
        for one in (OBJECT(next(serial)) for _ in range(OBJECTS)):
            put_flat(hashlib.sha256(one).hexdigest(), one)

    unsafe = compared("put_flat", OBJECTS, ours, theirs)
    return {**found, "put_share_of_files_in_one_folder": unsafe["put_flat_share"]}


def raw_s3(settings: S3Settings, prefix: str) -> "S3Store":
    """The library below our store of objects."""
    from obstore.store import S3Store

    return S3Store(
        settings.bucket,
        prefix=prefix,
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key,
        secret_access_key=settings.secret_key,
        client_options={"allow_http": True},
    )


def s3_objects(settings: S3Settings) -> dict[str, float]:
    """Objects on a server beside obstore alone."""
    raw = raw_s3(settings, "raw")
    return objects(
        S3ObjectStore(settings),
        lambda name, content: raw.put(name, content),
        lambda name: raw.get(name).bytes().to_bytes(),
    )


def fields(store: ObjectStore, place: "Store") -> dict[str, float]:
    """Storing a field of 64 x 64, and reading ranges of 100 steps, beside zarr on the same kind of place."""
    import zarr
    from zarr.codecs import BloscCodec

    smooth = np.cumsum(np.random.default_rng(0).normal(size=(FIELD_STEPS, 64, 64)), axis=0).astype(np.float32)
    raw = zarr.create_array(
        place,
        shape=smooth.shape,
        chunks=(CHUNK_STEPS, 64, 64),
        shards=(SHARD_STEPS, 64, 64),
        dtype=smooth.dtype,
        compressors=BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
    )
    raw_s = seconds_of(lambda: raw.__setitem__(slice(None), smooth))
    keys: list[str] = []
    ours_s = seconds_of(lambda: keys.append(put_field(store, [smooth])))
    field = open_field(store, keys[0])
    parts = [slice(start, start + 100) for start in range(0, FIELD_STEPS, 500)]
    assert np.array_equal(field[parts[1]], smooth[parts[1]])
    return {
        "field_put_steps_per_s": round(FIELD_STEPS / ours_s),
        "field_put_raw_steps_per_s": round(FIELD_STEPS / raw_s),
        **compared(
            "field_range",
            len(parts),
            lambda: [field[one] for one in parts],
            lambda: [raw[one] for one in parts],
        ),
    }


def embedded(folder: Path, total: int) -> dict[str, float]:
    """Everything about the embedded engine."""
    before = resident_mb()
    with open_atlas(folder / "atlas") as atlas:
        found = fill(atlas, total)
        found["mb_per_100k_states"] = round((resident_mb() - before) * 100_000 / total, 1)
        found |= reads(atlas, total)
        found |= beside_kglite(atlas, folder)
    began = time.perf_counter()
    with open_atlas(folder / "atlas") as atlas:
        assert atlas.counts().nodes[Kind.STATE] == total
        found["cold_open_s"] = round(time.perf_counter() - began, 3)
    return found


def retention(folder: Path, total: int, kept: int) -> dict[str, float]:
    """A long stream of which the graph holds the newest part, archived as often as the platform does."""
    store = ObjectStore(folder / "archive")
    spent = 0.0
    began = time.perf_counter()
    with open_atlas(folder / "long") as atlas:
        archive = Archive(atlas, store)
        for first in range(0, total, BATCH):
            batch = states(first, BATCH)
            atlas.upsert_states(batch)
            atlas.link_transitions([Transition(one.id, two.id, "drift") for one, two in pairwise(batch)])
            if (first + BATCH) % ARCHIVE_EVERY == 0:
                mark = time.perf_counter()
                archive.keep_newest(kept)
                spent += time.perf_counter() - mark
            if (first + BATCH) % 20_000 == 0:
                said = f"{first + BATCH} states, {resident_mb():.0f} MB, at most {peak_mb():.0f}"
                print(said, file=sys.stderr, flush=True)
        seconds = time.perf_counter() - began
        mark = time.perf_counter()
        assert archive.state("state-000000007") == states(7, 1)[0]
        by_id = time.perf_counter() - mark
        mark = time.perf_counter()
        assert len(archive.search(start_ns=START_NS, stop_ns=START_NS + 100 * SECOND_NS)) == 100
        by_time = time.perf_counter() - mark
        held = atlas.counts().nodes[Kind.STATE]
    return {
        "states": total,
        "in_graph": held,
        "segments_mb": round(sum(one.size_bytes for one in store.objects()) / 1e6, 1),
        "peak_resident_mb": round(peak_mb()),
        "states_per_s": round(total / seconds),
        "archiving_share": round(spent / seconds, 3),
        "oldest_by_id_s": round(by_id, 3),
        "oldest_by_time_s": round(by_time, 3),
    }


def over_bolt(settings: BoltSettings, total: int) -> dict[str, float]:
    """Everything about a server."""
    with open_bolt_atlas(settings) as atlas:
        return {**fill(atlas, total), **reads(atlas, total), **beside_driver(atlas, settings)}


def with_servers(folder: Path, total: int) -> dict[str, dict[str, float]]:
    """The same on servers of the test suite, started here."""
    # In the place of this folder, where atlas.py would hide the package of the tests.
    sys.path[0] = str(Path(__file__).resolve().parents[1] / "tests")
    from atlas.servers import Arcade, Weed

    for name in ("arcade", "weed"):
        (folder / name).mkdir()
    arcade, weed = Arcade(folder / "arcade"), Weed(folder / "weed")
    found: dict[str, dict[str, float]] = {}
    try:
        arcade.server.start()
        found["bolt"] = over_bolt(arcade.settings, total)
        arcade.server.stop()
        weed.server.start()
        found["s3"] = s3_objects(weed.settings("ours"))
        found["s3"] |= fields(
            S3ObjectStore(weed.settings("fields")), ZarrOnObstore(raw_s3(weed.settings(), "raw-field"))
        )
    finally:
        arcade.server.stop()
        weed.server.stop()
    return found


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=20_000)
    parser.add_argument("--retention", type=int, default=0, help="length of a stream run with retention")
    parser.add_argument("--kept", type=int, default=KEPT_STATES, help="states that the graph then holds")
    parser.add_argument("--bolt", nargs=4, metavar=("URI", "USER", "PASSWORD", "DATABASE"))
    parser.add_argument(
        "--servers", action="store_true", help="start ArcadeDB and SeaweedFS and measure them too"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.retention:
            results["retention"] = retention(folder, options.retention, options.kept)
        else:
            results["embedded"] = embedded(folder, options.states)
            results["objects"] = local_objects(folder)
            results["objects"] |= fields(ObjectStore(folder / "fields"), LocalStore(folder / "raw-field"))
        if options.bolt:
            uri, user, password, database = options.bolt
            settings = BoltSettings(uri=uri, user=user, password=password, database=database)
            results["bolt"] = over_bolt(settings, options.states)
        if options.servers:
            results |= with_servers(folder, min(options.states, SERVER_STATES))
    for part, figures in results.items():
        for name, value in figures.items():
            print(f"{part:10} {name:28} {value:>12,}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
