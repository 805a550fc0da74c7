"""The tables come into being by versions, from nothing and from what was there before."""

import sys
import threading
from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert

from economy.places import Place
from industriverse.economy import Asset, LedgerError, schema
from industriverse.economy.database import GENESIS
from industriverse.economy.ledger import Ledger
from industriverse.economy.upgrade import configuration

FIRST = ("accounts", "transactions", "entries", "balances", "head", "buckets")


def test_the_versions_build_exactly_the_tables_that_the_program_uses(place: Place) -> None:
    Ledger(place.url).close()
    engine = create_engine(place.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()
    assert ScriptDirectory.from_config(configuration()).get_heads() == [schema.VERSION]


def test_a_ledger_from_before_there_were_versions_is_brought_up_to_date(place: Place) -> None:
    engine = create_engine(place.url)
    with engine.begin() as connection:
        schema.metadata.create_all(connection, [schema.metadata.tables[name] for name in FIRST])
        connection.exec_driver_sql("DROP INDEX transactions_of_reference")
        if not place.sqlite:
            connection.exec_driver_sql(
                "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
            )
        connection.execute(insert(schema.head).values(id=1, sequence=0, hash=GENESIS))
    engine.dispose()
    with Ledger(place.url) as ledger:
        ledger.issue(key="k", asset=Asset.CEU, account="ada", amount=5)
        assert ledger.verify().ok


def test_a_ledger_of_a_later_program_is_left_alone(place: Place) -> None:
    Ledger(place.url).close()
    place.run("UPDATE alembic_version SET version_num = 'future'")
    with pytest.raises(LedgerError, match="has version future, which this program does not know"):
        Ledger(place.url)


def test_opening_a_ledger_that_is_up_to_date_does_not_load_alembic(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(place.url).close()
    monkeypatch.setitem(sys.modules, "industriverse.economy.upgrade", None)
    Ledger(place.url).close()


def test_many_that_open_a_new_ledger_at_once_build_it_once(new_place: Callable[[], Place]) -> None:
    place = new_place()
    failures: list[BaseException] = []
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        try:
            with Ledger(place.url) as ledger:
                ledger.issue(key=f"k{number}", asset=Asset.CEU, account="ada", amount=1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Ledger(place.url) as ledger:
        assert ledger.balance("ada", Asset.CEU) == 6
        assert ledger.verify().ok
