"""A graph as a file of Cypher, read back into the same engine and into others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.atlas_records import action, incident, proof, shift, state
from industriverse.atlas import (
    AtlasStore,
    Entity,
    ExchangeError,
    Kind,
    Model,
    RecordError,
    Service,
    Term,
    Transition,
)
from industriverse.atlas.archive import Archive
from industriverse.atlas.backup import back_up, restore
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.engine import Statement
from industriverse.atlas.exchange import export_graph, import_graph, literal, value_of
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore

Opener = Callable[[], AtlasStore]
NASTY = "a'\"`\\u0041\\\\n\n\t\x00{id: 1}; é 漢 😀 \u2028"


LAST = replace(state(9, regime=NASTY, energy=-1e-300), vector=(1.5, -2.0, 0.0, 1e-9, 4.0, 5.0, 6.0, 7.0))


def fill(atlas: AtlasStore) -> None:
    atlas.upsert_services([Service("network-3", NASTY, "water")])
    atlas.upsert_entities([Entity("pump-1", "Main", "pump")])
    atlas.upsert_states([state(index) for index in range(3)] + [LAST])
    atlas.link_transitions([Transition("s00000", "s00001", NASTY), Transition("s00001", "s00002")])
    atlas.record_regime_shift(shift("s00001"))
    atlas.record_incident(incident(), states=["s00001", "s00002"])
    atlas.record_action(action())
    atlas.record_proof(proof("s00000", "s00002"))
    atlas.record_model(Model("model-1", 7, NASTY, "predictor", "network-3", "23" * 32))
    atlas.upsert_terms([Term("a", NASTY, "first", ("b",)), Term("b", "B", "second")])


def everything(atlas: AtlasStore) -> dict[str, object]:
    ids = {
        Kind.STATE: ["s00000", "s00001", "s00002", "s00009"],
        Kind.SHIFT: ["shift-1"],
        Kind.INCIDENT: ["incident-1"],
        Kind.ACTION: ["action-1"],
        Kind.PROOF: ["proof-1"],
        Kind.SERVICE: ["network-3"],
        Kind.ENTITY: ["pump-1"],
        Kind.MODEL: ["model-1"],
        Kind.TERM: ["a", "b"],
    }
    times = "MATCH (n:EnergyState) RETURN n.id AS id, n.timestamp AS at ORDER BY id"
    links = "MATCH (n)-[r:TRANSITIONS_TO]->(m) RETURN n.id AS n, r.cause AS c, m.id AS m ORDER BY n"
    return {
        "counts": atlas.counts(),
        "records": [atlas.record(kind, one) for kind, listed in ids.items() for one in listed],
        "times": atlas.query(times).rows,
        "links": atlas.query(links).rows,
    }


def graph_of(store: AtlasStore) -> GraphAtlas:
    assert isinstance(store, GraphAtlas)
    return store


def test_an_export_of_any_engine_fills_another_one_with_the_same(atlas: AtlasStore, tmp_path: Path) -> None:
    fill(atlas)
    before = everything(atlas)
    told: list[tuple[str, int]] = []
    totals = export_graph(graph_of(atlas), tmp_path / "a.cypher", progress=lambda *one: told.append(one))
    assert told[-1] == ("Proof", 1)
    with open_atlas(tmp_path / "other") as other:
        assert import_graph(tmp_path / "a.cypher", other) == totals
        assert everything(other) == before
        import_graph(tmp_path / "a.cypher", other)
        assert everything(other) == before
        export_graph(other, tmp_path / "b.cypher")
    assert (tmp_path / "a.cypher").read_bytes() == (tmp_path / "b.cypher").read_bytes()


def test_an_export_of_the_embedded_engine_fills_any_engine_with_the_same(
    atlas: AtlasStore, tmp_path: Path
) -> None:
    with open_atlas(tmp_path / "embedded") as embedded:
        fill(embedded)
        before = everything(embedded)
        export_graph(embedded, tmp_path / "a.cypher")
    import_graph(tmp_path / "a.cypher", graph_of(atlas))
    assert everything(atlas) == before


def test_the_statements_of_an_export_do_what_the_import_does(atlas: AtlasStore, tmp_path: Path) -> None:
    with open_atlas(tmp_path / "embedded") as embedded:
        fill(embedded)
        before = everything(embedded)
        export_graph(embedded, tmp_path / "a.cypher")
    # As cypher-shell would: the literal is evaluated by the engine, the statements run as they stand.
    engine, rows = graph_of(atlas).engine, ""
    for line in (tmp_path / "a.cypher").read_text().split("\n")[1:]:
        if line.startswith(":param rows => "):
            rows = line.removeprefix(":param rows => ").removesuffix(";")
        elif line.startswith("UNWIND $rows"):
            engine.write([Statement(line.removesuffix(";").replace("$rows", rows, 1))])
    assert everything(atlas) == before


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.from_regex(r"\A[a-z_]\w{0,5}\Z", fullmatch=True).filter(str.isascii), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(value=VALUES)
def test_every_value_comes_back_from_its_literal(value: object) -> None:
    assert value_of(literal(value)) == value
    assert "\n" not in literal(value)


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.text(alphabet="\\u0041\"'`"))
def test_the_embedded_engine_reads_a_literal_as_the_importer_does(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    import kglite

    graph: Any = kglite.KnowledgeGraph()
    [row] = graph.cypher(f"RETURN {literal(text)} AS value").to_list()
    assert row["value"] == text


@pytest.mark.parametrize(
    "text", ["", "{id: 1", "NaN", "[1] // x", "1; MATCH (n) DELETE n", "datetime()", "'a'"]
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ExchangeError, match="is no literal"):
        value_of(text)
    with pytest.raises(ExchangeError):
        literal({"a b": 1})
    with pytest.raises(ExchangeError):
        literal(float("nan"))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    with open_atlas(tmp_path / "source") as source:
        fill(source)
        export_graph(source, tmp_path / "a.cypher")
    return tmp_path / "a.cypher"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("// industriverse atlas export 2", "// something else"),
        ("// end", "MATCH (n) DETACH DELETE n;\n// end"),
        ("UNWIND $rows AS row MERGE (n:Service", "MATCH (m) DETACH DELETE m WITH 1 AS x MERGE (n:Service"),
        (":param rows => [{", ":param rows => [{evil: date(), "),
        ("// end {", '// end {"Other": 1, '),
        ('id: "s00000"', "id: {a: 1}"),
        ('id: "s00000", ', ""),
    ],
)
def test_a_changed_export_is_refused(exported: Path, tmp_path: Path, old: str, new: str) -> None:
    text = exported.read_text()
    assert old in text
    exported.write_text(text.replace(old, new, 1))
    with open_atlas(tmp_path / "target") as target:
        with pytest.raises((ExchangeError, RecordError)):
            import_graph(exported, target)
        assert target.query("MATCH (n) WHERE n.evil IS NOT NULL RETURN n").rows == ()


def test_a_torn_export_is_refused_wherever_it_was_cut(exported: Path, tmp_path: Path) -> None:
    lines = [f"{line}\n" for line in exported.read_text().split("\n")[:-1]]
    with open_atlas(tmp_path / "target") as target:
        for count in range(0, len(lines), 4):
            exported.write_text("".join(lines[:count]))
            with pytest.raises(ExchangeError):
                import_graph(exported, target)


def test_an_export_to_a_place_that_is_not_there_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with open_atlas(tmp_path / "graph") as atlas, pytest.raises(ExchangeError, match=r"cannot write .*none"):
        export_graph(atlas, tmp_path / "none" / "export.cypher")
    assert not (tmp_path / "none").exists()


def test_a_backup_brings_back_graph_objects_and_archive(tmp_path: Path) -> None:
    objects = ObjectStore(tmp_path / "objects")
    with open_atlas(tmp_path / "source") as source:
        fill(source)
        key = objects.put_bytes(b"evidence")
        assert Archive(source, objects).keep_newest(3).states == 1
        counts = source.counts()
        first = back_up(source, objects, tmp_path / "backup")
        assert (first.objects, first.copied) == (2, 2)
        objects.put_bytes(b"more")
        assert back_up(source, objects, tmp_path / "backup").copied == 1
    other = ObjectStore(tmp_path / "other-objects")
    with open_atlas(tmp_path / "target") as target:
        restore(tmp_path / "backup", target, other)
        assert target.counts() == counts
        assert other.get_bytes(key) == b"evidence"
        assert Archive(target, other).state("s00009") == LAST
        with (tmp_path / "backup" / "graph.cypher").open("a") as file:
            file.write("// more\n")
        with pytest.raises(ExchangeError, match="was changed after the backup"):
            restore(tmp_path / "backup", target, other)
        (tmp_path / "backup" / "manifest.json").unlink()
        with pytest.raises(ExchangeError, match="is no complete backup"):
            restore(tmp_path / "backup", target, other)
