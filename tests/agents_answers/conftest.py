"""The prepared plant, and ways to ask about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from industriverse.operations.platform import Platform
from prepared_plant import Prepared, copied, opened, prepared


@pytest.fixture(scope="session")
def story() -> Prepared:
    return prepared()


@pytest.fixture(scope="session")
def platform(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with an open incident and a signed plan; asking changes nothing but conversations."""
    with opened(copied(story.planned, Path(tmp_path_factory.mktemp("answers")) / "home")) as platform:
        yield platform
