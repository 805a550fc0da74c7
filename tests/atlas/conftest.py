"""Engines under test: add one entry to ``OPENERS`` and the whole suite runs on it too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas.servers import Arcade, Server, Weed
from industriverse.atlas import AtlasStore
from industriverse.atlas.bolt import BoltEngine, open_bolt_atlas
from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.engine import Statement

Opener = Callable[[], AtlasStore]


def _embedded(request: pytest.FixtureRequest) -> Opener:
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: open_atlas(folder / "atlas")


def _over_bolt(settings: BoltSettings) -> Opener:
    engine = BoltEngine(settings)
    engine.write([Statement("MATCH (n) DETACH DELETE n")])
    engine.close()
    return lambda: open_bolt_atlas(settings)


def _arcade(request: pytest.FixtureRequest) -> Opener:
    arcade: Arcade = request.getfixturevalue("arcade")
    return _over_bolt(arcade.settings)


def _neo4j(_: pytest.FixtureRequest) -> Opener:
    settings = BoltSettings.from_environment(prefix="INDUSTRIVERSE_TEST_NEO4J_")
    if settings is None:
        pytest.skip("Neo4j is not tested: set INDUSTRIVERSE_TEST_NEO4J_URI to one that may be emptied")
    return _over_bolt(settings)


OPENERS: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {
    "kglite": _embedded,
    "arcadedb": _arcade,
    "neo4j": _neo4j,
}


_STARTED: list[Server] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the servers after the last test of this folder: idle ones still take a third of a core."""
    folder = Path(__file__).parent
    if nextitem is None or folder not in nextitem.path.parents:
        while _STARTED:
            _STARTED.pop().stop()


@pytest.fixture(scope="session")
def arcade(tmp_path_factory: pytest.TempPathFactory) -> Arcade:
    """A real server that speaks Bolt."""
    one = Arcade(tmp_path_factory.mktemp("arcade"))
    one.server.start()
    _STARTED.append(one.server)
    return one


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Weed:
    """A real S3 server."""
    one = Weed(tmp_path_factory.mktemp("weed"))
    one.server.start()
    _STARTED.append(one.server)
    return one


@pytest.fixture(scope="session")
def _mortal_arcade(tmp_path_factory: pytest.TempPathFactory) -> Arcade:
    return Arcade(tmp_path_factory.mktemp("mortal-arcade"))


@pytest.fixture
def mortal_arcade(_mortal_arcade: Arcade) -> Arcade:
    """An empty server that speaks Bolt and may be killed."""
    if _mortal_arcade.server.process is None:
        _mortal_arcade.server.start()
        _STARTED.append(_mortal_arcade.server)
    _over_bolt(_mortal_arcade.settings)
    return _mortal_arcade


@pytest.fixture(scope="session")
def _mortal_weed(tmp_path_factory: pytest.TempPathFactory) -> Weed:
    return Weed(tmp_path_factory.mktemp("mortal-weed"))


@pytest.fixture
def mortal_weed(_mortal_weed: Weed) -> Weed:
    """An S3 server that may be killed; a test takes a prefix of its own."""
    if _mortal_weed.server.process is None:
        _mortal_weed.server.start()
        _STARTED.append(_mortal_weed.server)
    return _mortal_weed


@pytest.fixture(params=list(OPENERS))
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the same graph each time it is called."""
    return OPENERS[request.param](request)


@pytest.fixture
def atlas(opener: Opener) -> Iterator[AtlasStore]:
    store = opener()
    yield store
    store.close()
