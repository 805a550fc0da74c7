"""Writers and servers killed in the middle of their work, and lines that fall silent; nothing is lost.

``benchmarks/atlas_faults.py`` does the same 20 times each, with silences of 30 s.
"""

import secrets
from pathlib import Path

import pytest

from atlas.faults import cut_bolt, cut_s3, kill_graph, kill_objects
from atlas.servers import Arcade, Weed
from industriverse.atlas.bolt import BoltEngine
from industriverse.atlas.engine import Statement
from industriverse.atlas.objects import ObjectStore

KILLS = 3


def test_an_embedded_graph_survives_the_death_of_its_writer(tmp_path: Path) -> None:
    objects = ObjectStore(tmp_path / "objects")
    killed = kill_graph({"folder": str(tmp_path / "atlas")}, KILLS, objects, None)
    assert killed.acknowledged >= KILLS


@pytest.mark.service
def test_a_graph_behind_bolt_survives_the_death_of_its_server(tmp_path: Path, mortal_arcade: Arcade) -> None:
    settings = mortal_arcade.settings
    place = {
        "uri": settings.uri,
        "user": settings.user,
        "password": settings.password,
        "database": settings.database,
    }
    killed = kill_graph(place, 2, ObjectStore(tmp_path / "objects"), mortal_arcade.server)
    assert killed.acknowledged >= 2


def test_a_folder_of_objects_survives_the_death_of_its_writer(tmp_path: Path) -> None:
    assert kill_objects({"folder": str(tmp_path)}, KILLS, None).acknowledged >= KILLS


@pytest.mark.service
def test_objects_on_s3_survive_the_death_of_their_server(mortal_weed: Weed) -> None:
    settings = mortal_weed.settings(prefix=secrets.token_hex(4))
    place = {
        "bucket": settings.bucket,
        "endpoint": settings.endpoint,
        "prefix": settings.prefix,
        "access_key": settings.access_key,
        "secret_key": settings.secret_key,
    }
    assert kill_objects(place, 2, mortal_weed.server).acknowledged >= 2


@pytest.mark.service
def test_a_silent_line_to_the_graph_loses_nothing_and_holds_no_stream_up(
    tmp_path: Path, arcade: Arcade
) -> None:
    engine = BoltEngine(arcade.settings)
    engine.write([Statement("MATCH (n) DETACH DELETE n")])
    engine.close()
    assert cut_bolt(arcade, tmp_path, 2.0).slowest_promise_s < 2.0


@pytest.mark.service
def test_a_silent_line_to_the_objects_loses_nothing_and_holds_no_stream_up(
    tmp_path: Path, weed: Weed
) -> None:
    assert cut_s3(weed, secrets.token_hex(8), tmp_path, 2.0).slowest_promise_s < 2.0
