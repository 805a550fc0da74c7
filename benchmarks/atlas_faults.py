"""Atlas fault run: kill -9 in the middle of writes on each engine and store, and silent lines to servers.

    python benchmarks/atlas_faults.py [--kills 20] [--silent 30] [--json out]

Needs the packages of the development extra, which bring the servers. Every part raises if an acknowledged write
is missing, a write is torn or the check of the Atlas finds anything; what is printed are the sums.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

# In the place of this folder, whose atlas.py would hide the package of the tests.
sys.path[0] = str(Path(__file__).resolve().parents[1] / "tests")

from atlas.faults import cut_bolt, cut_s3, kill_graph, kill_objects  # noqa: E402
from atlas.servers import Arcade, Weed  # noqa: E402
from industriverse.atlas.objects import ObjectStore  # noqa: E402


def bolt(folder: Path, kills: int, silent_s: float) -> dict[str, dict[str, float]]:
    """The graph behind Bolt: its server and its writer are killed together."""
    (folder / "server").mkdir(parents=True)
    arcade = Arcade(folder / "server")
    arcade.server.start()
    settings = arcade.settings
    place = {name: getattr(settings, name) for name in ("uri", "user", "password", "database")}
    try:
        cut = asdict(cut_bolt(arcade, folder, silent_s))
        # A server of its own, so that the states of the cut are not counted.
        arcade.server.stop()
        (folder / "second").mkdir()
        arcade = Arcade(folder / "second")
        arcade.server.start()
        place["uri"], place["password"] = arcade.settings.uri, arcade.settings.password
        killed = asdict(kill_graph(place, kills, ObjectStore(folder / "none"), arcade.server))
    finally:
        arcade.server.stop()
    return {"bolt, server killed": killed, "bolt, line silent": cut}


def s3(folder: Path, kills: int, silent_s: float) -> dict[str, dict[str, float]]:
    """Objects on S3: the server and the writer are killed together."""
    (folder / "server").mkdir(parents=True)
    weed = Weed(folder / "server")
    weed.server.start()
    settings = weed.settings("killed")
    names = ("bucket", "endpoint", "access_key", "secret_key", "prefix")
    try:
        killed = asdict(kill_objects({name: getattr(settings, name) for name in names}, kills, weed.server))
        cut = asdict(cut_s3(weed, "silent", folder, silent_s))
    finally:
        weed.server.stop()
    return {"s3, server killed": killed, "s3, line silent": cut}


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--silent", type=float, default=30.0, help="seconds that a line is silent")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        parts: dict[str, Callable[[], dict[str, float]]] = {
            "embedded, writer killed": lambda: asdict(
                kill_graph({"folder": f"{folder}/atlas"}, options.kills, ObjectStore(folder / "none"), None)
            ),
            "folder, writer killed": lambda: asdict(
                kill_objects({"folder": f"{folder}/objects"}, options.kills, None)
            ),
        }
        for part, run in parts.items():
            results[part] = run()
            print(part, results[part], flush=True)
        for several in (bolt, s3):
            began = time.monotonic()
            found = several(folder / several.__name__, options.kills, options.silent)
            results |= found
            for part, figures in found.items():
                print(part, figures, flush=True)
            print(f"{several.__name__} took {time.monotonic() - began:.0f} s", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
