"""A writer is killed in the middle of its work; what it was told is stored must be stored."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from industriverse.atlas import AtlasOwnedError, Kind, Search
from industriverse.atlas.embedded import open_atlas

BATCH = 50
WRITER = """
import sys
from industriverse.atlas import EnergyState, Transition
from industriverse.atlas.embedded import open_atlas

atlas = open_atlas(sys.argv[1])
batch = int(sys.argv[2])
while True:
    rows = [EnergyState(f"b{batch:05d}-{row:02d}", 1 + batch * 100 + row, 1.0, 0.0, "water", "calm",
                        "n", ("pump-1",)) for row in range(50)]
    atlas.upsert_states(rows)
    print("states", batch, flush=True)
    atlas.link_transitions([Transition(a.id, b.id) for a, b in zip(rows, rows[1:])])
    print("links", batch, flush=True)
    batch += 1
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def kill_writer_after(folder: Path, first_batch: int, lines: int) -> list[tuple[str, int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first_batch)],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    with process:
        seen = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        # Lines that were in the pipe when the kill struck were acknowledged as well.
        seen += process.stdout.readlines()
    acknowledged = [line.split() for line in seen if line.endswith("\n")]
    return [(what, int(batch)) for what, batch in acknowledged]


def test_after_kill_nine_every_acknowledged_batch_is_there_and_none_is_torn(tmp_path: Path) -> None:
    acknowledged: list[tuple[str, int]] = []
    for round_number, lines in enumerate((3, 8, 17, 1)):
        acknowledged += kill_writer_after(tmp_path, round_number * 1_000, lines)
        with open_atlas(tmp_path) as atlas:
            counts = atlas.counts()
            states, links = counts.nodes[Kind.STATE], counts.relations["TRANSITIONS_TO"]
            assert states % BATCH == 0
            assert links % (BATCH - 1) == 0
            # At most one write a round was stored without having been acknowledged before the kill.
            promised_states = sum(what == "states" for what, _ in acknowledged)
            promised_links = sum(what == "links" for what, _ in acknowledged)
            assert promised_states <= states // BATCH <= promised_states + round_number + 1
            assert promised_links <= links // (BATCH - 1) <= promised_links + round_number + 1
            assert counts.relations["CONSUMES_ENERGY"] == counts.relations["CONCERNS"] == states
            for what, batch in acknowledged:
                first, last = f"b{batch:05d}-00", f"b{batch:05d}-{BATCH - 1:02d}"
                assert atlas.state(first)
                assert atlas.state(last)
                if what == "links":
                    assert len(atlas.transition_path(first, last)) == BATCH
            assert atlas.search(Search(service="n")).total == states


def test_a_second_process_is_told_to_go_through_the_server(tmp_path: Path) -> None:
    script = """
import sys
from industriverse.atlas import AtlasOwnedError
from industriverse.atlas.embedded import open_atlas
try:
    open_atlas(sys.argv[1])
except AtlasOwnedError as error:
    print(error)
"""
    with open_atlas(tmp_path):
        with pytest.raises(AtlasOwnedError, match="already open in this process"):
            open_atlas(tmp_path)
        other = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            check=True,
        )
    assert other.stdout.strip() == (
        f"the Atlas at {tmp_path} is owned by another process; connect to it through its server"
    )
    with open_atlas(tmp_path) as atlas:
        assert atlas.counts().nodes[Kind.STATE] == 0
