"""The verbs of the atlas toolset, on an installation with an open incident."""

from pathlib import Path
from typing import Any

import pytest

from industriverse.atlas import CypherRefusedError, CypherRunError, SearchError
from industriverse.atlas.archive import Archive
from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError, NotFoundError
from industriverse.operations.platform import Platform
from industriverse.operations.toolsets.cypher import SWITCH
from prepared_plant import PLANT, Prepared, call, on

HOSTILE = [
    "x'}) DETACH DELETE n //",
    "`}) CREATE (:Hacked) //",
    "$id",
    "../../etc/passwd",
    "\x00",
    "MATCH (n) DELETE n",
]


def test_a_disturbed_state_is_found_read_and_told_with_what_surrounds_it(
    alarmed: Path, story: Prepared
) -> None:
    async def tale(platform: Platform) -> None:
        found = await call(platform, "atlas_search", stream=PLANT, text=f"disturbed {PLANT}")
        [item] = found.items
        assert item.fields["entities"]
        assert len(item.fields["vector"]) == 8
        everything = ["neighbors", "transitions", "shifts", "proof"]
        got = await call(platform, "atlas_get", id=item.id, include=everything)
        assert {one.relation for one in got.relations} >= {
            "CONSUMES_ENERGY",
            "TRANSITIONS_TO",
            "DETECTED_IN",
            "INVOLVES",
            "CONCERNS",
        }
        assert {one.kind for one in got.related} == {"EnergyState", "RegimeShift"}
        bare = await call(platform, "atlas_get", id=item.id, include=[])
        assert (bare.relations, bare.related) == ([], [])
        incident = await call(platform, "atlas_get", kind="Incident", id=story.incident_id)
        assert any(one.target == f"EnergyState {item.id}" for one in incident.relations)
        models = await call(platform, "atlas_search", kind="Model", stream=PLANT)
        assert [one.id for one in models.items] == [item.fields["reference_digest"]]

    on(alarmed, tale)


def test_states_like_one_are_found_by_their_thermodynamic_vector(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        disturbed = (await call(platform, "atlas_search", regime="disturbed")).items[0]
        found = await call(platform, "atlas_search", similar_to=disturbed.id, limit=5)
        assert [one.fields["regime"] for one in found.items] == ["reference"]
        assert found.items[0].distance > 0
        with pytest.raises(InvalidArgumentsError, match="similar_to: it does not go with stream"):
            await call(platform, "atlas_search", similar_to=disturbed.id, stream=PLANT)
        with pytest.raises(NotFoundError, match="find ids with atlas_search"):
            await call(platform, "atlas_search", similar_to="nowhere")

    on(alarmed, tale)


def test_an_archived_state_is_searched_and_read_like_any_other(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        before = await call(platform, "atlas_search", stream=PLANT)
        services = platform.services
        moved = await platform.run(
            lambda: Archive(services.atlas, services.objects).archive_before(2**62).states
        )
        assert moved == 1, "the learned state; the disturbed one is evidence of an incident and stays"
        after = await call(platform, "atlas_search", stream=PLANT)
        assert after == before
        old = after.items[-1]
        got = await call(platform, "atlas_get", id=old.id, include=["transitions"])
        assert got.archived
        assert [one.relation for one in got.relations] == ["TRANSITIONS_TO"]
        assert [one.fields["regime"] for one in got.related] == ["disturbed"]

    on(alarmed, tale)


def test_cypher_is_off_until_it_is_switched_on(alarmed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(NotAllowedError, match=f"start the server with {SWITCH}=1"):
            await call(platform, "atlas_cypher", query="MATCH (n) RETURN n")

    monkeypatch.delenv(SWITCH, raising=False)
    on(alarmed, tale)


def test_cypher_reads_with_parameters_and_nothing_else(
    alarmed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(SWITCH, "1")
    (tmp_path / "secret.csv").write_text("secret\n")

    async def ask(platform: Platform, query: str, **parameters: Any) -> Any:
        return await call(platform, "atlas_cypher", query=query, parameters=parameters)

    async def tale(platform: Platform) -> None:
        text = "MATCH (n:EnergyState) WHERE n.service = $s RETURN n.id AS id, n.timestamp AS at ORDER BY at"
        found = await ask(platform, text, s=PLANT)
        assert [row["at"][:10] for row in found.rows] == sorted(row["at"][:10] for row in found.rows)
        assert len(found.rows) == 2
        cut = await call(platform, "atlas_cypher", query="UNWIND range(1, 2000) AS x RETURN x", limit=3)
        assert (len(cut.rows), cut.truncated) == (3, True)
        wide = "UNWIND range(1, 500) AS x RETURN reduce(s = 'x', i IN range(1, 3000) | s + 'xxxxxxxxxx') AS s"
        big = await call(platform, "atlas_cypher", query=wide, limit=1_000)
        assert big.truncated
        assert len(str(big)) < 1_100_000
        for refused in (
            "MATCH (n) DETACH DELETE n",
            "MATCH (n) SET n.energy = 0 RETURN n",
            f"LOAD CSV FROM 'file://{tmp_path}/secret.csv' AS line RETURN line",
            "CALL db.labels()",
            "CREATE (n:Hacked) RETURN n",
        ):
            with pytest.raises(CypherRefusedError):
                await ask(platform, refused)
        for hostile in HOSTILE:
            assert (await ask(platform, text, s=hostile)).rows == []
            with pytest.raises((CypherRefusedError, CypherRunError)):
                await ask(platform, f"MATCH (n:`{hostile}`) {{{hostile}}} RETURN n")
        with pytest.raises(InvalidArgumentsError, match="parameters: 51 values"):
            await ask(platform, "RETURN 1 AS x", **{f"p{number}": number for number in range(51)})
        assert (await ask(platform, text, s=PLANT)).rows == found.rows

    on(alarmed, tale)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_any_argument_is_data_or_refused(hostile: Any, alarmed: Path) -> None:
    async def tale(platform: Any) -> None:
        before = await call(platform, "platform_status")
        for field in ("text", "stream", "entity", "regime", "domain"):
            found = await call(platform, "atlas_search", **{field: hostile})
            assert found.items == []
        with pytest.raises(SearchError, match="cursor"):
            await call(platform, "atlas_search", cursor=hostile)
        for field in ("start", "stop", "kind"):
            with pytest.raises(InvalidArgumentsError):
                await call(platform, "atlas_search", **{field: hostile})
        with pytest.raises(NotFoundError):
            await call(platform, "atlas_get", id=hostile)
        with pytest.raises(NotFoundError):
            await call(platform, "atlas_search", similar_to=hostile)
        for arguments in ({"stream": hostile, "incident_id": "x"}, {"stream": PLANT, "incident_id": hostile}):
            with pytest.raises(NotFoundError):
                await call(platform, "atlas_record", **arguments)
        after = await call(platform, "platform_status")
        assert after.atlas_nodes == before.atlas_nodes

    on(alarmed, tale)
