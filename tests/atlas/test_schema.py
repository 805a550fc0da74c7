"""A graph of an older version is brought to this one; an up-to-date one is opened without a right to change it."""

from collections.abc import Callable, Sequence

import pytest

from atlas.atlas_records import state
from industriverse.atlas import AtlasSchemaError, AtlasStore, cypher
from industriverse.atlas.engine import Engine, Row, Statement
from industriverse.atlas.graph import GraphAtlas

Opener = Callable[[], AtlasStore]


class Reader:
    """An account on a real engine that may read and nothing else."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def define(self, texts: Sequence[str]) -> None:
        raise PermissionError(texts)

    def write(self, statements: Sequence[Statement]) -> None:
        raise PermissionError(statements)

    def read(
        self, statements: Sequence[Statement], *, timeout_s: float = 60.0, row_limit: int | None = None
    ) -> list[list[Row]]:
        return self._engine.read(statements, timeout_s=timeout_s, row_limit=row_limit)

    def nearest(self, place: Sequence[float], limit: int, besides: str) -> list[Row]:
        return self._engine.nearest(place, limit, besides)

    def close(self) -> None:
        """The engine belongs to somebody else."""


def version(atlas: GraphAtlas) -> int:
    [rows] = atlas.engine.read([Statement(cypher.READ_SCHEMA, {"id": "atlas"})])
    return int(rows[0]["version"])


def set_version(atlas: GraphAtlas, number: int) -> None:
    atlas.engine.write([Statement(cypher.WRITE_SCHEMA, {"id": "atlas", "version": number})])


def test_every_version_after_the_first_says_how_it_is_reached() -> None:
    assert set(cypher.MIGRATIONS) == set(range(2, cypher.SCHEMA_VERSION + 1))


def test_states_of_the_first_version_get_an_unknown_place(opener: Opener) -> None:
    old = opener()
    assert isinstance(old, GraphAtlas)
    old.upsert_states([state(index) for index in range(3)])
    old.engine.write([Statement("MATCH (n:EnergyState) WHERE n.id <> 's00002' REMOVE n.vector")])
    set_version(old, 1)
    old.close()
    new = opener()
    assert isinstance(new, GraphAtlas)
    assert version(new) == cypher.SCHEMA_VERSION
    rows = new.query("MATCH (n:EnergyState) WHERE n.vector IS NULL RETURN count(n) AS c").rows
    assert rows == ({"c": 0},)
    assert [new.state(f"s0000{index}") for index in range(3)] == [state(index) for index in range(3)]
    new.close()


def test_an_account_that_may_not_write_opens_a_graph_of_this_version_and_no_older_one(opener: Opener) -> None:
    owner = opener()
    assert isinstance(owner, GraphAtlas)
    owner.upsert_states([state(1)])
    reader = GraphAtlas(Reader(owner.engine))
    reader.ensure_schema()
    assert reader.state("s00001") == state(1)
    set_version(owner, 1)
    with pytest.raises(PermissionError):
        reader.ensure_schema()
    owner.close()


def test_a_graph_of_a_newer_version_is_left_alone(opener: Opener) -> None:
    atlas = opener()
    assert isinstance(atlas, GraphAtlas)
    set_version(atlas, 99)
    with pytest.raises(AtlasSchemaError, match=r"schema 99, this version knows \d+; update"):
        atlas.ensure_schema()
    assert version(atlas) == 99
    set_version(atlas, cypher.SCHEMA_VERSION)
    atlas.close()
