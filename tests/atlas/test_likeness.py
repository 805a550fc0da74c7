"""The nearest states, found in the matrix beside the graph, are those that the graph itself finds."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.atlas_records import state
from industriverse.atlas import EnergyState, Kind, UnknownRecordError, cypher, likeness
from industriverse.atlas.archive import Archive
from industriverse.atlas.embedded import EmbeddedEngine, open_atlas
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.graph import GraphAtlas, row_of
from industriverse.atlas.objects import ObjectStore

# Few values, so that distances tie and states lie on each other; some so large that a square overflows.
COORDINATES = st.sampled_from([0.0, 1.0, -2.5, 1e-9, 3.0, 1e200])
PLACES = st.lists(COORDINATES, min_size=8, max_size=8).map(tuple)
WRITES = st.lists(st.tuples(st.integers(0, 40), st.one_of(st.just(()), PLACES)), min_size=1, max_size=12)


def placed(number: int, place: tuple[float, ...]) -> EnergyState:
    return replace(state(number), vector=place)


def by_the_graph(atlas: GraphAtlas, place: tuple[float, ...], limit: int, besides: str) -> list[Row]:
    parameters = {"vector": list(place), "limit": limit, "id": besides}
    [rows] = atlas.engine.read([Statement(cypher.SIMILAR, parameters)])
    return rows


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> GraphAtlas:
    return open_atlas(tmp_path_factory.mktemp("likeness"))


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(WRITES, min_size=1, max_size=4), place=PLACES, limit=st.integers(1, 50), own=st.booleans()
)
def test_after_any_writes_the_matrix_finds_what_a_scan_of_the_graph_finds(
    shared: GraphAtlas,
    steps: list[list[tuple[int, tuple[float, ...]]]],
    place: tuple[float, ...],
    limit: int,
    own: bool,
) -> None:
    for step in steps:
        shared.upsert_states([placed(number, vector) for number, vector in step])
        besides = state(step[0][0]).id if own else ""
        found = shared.engine.nearest(place, limit, besides)
        assert found == by_the_graph(shared, place, limit, besides)


def test_states_that_leave_the_graph_are_compared_no_more(tmp_path: Path) -> None:
    place = (0.0,) * 8
    with open_atlas(tmp_path / "atlas") as atlas:
        atlas.upsert_states([placed(number, (float(number), *place[1:])) for number in range(6)])
        assert [one.id for one, _ in atlas.similar(place, limit=2)] == ["s00000", "s00001"]
        Archive(atlas, ObjectStore(tmp_path / "objects")).keep_newest(3)
        assert [one.id for one, _ in atlas.similar(place, limit=9)] == ["s00003", "s00004", "s00005"]
        # A text that the matrix does not know makes it anew.
        atlas.engine.write([Statement("MATCH (n:EnergyState {id: 's00004'}) DETACH DELETE n")])
        assert [one.id for one, _ in atlas.similar(place, limit=9)] == ["s00003", "s00005"]
    with open_atlas(tmp_path / "atlas") as atlas:
        assert [one.id for one, _ in atlas.similar(place, limit=9)] == ["s00003", "s00005"]


def test_a_write_that_is_undone_moves_nothing(tmp_path: Path) -> None:
    with open_atlas(tmp_path) as atlas:
        atlas.upsert_states([placed(1, (1.0,) * 8)])
        assert len(atlas.similar((0.0,) * 8)) == 1
        broken = [
            Statement(cypher.UPSERT_STATES[0], {"rows": [row_of(placed(2, (0.0,) * 8))]}),
            Statement(
                cypher.LINK_TRANSITIONS,
                {"rows": [{"source": "a", "target": "b", "cause": ""}]},
                1,
                "a state",
            ),
        ]
        with pytest.raises(UnknownRecordError, match="a state is not in the graph"):
            atlas.engine.write(broken)
        assert [one.id for one, _ in atlas.similar((0.0,) * 8)] == ["s00001"]


def test_a_graph_too_large_for_the_matrix_is_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("industriverse.atlas.embedded.MOST_STATES", 3)
    monkeypatch.setattr(likeness, "MOST_STATES", 3)
    place = (0.0,) * 8
    with open_atlas(tmp_path) as atlas:
        engine = atlas.engine
        assert isinstance(engine, EmbeddedEngine)
        for number in range(5):
            atlas.upsert_states([placed(number, (float(number), *place[1:]))])
            assert len(atlas.similar(place, limit=9)) == number + 1
            assert (engine._likeness is None) == (number >= 3)
        assert atlas.counts().nodes[Kind.STATE] == 5
