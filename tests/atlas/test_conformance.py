"""What every engine of the Atlas must do. ``conftest.OPENERS`` lists the engines."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from atlas.atlas_records import SECOND, START_NS, action, incident, proof, shift, state
from industriverse.atlas import (
    AtlasClosedError,
    AtlasStore,
    CypherRefusedError,
    CypherRunError,
    EnergyState,
    Entity,
    Kind,
    Model,
    NodeRef,
    RecordError,
    Search,
    SearchError,
    Service,
    Term,
    Transition,
    UnknownRecordError,
)

Opener = Callable[[], AtlasStore]


def ids(atlas: AtlasStore, search: Search) -> list[str]:
    return [record.id for record in atlas.search(search).records]


def chain(atlas: AtlasStore, length: int) -> None:
    atlas.upsert_states([state(index) for index in range(length)])
    atlas.link_transitions(
        [Transition(state(index).id, state(index + 1).id, "drift") for index in range(length - 1)]
    )


def test_a_state_comes_back_exactly_as_it_was_written(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(3)])
    assert atlas.state("s00003") == state(3)
    assert atlas.state("nowhere") is None


def test_writing_the_same_states_twice_changes_nothing(atlas: AtlasStore) -> None:
    states = [state(index, entities=("pump-1", "tank-2")) for index in range(5)]
    atlas.upsert_states(states)
    before = atlas.counts()
    atlas.upsert_states(states)
    assert atlas.counts() == before
    assert before.nodes[Kind.STATE] == 5
    assert before.relations["CONSUMES_ENERGY"] == 5
    assert before.relations["CONCERNS"] == 10


def test_a_state_written_again_with_other_content_takes_the_new_content_and_relations(
    atlas: AtlasStore,
) -> None:
    atlas.upsert_states([state(1, service="old", entities=("pump-1", "tank-2"))])
    changed = state(1, service="new", entities=("tank-2", "valve-9"), energy=-4.5)
    atlas.upsert_states([changed])
    assert atlas.state("s00001") == changed
    around = atlas.neighbourhood("s00001")
    others = {node for node in around.nodes if node != around.centre}
    assert others == {
        NodeRef(Kind.SERVICE, "new"),
        NodeRef(Kind.ENTITY, "tank-2"),
        NodeRef(Kind.ENTITY, "valve-9"),
    }


def test_the_last_of_equal_ids_in_a_batch_wins_with_its_relations(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(1, service="first"), state(1, service="second")])
    assert atlas.counts().relations["CONSUMES_ENERGY"] == 1
    assert ids(atlas, Search(service="second")) == ["s00001"]


def test_names_of_services_and_entities_survive_later_states(atlas: AtlasStore) -> None:
    service, entity = Service("network-3", "North", "water"), Entity("pump-1", "Main pump", "pump")
    atlas.upsert_services([service])
    atlas.upsert_entities([entity])
    atlas.upsert_states([state(1)])
    assert atlas.record(Kind.SERVICE, "network-3") == service
    assert atlas.record(Kind.ENTITY, "pump-1") == entity
    atlas.upsert_states([state(2, service="unnamed", entities=("unnamed",))])
    assert atlas.record(Kind.SERVICE, "unnamed") == Service("unnamed", "", "water")
    assert atlas.record(Kind.ENTITY, "unnamed") == Entity("unnamed")


def test_an_empty_batch_is_no_write_and_a_giant_one_is_refused(atlas: AtlasStore) -> None:
    atlas.upsert_states([])
    assert atlas.counts().nodes[Kind.STATE] == 0
    with pytest.raises(RecordError, match="a batch of 10001 records"):
        atlas.link_transitions([Transition("a", f"b{index}") for index in range(10_001)])


def test_a_transition_to_an_unknown_state_undoes_its_whole_batch(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(0), state(1)])
    with pytest.raises(UnknownRecordError, match="a state of a transition is not in the graph"):
        atlas.link_transitions([Transition("s00000", "s00001"), Transition("s00001", "ghost")])
    assert atlas.counts().relations["TRANSITIONS_TO"] == 0


def test_every_record_is_linked_as_the_schema_says(atlas: AtlasStore) -> None:
    chain(atlas, 2)
    atlas.record_regime_shift(shift("s00001"))
    atlas.record_incident(incident(), states=["s00001"])
    atlas.record_action(action())
    atlas.record_proof(proof("s00000", "s00001"))
    around = atlas.neighbourhood("s00001", depth=2)
    assert {(one.source.kind, one.type, one.target.kind) for one in around.relations} == {
        (Kind.SERVICE, "CONSUMES_ENERGY", Kind.STATE),
        (Kind.STATE, "TRANSITIONS_TO", Kind.STATE),
        (Kind.STATE, "CONCERNS", Kind.ENTITY),
        (Kind.SHIFT, "DETECTED_IN", Kind.STATE),
        (Kind.INCIDENT, "INVOLVES", Kind.STATE),
        (Kind.INCIDENT, "AFFECTS", Kind.ENTITY),
        (Kind.ACTION, "ANSWERS", Kind.INCIDENT),
        (Kind.PROOF, "PROVES", Kind.STATE),
    }
    assert not around.truncated


def test_records_come_back_as_written_and_recording_twice_changes_nothing(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(0)])
    for _ in range(2):
        atlas.record_regime_shift(shift("s00000"))
        atlas.record_incident(incident(), states=["s00000"])
        atlas.record_action(action())
        atlas.record_proof(proof("s00000"))
    assert atlas.record(Kind.SHIFT, "shift-1") == shift("s00000")
    assert atlas.record(Kind.INCIDENT, "incident-1") == incident()
    assert atlas.record(Kind.ACTION, "action-1") == action()
    assert atlas.record(Kind.PROOF, "proof-1") == proof("s00000")
    relations = atlas.counts().relations
    assert {relations[name] for name in ("DETECTED_IN", "INVOLVES", "AFFECTS", "ANSWERS", "PROVES")} == {1}


def test_an_incident_is_closed_and_an_action_reverted_by_recording_them_again(atlas: AtlasStore) -> None:
    atlas.record_incident(incident())
    atlas.record_action(action())
    atlas.record_incident(incident(closed_ns=START_NS + SECOND))
    atlas.record_action(action("reverted"))
    assert atlas.record(Kind.INCIDENT, "incident-1") == incident(closed_ns=START_NS + SECOND)
    assert atlas.record(Kind.ACTION, "action-1") == action("reverted")


def test_a_record_moved_to_another_state_leaves_the_old_one(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(0), state(1)])
    atlas.record_regime_shift(shift("s00000"))
    atlas.record_regime_shift(shift("s00001"))
    [relation] = atlas.neighbourhood("shift-1", kind=Kind.SHIFT).relations
    assert relation.target.id == "s00001"


def test_records_that_refer_to_nothing_are_refused_and_leave_no_trace(atlas: AtlasStore) -> None:
    with pytest.raises(UnknownRecordError, match="state 'ghost'"):
        atlas.record_regime_shift(shift("ghost"))
    with pytest.raises(UnknownRecordError, match="a state of incident 'incident-1'"):
        atlas.record_incident(incident(), states=["ghost"])
    with pytest.raises(UnknownRecordError, match="incident 'incident-1'"):
        atlas.record_action(action())
    with pytest.raises(UnknownRecordError, match="a state of proof 'proof-1'"):
        atlas.record_proof(proof("ghost"))
    assert not any(atlas.counts().nodes.values())


def test_search_filters_by_domain_service_entity_regime_and_time(atlas: AtlasStore) -> None:
    atlas.upsert_states(
        [
            state(0),
            state(1, domain="power"),
            state(2, service="other"),
            state(3, regime="attack"),
            state(4, entities=("tank-2", "pump-1")),
            state(5, entities=()),
        ]
    )
    assert ids(atlas, Search()) == [f"s{index:05d}" for index in (5, 4, 3, 2, 1, 0)]
    assert ids(atlas, Search(domain="power")) == ["s00001"]
    assert ids(atlas, Search(service="other")) == ["s00002"]
    assert ids(atlas, Search(regime="attack")) == ["s00003"]
    assert ids(atlas, Search(entity="tank-2")) == ["s00004"]
    assert ids(atlas, Search(entity="pump-1", domain="water", regime="calm", service="network-3")) == [
        "s00004",
        "s00000",
    ]
    second, fourth = state(2).timestamp_ns, state(4).timestamp_ns
    assert ids(atlas, Search(start_ns=second, stop_ns=fourth, newest_first=False)) == ["s00002", "s00003"]


def test_search_finds_every_kind_of_record(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(0)])
    atlas.record_regime_shift(shift("s00000"))
    atlas.record_incident(incident())
    atlas.record_action(action())
    atlas.record_proof(proof())
    assert ids(atlas, Search(kind=Kind.SHIFT, regime="attack")) == ["shift-1"]
    assert ids(atlas, Search(kind=Kind.INCIDENT, entity="pump-1")) == ["incident-1"]
    assert ids(atlas, Search(kind=Kind.ACTION, entity="pump-1")) == ["action-1"]
    assert ids(atlas, Search(kind=Kind.PROOF, service="network-3")) == ["proof-1"]
    assert ids(atlas, Search(kind=Kind.SERVICE, domain="water")) == ["network-3"]
    assert ids(atlas, Search(kind=Kind.ENTITY)) == ["pump-1"]
    with pytest.raises(SearchError, match="Entity has no filter 'domain'; it takes text"):
        Search(kind=Kind.ENTITY, domain="water")
    with pytest.raises(SearchError, match="limit is 0"):
        Search(limit=0)


@pytest.mark.parametrize("kind", [Kind.STATE, Kind.ENTITY])
@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_together_hold_every_record_once_in_order(
    atlas: AtlasStore, kind: Kind, newest_first: bool
) -> None:
    # Equal timestamps make the id decide, across page borders too.
    atlas.upsert_states(
        [
            EnergyState(
                f"s{index:02d}", START_NS + index // 5, 0.0, 0.0, "water", "calm", "n", (f"e{index:02d}",)
            )
            for index in range(23)
        ]
    )
    seen: list[str] = []
    cursor = ""
    while True:
        page = atlas.search(Search(kind=kind, newest_first=newest_first, limit=4, cursor=cursor))
        assert page.total == 23
        seen += [record.id for record in page.records]
        cursor = page.next_cursor
        if not cursor:
            break
    assert len(seen) == 23
    assert seen == sorted(seen, reverse=newest_first)


def test_paging_while_states_arrive_skips_and_repeats_nothing(atlas: AtlasStore) -> None:
    originals = [state(index) for index in range(0, 400, 2)]
    atlas.upsert_states(originals)
    stop = threading.Event()
    failures: list[BaseException] = []

    def insert() -> None:
        index = 1
        try:
            while not stop.is_set():
                atlas.upsert_states([state(index), state(1_000 + index)])
                index += 2
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=insert)
    writer.start()
    try:
        seen: list[str] = []
        cursor = ""
        while True:
            page = atlas.search(Search(limit=7, cursor=cursor))
            seen += [record.id for record in page.records]
            cursor = page.next_cursor
            if not cursor:
                break
    finally:
        stop.set()
        writer.join()
    assert not failures
    assert len(seen) == len(set(seen))
    assert {one.id for one in originals} <= set(seen)


def test_a_cursor_that_is_damaged_or_of_another_search_is_refused(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(index) for index in range(4)])
    cursor = atlas.search(Search(limit=2)).next_cursor
    with pytest.raises(SearchError, match="belongs to another search"):
        atlas.search(Search(limit=2, domain="water", cursor=cursor))
    for damaged in ("x", "é", cursor[:-6], "W10=", "bnVsbA==", "WyJhIiwiYiIsImMiXQ=="):
        with pytest.raises(SearchError, match="damaged"):
            atlas.search(Search(limit=2, cursor=damaged))


def test_a_neighbourhood_does_not_walk_through_services_and_entities(atlas: AtlasStore) -> None:
    chain(atlas, 5)
    near = atlas.neighbourhood("s00002", depth=1)
    assert {node.id for node in near.nodes} == {"s00001", "s00002", "s00003", "network-3", "pump-1"}
    assert near.nodes[0] == NodeRef(Kind.STATE, "s00002")
    wide = atlas.neighbourhood("s00000", depth=2)
    assert {node.id for node in wide.nodes if node.kind is Kind.STATE} == {"s00000", "s00001", "s00002"}
    hub = atlas.neighbourhood("network-3", kind=Kind.SERVICE)
    assert len(hub.nodes) == 6


def test_a_neighbourhood_is_cut_at_its_limit_and_says_so(atlas: AtlasStore) -> None:
    chain(atlas, 10)
    cut = atlas.neighbourhood("network-3", kind=Kind.SERVICE, limit=3)
    assert cut.truncated
    assert len(cut.relations) == 3
    assert len(cut.nodes) == 4
    with pytest.raises(SearchError, match="depth is 6"):
        atlas.neighbourhood("s00000", depth=6)
    with pytest.raises(UnknownRecordError, match="there is no EnergyState 'ghost'"):
        atlas.neighbourhood("ghost")


def test_a_path_follows_transitions_forward_by_the_shortest_way(atlas: AtlasStore) -> None:
    chain(atlas, 6)
    atlas.link_transitions([Transition("s00001", "s00004", "attack")])
    assert atlas.transition_path("s00000", "s00005") == ("s00000", "s00001", "s00004", "s00005")
    assert atlas.transition_path("s00005", "s00000") == ()
    assert atlas.transition_path("s00003", "s00003") == ("s00003",)
    with pytest.raises(UnknownRecordError):
        atlas.transition_path("s00000", "ghost")


def test_everything_is_there_after_closing_and_opening_again(opener: Opener) -> None:
    atlas = opener()
    chain(atlas, 3)
    atlas.record_regime_shift(shift("s00001"))
    before = atlas.counts()
    atlas.close()
    again = opener()
    assert again.counts() == before
    assert again.state("s00002") == state(2)
    again.upsert_states([state(2)])
    assert again.counts() == before
    again.close()


def test_a_closed_atlas_says_so(opener: Opener) -> None:
    atlas = opener()
    atlas.close()
    atlas.close()
    with pytest.raises(AtlasClosedError, match="the Atlas is closed"):
        atlas.state("s00000")
    with pytest.raises(AtlasClosedError):
        atlas.upsert_states([])


def test_concurrent_writers_lose_nothing(atlas: AtlasStore) -> None:
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for index in range(20):
                atlas.upsert_states([state(worker * 100 + index), state(9_000 + index)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    counts = atlas.counts()
    assert counts.nodes[Kind.STATE] == 100
    assert counts.relations["CONSUMES_ENERGY"] == counts.relations["CONCERNS"] == 100
    assert counts.nodes[Kind.SERVICE] == 1


def test_models_and_terms_are_nodes_with_their_links(atlas: AtlasStore) -> None:
    model = Model("ab" * 32, START_NS, "reference of n", "reference", "n", "cd" * 32)
    for _ in range(2):
        atlas.record_model(model)
        atlas.upsert_terms(
            [Term("entropy", "Entropy", "Disorder, in nats.", ("quantity",)), Term("quantity")]
        )
    assert atlas.record(Kind.MODEL, model.id) == model
    assert atlas.record(Kind.TERM, "entropy") == Term(
        "entropy", "Entropy", "Disorder, in nats.", ("quantity",)
    )
    relations = atlas.counts().relations
    assert (relations["FITTED_TO"], relations["BROADER"]) == (1, 1)
    atlas.record_model(replace(model, service="m"))
    atlas.upsert_terms([Term("entropy", "Entropy")])
    around = atlas.neighbourhood(model.id, kind=Kind.MODEL)
    assert {node.id for node in around.nodes} == {model.id, "m"}
    assert atlas.counts().relations["BROADER"] == 0
    assert ids(atlas, Search(kind=Kind.MODEL, service="m", text="REFERENCE of")) == [model.id]
    assert ids(atlas, Search(kind=Kind.TERM, text="entropy")) == ["entropy"]
    with pytest.raises(RecordError, match="broader than itself"):
        Term("a", broader=("a",))


def test_free_text_finds_all_of_its_words_in_names_and_ids_in_any_case(atlas: AtlasStore) -> None:
    atlas.upsert_states(
        [state(0), state(1, regime="Attack", entities=("TANK-2", "pump-1")), state(2, entities=())]
    )
    atlas.record_incident(incident(), states=["s00001"])
    assert ids(atlas, Search(text="tank ATTACK")) == ["s00001"]
    assert ids(atlas, Search(text="s0000 pump")) == ["s00001", "s00000"]
    assert ids(atlas, Search(text="tank nowhere")) == []
    assert ids(atlas, Search(text="  ")) == ["s00002", "s00001", "s00000"]
    assert ids(atlas, Search(kind=Kind.INCIDENT, text="TICKET-2 network")) == ["incident-1"]
    with pytest.raises(SearchError, match="text has 201 characters"):
        Search(text="x" * 201)


def test_the_nearest_states_come_first_with_their_distances(atlas: AtlasStore) -> None:
    places = [(0.0,) * 8, (3.0, 4.0, *(0.0,) * 6), (1.0,) * 8, (0.0,) * 7 + (-9.0,)]
    atlas.upsert_states([replace(state(index), vector=place) for index, place in enumerate(places)])
    atlas.upsert_states([state(9)])
    found = atlas.similar(places[0], limit=3, besides="s00000")
    assert [one.id for one, _ in found] == ["s00002", "s00001", "s00003"]
    assert [distance for _, distance in found] == pytest.approx([8**0.5, 5.0, 9.0])
    assert found[1][0].vector == places[1]
    assert [one.id for one, _ in atlas.similar(places[1], limit=1)] == ["s00001"]
    for vector, limit in (((0.0,) * 7, 1), ((), 1), (places[0], 0), (places[0], 2_001)):
        with pytest.raises((SearchError, RecordError)):
            atlas.similar(vector, limit=limit)
    with pytest.raises(RecordError, match="give a finite number"):
        atlas.similar((float("nan"),) * 8)


HOSTILE = [
    "x'}) DETACH DELETE n //",
    'x"}) MATCH (n) DELETE n //',
    "s00000' OR '1'='1",
    "`}) CREATE (:Hacked) //",
    "$id",
    "\\u0027) DELETE n",
    "{id: 1}",
    "a\x00b\n\t\r",
    "5",
    "null",
    "2026-01-01T00:00:00Z",
    "😀 é 漢",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data_wherever_it_is_put(atlas: AtlasStore, text: str) -> None:
    atlas.upsert_states([state(0)])
    nasty = EnergyState(text, START_NS, 1.0, 2.0, text, text, text, (text,))
    atlas.upsert_states([nasty])
    atlas.link_transitions([Transition("s00000", text, text)])
    assert atlas.state(text) == nasty
    assert ids(atlas, Search(domain=text, service=text, entity=text, regime=text)) == [text]
    assert text in ids(atlas, Search(text=text))
    atlas.upsert_terms([Term(text, text, text)])
    atlas.record_model(Model(text, START_NS, text, text, text))
    assert atlas.record(Kind.TERM, text) == Term(text, text, text)
    assert [one.id for one, _ in atlas.similar((0.0,) * 8, besides=text)] == []
    with pytest.raises(SearchError):
        atlas.search(Search(cursor=text))
    assert atlas.transition_path("s00000", text) == ("s00000", text)
    assert atlas.neighbourhood(text, kind=Kind.ENTITY).nodes[0].id == text
    assert atlas.query("MATCH (n:EnergyState) WHERE n.id = $id RETURN n.id AS id", {"id": text}).rows == (
        {"id": text},
    )
    counts = atlas.counts().nodes
    assert counts[Kind.STATE] == 2
    assert sum(counts.values()) == 8


def test_malformed_records_are_refused_before_they_reach_the_graph() -> None:
    with pytest.raises(RecordError, match=r"EnergyState\.energy is nan; give a finite number"):
        state(0, energy=float("nan"))
    with pytest.raises(RecordError, match=r"EnergyState\.service is ''"):
        state(0, service="")
    with pytest.raises(RecordError, match="lone surrogate"):
        state(0, domain="\ud800")
    with pytest.raises(RecordError, match=r"EnergyState\.timestamp_ns is -1"):
        EnergyState("a", -1, 0.0, 0.0, "d", "r", "s")
    with pytest.raises(RecordError, match=r"EnergyState\.evidence is 'short'"):
        EnergyState("a", 1, 0.0, 0.0, "d", "r", "s", evidence="short")
    with pytest.raises(RecordError, match="cannot follow itself"):
        Transition("a", "a")


def test_a_read_only_query_reads_with_parameters_and_zoned_times(atlas: AtlasStore) -> None:
    atlas.upsert_states([state(index) for index in range(4)])
    since = datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)
    result = atlas.query(
        "MATCH (n:EnergyState) WHERE n.timestamp >= $since RETURN n.id AS id, n.timestamp AS at ORDER BY id",
        {"since": since},
    )
    assert result.rows == (
        {"id": "s00002", "at": since},
        {"id": "s00003", "at": since.replace(second=3)},
    )
    elsewhere = since.astimezone(timezone(timedelta(hours=5, minutes=30)))
    text = "MATCH (n:EnergyState) WHERE n.timestamp >= $since RETURN n.id AS id ORDER BY id"
    assert atlas.query(text, {"since": elsewhere}).rows == ({"id": "s00002"}, {"id": "s00003"})
    assert [row["at"].utcoffset() for row in list[dict[str, Any]](map(dict, result.rows))] == [
        timedelta(0)
    ] * 2
    cut = atlas.query("MATCH (n:EnergyState) RETURN n.id AS id", row_limit=2)
    assert len(cut.rows) == 2
    assert cut.truncated


@pytest.mark.parametrize(
    "text",
    [
        "CREATE (n:EnergyState {id: 'x'}) RETURN n",
        "MATCH (n) DETACH DELETE n",
        "MATCH (n) SET n.energy = 0 RETURN n",
        "match (n) remove n.energy return n",
        "MERGE (n:EnergyState {id: 'x'}) RETURN n",
        "RETURN 1 AS one UNION CREATE (n) RETURN 1 AS one",
        "DROP CONSTRAINT state_id",
        "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
        "LOAD // gap\nCSV FROM 'file:///etc/passwd' AS line RETURN line",
        "CALL db.labels()",
        "FOREACH (x IN [1] | CREATE (n))",
        "\\u004cOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
        "MATCH (n) ſET n.energy = 0 RETURN n",
        "",
        "RETURN " + "1 + " * 5_000 + "1",
    ],
)
def test_a_query_that_is_not_plainly_a_read_is_refused(atlas: AtlasStore, text: str) -> None:
    atlas.upsert_states([state(0)])
    with pytest.raises(CypherRefusedError):
        atlas.query(text)
    assert atlas.state("s00000") == state(0)


def test_a_query_that_the_engine_cannot_run_fails_with_one_line(atlas: AtlasStore) -> None:
    with pytest.raises(CypherRunError) as caught:
        atlas.query("MATCH (n RETURN n")
    assert "\n" not in str(caught.value)
    with pytest.raises(CypherRunError):
        atlas.query("RETURN $missing AS x")
    with pytest.raises(CypherRunError, match=r"took more than 0\.05 s"):
        atlas.query(
            "UNWIND range(1, 3000000) AS x UNWIND range(1, 1000) AS y RETURN count(*) AS c", timeout_s=0.05
        )
