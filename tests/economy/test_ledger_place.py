"""An installation whose books are in PostgreSQL, each tenant's in a schema of its own."""

import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, make_url

from industriverse.cli.main import main
from industriverse.economy import MICRO, Asset, LedgerError
from industriverse.economy.ledger import Ledger
from industriverse.operations.context import Principal
from industriverse.operations.home import ledger_of
from industriverse.operations.platform import Platform
from prepared_plant import call, on

NORTH = Principal("ada", frozenset({"*"}), "north")


@pytest.fixture
def books(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of its own, in which ``INDUSTRIVERSE_LEDGER`` tells the platform to keep its books."""
    name = f"d{uuid.uuid4().hex}"
    engine = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    url = make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
    monkeypatch.setenv("INDUSTRIVERSE_LEDGER", url)
    return url


def issue(platform: Platform, amount: int) -> None:
    """Bring CEU into being for whoever owns the books."""
    platform.services.ledger.issue(key="i", asset=Asset.CEU, account="treasury", amount=amount * MICRO)


def test_the_books_of_an_installation_and_of_its_tenants_are_kept_apart_in_postgresql(
    books: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    async def story(platform: Platform) -> None:
        for place, amount in ((platform, 3), (platform.of_tenant("north"), 5)):
            await place.run(issue, place, amount)
        read = await call(platform, "economy_read", asset="CEU")
        assert (read.balance, read.supply) == ("3.000000", "3.000000")
        # The meter books there as well, and what it reads is not what it kept from before.
        await call(platform, "economy_read", asset="CEU", account="budget:local-operator")
        north = await call(platform.of_tenant("north"), "economy_read", caller=NORTH, asset="CEU")
        assert north.balance == "5.000000"

    on(home, story)
    assert not list(home.rglob("ledger.sqlite"))
    with Ledger(books) as ledger:
        assert ledger.balance("treasury", Asset.CEU) == 3 * MICRO
        assert ledger.verify().ok
    done = CliRunner().invoke(main, ["ledger", "verify", "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert "transactions are in order" in done.output


def test_a_ledger_elsewhere_that_is_no_postgresql_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDUSTRIVERSE_LEDGER", f"sqlite:///{tmp_path}/other.sqlite")
    with pytest.raises(LedgerError, match="is no PostgreSQL database; give postgresql://"):
        ledger_of(tmp_path)
