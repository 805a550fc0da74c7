"""Homes that a test may change."""

from pathlib import Path

import pytest

from prepared_plant import Prepared, copied, prepared


@pytest.fixture(scope="session")
def story() -> Prepared:
    """The prepared plant; its folders are not to be opened, only copied."""
    return prepared()


@pytest.fixture
def learned(story: Prepared, tmp_path: Path) -> Path:
    """A home with a learned stream, calm."""
    return copied(story.learned, tmp_path / "home")


@pytest.fixture
def alarmed(story: Prepared, tmp_path: Path) -> Path:
    """A home with an open incident."""
    return copied(story.alarmed, tmp_path / "home")


@pytest.fixture
def planned(story: Prepared, tmp_path: Path) -> Path:
    """A home with a signed plan that nobody has approved yet."""
    return copied(story.planned, tmp_path / "home")
