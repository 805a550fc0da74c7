"""Atlas benchmark: writes, lookups, walks, ranges, memory and cold open, beside raw calls of the same run.

    python benchmarks/atlas.py [--states 20000] [--retention 0] [--bolt URI USER PASSWORD DATABASE] [--json out]

A raw call gives the engine the same rows and one statement without checks, records or relations; it shows what
the layer above costs. On a loaded machine compare the two columns of a row, not rows of different runs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

from industriverse.atlas import EnergyState, Kind, Search, Transition, cypher
from industriverse.atlas.archive import Archive
from industriverse.atlas.bolt import BoltSettings, open_bolt_atlas
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.engine import Statement
from industriverse.atlas.graph import GraphAtlas, row_of
from industriverse.atlas.objects import ObjectStore

SECOND_NS = 1_000_000_000
START_NS = 1_767_225_600 * SECOND_NS
BATCH = 1_000
LOOKUPS = 2_000
WALKS = 300
RANGES = 50
OBJECTS = 200
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
        )
        for index in range(first, first + count)
    ]


def resident_mb() -> float:
    """Resident memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6


def seconds_of(work: Callable[[], object]) -> float:
    """How long some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def per_second(count: int, work: Callable[[], object]) -> float:
    """Rate of some work that does ``count`` things."""
    return count / seconds_of(work)


def fill(atlas: GraphAtlas, total: int) -> dict[str, float]:
    """Write states and transitions; rates of the whole and of the raw write beside it."""
    spent = {"states": 0.0, "transitions": 0.0, "raw": 0.0}
    for first in range(0, total, BATCH):
        batch = states(first, BATCH)
        links = [Transition(one.id, two.id, "drift") for one, two in pairwise(batch)]
        rows = [row_of(one) for one in batch]
        # The raw call writes new nodes; the full one finds them and adds their relations.
        spent["raw"] += seconds_of(partial(atlas.engine.write, [Statement(RAW_WRITE, {"rows": rows})]))
        spent["states"] += seconds_of(partial(atlas.upsert_states, batch))
        spent["transitions"] += seconds_of(partial(atlas.link_transitions, links))
    return {f"{name}_per_s": round(total / seconds) for name, seconds in spent.items()}


def reads(atlas: GraphAtlas, total: int) -> dict[str, float]:
    """Rates of lookups, walks and ranges."""
    engine = atlas.engine
    step = max(1, total // LOOKUPS)
    ids = [f"state-{index:09d}" for index in range(0, total, step)]
    fetch = cypher.fetch(Kind.STATE)
    found: dict[str, float] = {
        "lookup_per_s": per_second(len(ids), lambda: [atlas.state(one) for one in ids]),
        "lookup_raw_per_s": per_second(
            len(ids), lambda: [engine.read([Statement(fetch, {"id": one})]) for one in ids]
        ),
        "three_hops_per_s": per_second(
            WALKS, lambda: [engine.read([Statement(THREE_HOPS, {"id": one})]) for one in ids[:WALKS]]
        ),
        "neighbourhood_depth_3_per_s": per_second(
            WALKS // 10, lambda: [atlas.neighbourhood(one, depth=3) for one in ids[: WALKS // 10]]
        ),
    }
    middle = START_NS + total // 2 * SECOND_NS
    search = Search(start_ns=middle, stop_ns=middle + 100 * SECOND_NS, limit=100)
    found["range_100_per_s"] = per_second(RANGES, lambda: [atlas.search(search) for _ in range(RANGES)])
    return {name: round(value, 1) for name, value in found.items()}


def driver(settings: BoltSettings, total: int) -> dict[str, float]:
    """The same lookups and raw writes by the driver alone, without our engine."""
    import neo4j

    ids = [f"state-{index:09d}" for index in range(0, total, max(1, total // LOOKUPS))]
    rows = [row_of(one) for one in states(0, min(total, 5 * BATCH))]
    auth = (settings.user, settings.password)
    with neo4j.GraphDatabase.driver(settings.uri, auth=auth) as plain:

        def run(text: str, **parameters: object) -> object:
            return plain.execute_query(text, parameters, database_=settings.database)

        fetch = cypher.fetch(Kind.STATE)
        return {
            "lookup_driver_per_s": round(
                per_second(len(ids), lambda: [run(fetch, id=one) for one in ids]), 1
            ),
            "rewrite_driver_per_s": round(
                per_second(
                    len(rows),
                    lambda: [run(RAW_WRITE, rows=rows[n : n + BATCH]) for n in range(0, len(rows), BATCH)],
                )
            ),
        }


def rewrite(atlas: GraphAtlas, total: int) -> dict[str, float]:
    """The same raw writes of known states through our engine."""
    rows = [row_of(one) for one in states(0, min(total, 5 * BATCH))]
    batches = [rows[n : n + BATCH] for n in range(0, len(rows), BATCH)]

    def write_all() -> None:
        for batch in batches:
            atlas.engine.write([Statement(RAW_WRITE, {"rows": batch})])

    rate = per_second(len(rows), write_all)
    return {"rewrite_engine_per_s": round(rate)}


def objects(folder: Path) -> dict[str, float]:
    """Rates of the object store (synced) beside plain files (not synced)."""
    store, raw = ObjectStore(folder / "objects"), folder / "raw"
    raw.mkdir()
    contents = [index.to_bytes(4, "big") * (OBJECT_BYTES // 4) for index in range(OBJECTS)]
    keys: list[str] = []
    rates = {
        "put_per_s": per_second(OBJECTS, lambda: keys.extend(map(store.put_bytes, contents))),
        "put_raw_per_s": per_second(
            OBJECTS, lambda: [(raw / str(n)).write_bytes(one) for n, one in enumerate(contents)]
        ),
        "get_per_s": per_second(OBJECTS, lambda: [store.get_bytes(key) for key in keys]),
        "get_raw_per_s": per_second(OBJECTS, lambda: [(raw / str(n)).read_bytes() for n in range(OBJECTS)]),
    }
    return {name: round(value) for name, value in rates.items()}


def embedded(folder: Path, total: int) -> dict[str, float]:
    """Everything about the embedded engine."""
    before = resident_mb()
    with open_atlas(folder / "atlas") as atlas:
        found = fill(atlas, total)
        found["mb_per_100k_states"] = round((resident_mb() - before) * 100_000 / total, 1)
        found |= reads(atlas, total)
    began = time.perf_counter()
    with open_atlas(folder / "atlas") as atlas:
        assert atlas.counts().nodes[Kind.STATE] == total
        found["cold_open_s"] = round(time.perf_counter() - began, 3)
    return found


def retention(folder: Path, total: int, kept: int) -> dict[str, float]:
    """A long stream of which the graph holds the newest part."""
    store = ObjectStore(folder / "archive")
    peak, spent = 0.0, 0.0
    began = time.perf_counter()
    with open_atlas(folder / "long") as atlas:
        archive = Archive(atlas, store)
        for first in range(0, total, BATCH):
            batch = states(first, BATCH)
            atlas.upsert_states(batch)
            atlas.link_transitions([Transition(one.id, two.id, "drift") for one, two in pairwise(batch)])
            if (first + BATCH) % 20_000 == 0:
                mark = time.perf_counter()
                archive.keep_newest(kept)
                spent += time.perf_counter() - mark
                peak = max(peak, resident_mb())
                print(f"{first + BATCH} states, {resident_mb():.0f} MB", file=sys.stderr, flush=True)
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
        "peak_resident_mb": round(peak),
        "states_per_s": round(total / seconds),
        "archiving_share": round(spent / seconds, 3),
        "oldest_by_id_s": round(by_id, 3),
        "oldest_by_time_s": round(by_time, 3),
    }


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=20_000)
    parser.add_argument("--retention", type=int, default=0, help="length of a stream run with retention")
    parser.add_argument("--kept", type=int, default=100_000)
    parser.add_argument("--bolt", nargs=4, metavar=("URI", "USER", "PASSWORD", "DATABASE"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.retention:
            results["retention"] = retention(folder, options.retention, options.kept)
        else:
            results["embedded"] = embedded(folder, options.states)
            results["objects"] = objects(folder)
        if options.bolt:
            uri, user, password, database = options.bolt
            settings = BoltSettings(uri=uri, user=user, password=password, database=database)
            with open_bolt_atlas(settings) as atlas:
                found = {**fill(atlas, options.states), **reads(atlas, options.states)}
                results["bolt"] = {
                    **found,
                    **rewrite(atlas, options.states),
                    **driver(settings, options.states),
                }
    for part, figures in results.items():
        for name, value in figures.items():
            print(f"{part:10} {name:28} {value:>12,}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
