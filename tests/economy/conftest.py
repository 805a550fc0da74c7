"""A ledger in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from industriverse.economy.ledger import Ledger


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(ledger_file: Path) -> Iterator[Ledger]:
    with Ledger(ledger_file) as ledger:
        yield ledger
