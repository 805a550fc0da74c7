"""What only the engine over Bolt must do: races, trust, time limits, reads that cannot write."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from atlas.atlas_records import state
from atlas.servers import Arcade
from industriverse.atlas import AtlasError, AtlasUnreachableError, CypherRunError, Kind, UnknownRecordError
from industriverse.atlas.bolt import BoltEngine, open_bolt_atlas
from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.engine import Statement


@pytest.fixture
def settings(arcade: Arcade) -> BoltSettings:
    engine = BoltEngine(arcade.settings)
    engine.write([Statement("MATCH (n) DETACH DELETE n")])
    engine.close()
    return arcade.settings


def test_racing_upserts_of_the_same_states_by_two_clients_all_succeed(settings: BoltSettings) -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with open_bolt_atlas(settings) as atlas:
                for index in range(15):
                    atlas.upsert_states([state(index), state(index + 1), state(100 - index)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_bolt_atlas(settings) as atlas:
        counts = atlas.counts()
        assert counts.nodes[Kind.STATE] == 31
        assert counts.relations["CONSUMES_ENERGY"] == counts.relations["CONCERNS"] == 31
        assert counts.nodes[Kind.SERVICE] == counts.nodes[Kind.ENTITY] == 1


def test_a_write_that_touches_too_little_is_undone(settings: BoltSettings) -> None:
    engine = BoltEngine(settings)
    statements = [
        Statement("CREATE (n:Entity {id: 'half'})"),
        Statement("MATCH (n:Entity {id: 'none'}) RETURN count(*) AS written", {}, 1, "entity 'none'"),
    ]
    with pytest.raises(UnknownRecordError, match="entity 'none' is not in the graph"):
        engine.write(statements)
    assert engine.read([Statement("MATCH (n:Entity) RETURN count(n) AS total")]) == [[{"total": 0}]]
    engine.close()


def test_values_come_back_as_plain_python(settings: BoltSettings) -> None:
    engine = BoltEngine(settings)
    engine.write([Statement("CREATE (:Entity {id: 'a'})-[:LEADS {by: 3}]->(:Entity {id: 'b'})")])
    moment = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=2)))
    text = "MATCH p = (a:Entity {id: 'a'})-[r]->(b) RETURN a, r, p, $at AS at, [1, null, {x: 'y'}] AS many"
    [[row]] = engine.read([Statement(text, {"at": moment})])
    assert row["a"]["properties"] == {"id": "a"}
    assert (row["r"]["type"], row["r"]["properties"]) == ("LEADS", {"by": 3})
    assert (row["r"]["start"], row["r"]["end"]) == (row["p"]["nodes"][0]["id"], row["p"]["nodes"][1]["id"])
    assert row["at"] == moment
    assert row["at"].utcoffset() is not None
    assert row["many"] == [1, None, {"x": "y"}]
    engine.close()


def test_a_runaway_query_is_cut_off_and_the_engine_goes_on(settings: BoltSettings) -> None:
    engine = BoltEngine(settings)
    runaway = "UNWIND range(1, 200000) AS x UNWIND range(1, 100) AS y RETURN count(*) AS c"
    began = time.monotonic()
    with pytest.raises(CypherRunError, match=r"took more than 0\.2 s"):
        engine.read([Statement(runaway)], timeout_s=0.2)
    assert time.monotonic() - began < 5
    assert engine.read([Statement("RETURN 1 AS one")]) == [[{"one": 1}]]
    engine.close()


def test_rows_beyond_the_limit_are_not_fetched(settings: BoltSettings) -> None:
    engine = BoltEngine(settings)
    [rows] = engine.read([Statement("UNWIND range(1, 100000) AS x RETURN x")], row_limit=3)
    assert [row["x"] for row in rows] == [1, 2, 3]
    engine.close()


def test_bookmarks_of_one_engine_open_another(settings: BoltSettings) -> None:
    with open_bolt_atlas(settings) as first:
        first.upsert_states([state(0)])
        engine = first.engine
        assert isinstance(engine, BoltEngine)
        bookmarks = engine.bookmarks()
        assert bookmarks
        with open_bolt_atlas(settings, bookmarks=bookmarks) as second:
            assert second.state("s00000") == state(0)


def test_wrong_credentials_and_an_absent_server_are_told_apart(settings: BoltSettings) -> None:
    with pytest.raises(AtlasError, match="the server refuses user 'root'; check user and password"):
        BoltEngine(replace(settings, password="wrong"))
    with pytest.raises(AtlasUnreachableError, match="cannot be reached"):
        BoltEngine(replace(settings, uri="bolt://127.0.0.1:1"))


def test_threads_of_an_engine_end_with_it(settings: BoltSettings) -> None:
    engine = BoltEngine(settings)
    assert "atlas-bolt" in {thread.name for thread in threading.enumerate()}
    engine.close()
    engine.close()
    with pytest.raises(AtlasUnreachableError):
        BoltEngine(replace(settings, uri="bolt://127.0.0.1:1"))
    assert "atlas-bolt" not in {thread.name for thread in threading.enumerate()}


def test_secrets_do_not_show_and_do_not_travel_in_the_clear(tmp_path: Path) -> None:
    assert "hush" not in repr(BoltSettings(uri="neo4j+s://db.example.org", password="hush"))
    for uri, reason in {
        "bolt://db.example.org": "unencrypted to db.example.org",
        "http://db.example.org": "is no address",
        "bolt://user:hush@localhost": "holds credentials",
    }.items():
        with pytest.raises(AtlasError, match=reason) as caught:
            BoltSettings(uri=uri, password="hush")
        assert "hush" not in str(caught.value)
    trusted = BoltSettings(uri="neo4j://db.example.org", password="p", authority=tmp_path)
    assert trusted.encrypted
    with pytest.raises(AtlasError, match="do not go with"):
        BoltSettings(uri="neo4j+s://db.example.org", password="p", authority=tmp_path)
    with pytest.raises(AtlasError, match="go together"):
        BoltSettings(uri="bolt://localhost", password="p", client_certificate=tmp_path)


def test_settings_come_from_the_environment_with_the_password_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush\n")
    environment = {
        "INDUSTRIVERSE_NEO4J_URI": "bolt://[::1]:7687",
        "INDUSTRIVERSE_NEO4J_PASSWORD_FILE": str(tmp_path / "password"),
    }
    assert BoltSettings.from_environment(environment) == BoltSettings(
        uri="bolt://[::1]:7687",
        password="hush",
    )
    assert BoltSettings.from_environment({}) is None
    with pytest.raises(AtlasError, match="without a password"):
        BoltSettings.from_environment({"INDUSTRIVERSE_NEO4J_URI": "bolt://localhost"})
    with pytest.raises(AtlasError, match="cannot be read"):
        BoltSettings.from_environment({**environment, "INDUSTRIVERSE_NEO4J_PASSWORD_FILE": "/nowhere"})


def test_utc_is_utc_in_every_answer(settings: BoltSettings) -> None:
    with open_bolt_atlas(settings) as atlas:
        atlas.upsert_states([state(0)])
        [row] = atlas.query("MATCH (n:EnergyState) RETURN n.timestamp AS at").rows
    assert row["at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["at"].utcoffset() == timedelta(0)
