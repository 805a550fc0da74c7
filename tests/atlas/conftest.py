"""Engines under test: add one entry to ``OPENERS`` and the whole suite runs on it too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from industriverse.atlas import AtlasStore
from industriverse.atlas.embedded import open_atlas

Opener = Callable[[], AtlasStore]
OPENERS: dict[str, Callable[[Path], AtlasStore]] = {"kglite": open_atlas}


@pytest.fixture(params=sorted(OPENERS))
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same graph each time it is called."""
    return lambda: OPENERS[request.param](tmp_path / "atlas")


@pytest.fixture
def atlas(opener: Opener) -> Iterator[AtlasStore]:
    store = opener()
    yield store
    store.close()
