"""A ledger of its own for each test, on both databases."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from economy.places import Place
from industriverse.economy.ledger import Ledger

SCRIPT = Path(__file__).parents[2] / "deploy" / "start_test_postgresql.sh"


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server: the one that is given, or one of our own."""
    given = os.environ.get("INDUSTRIVERSE_TEST_POSTGRESQL")
    if given:
        yield given
        return
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed (industriverse[postgres])")
    # The tests kill programs, never the machine: what PostgreSQL has handed to the system counts as written.
    options = {**os.environ, "POSTGRESQL_OPTIONS": "-c fsync=off -c full_page_writes=off"}
    started = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=120, env=options)
    if started.returncode == 3:
        pytest.skip(f"PostgreSQL cannot be had: {started.stderr.strip()}")
    assert started.returncode == 0, started.stderr
    url, folder = started.stdout.split()
    yield url
    subprocess.run([SCRIPT, "--stop", folder], check=True, timeout=60)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Place]:
    """Gives a new empty place for a ledger with every call: a file, or a schema."""
    if request.param == "sqlite":
        return lambda: Place(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}")
    server = request.getfixturevalue("postgresql_url")

    def schema() -> Place:
        name = f"s{uuid.uuid4().hex}"
        engine = create_engine(server)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        engine.dispose()
        options = {"options": f"-csearch_path={name}"}
        return Place(make_url(server).update_query_dict(options).render_as_string(hide_password=False))

    return schema


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    return new_place()


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with Ledger(place.url) as ledger:
        yield ledger
