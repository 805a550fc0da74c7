"""The Bridge API: reads with ETags, unsafe requests done once, events that can be resumed, numbers that make sense."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from industriverse.mcp_server.guard import ResponseGuard
from industriverse.mcp_server.idempotency import IdempotencyKeys, RequestGoingOnError
from industriverse.mcp_server.surface import Surface
from industriverse.operations.context import Principal
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError, UnknownOperationError
from industriverse.operations.following import Position
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load
from prepared_plant import PLANT, Prepared, copied
from web_server import served

load()


@pytest.fixture(scope="module")
def url(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(copied(story.alarmed, tmp_path_factory.mktemp("bridge") / "home")) as address:
        yield address


def get(url: str, path: str, params: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    return httpx.get(f"{url}{path}", params=params, headers=headers, timeout=60)


def post(url: str, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}{path}", json=body, headers=headers, timeout=60)


def test_a_read_has_an_etag_and_is_not_sent_twice(url: str) -> None:
    first = get(url, "/v1/eil/regime", {"stream": PLANT})
    assert first.json()["alarm"] is True
    again = get(url, "/v1/eil/regime", {"stream": PLANT}, **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = get(url, "/v1/eil/regime", {"stream": PLANT}, **{"if-none-match": '"other"'})
    assert other.status_code == 200
    assert get(url, "/v1/eil/regime", {"stream": "nonsense"}).status_code == 404
    assert get(url, "/v1/eil/regime", {"nonsense": "1"}).status_code == 422


def test_a_page_links_to_the_next(url: str) -> None:
    page = get(url, "/v1/atlas/search", {"limit": 1})
    following = httpx.get(f"{url}{page.links['next']['url']}", timeout=60)
    assert following.json()["items"][0]["id"] != page.json()["items"][0]["id"]


def test_an_unsafe_request_with_a_key_is_done_once(url: str) -> None:
    body = {"plant_id": "keyed", "until_hours": 2, "create": {"interval_s": 3600}}
    first = post(url, "/v1/sim/run", body, **{"idempotency-key": "k-1"})
    again = post(url, "/v1/sim/run", body, **{"idempotency-key": "k-1"})
    assert first.json()["samples_added"] == 2
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = post(url, "/v1/sim/run", {**body, "until_hours": 3}, **{"idempotency-key": "k-1"})
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]


def test_a_key_whose_request_nobody_answered_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "requests.sqlite"
    keys = IdempotencyKeys(path)

    def begin(store: IdempotencyKeys, owner: str = "alice", **changed: Any) -> Any:
        given = {"now_ns": 1, "repeatable": False, **changed}
        return store.begin(owner, "k", "shield_act", b"{}", **given)

    assert begin(keys) is None
    assert begin(keys, "bob") is None
    with pytest.raises(RequestGoingOnError, match="wait"):
        begin(keys)
    after_a_crash = IdempotencyKeys(path)
    with pytest.raises(RequestGoingOnError, match="audit_search"):
        begin(after_a_crash)
    assert begin(after_a_crash, repeatable=True) is None
    after_a_crash.finish("alice", "k", b"done")
    assert begin(after_a_crash).body == b"done"
    after_a_crash.give_up("bob", "k")
    assert begin(after_a_crash, "bob") is None
    with pytest.raises(InvalidArgumentsError):
        after_a_crash.begin("alice", "\n", "x", b"", now_ns=1, repeatable=True)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b'{"plant_id": "p", "until_hours": NaN}', "NaN is no number"),
        (b'{"plant_id": "p", "until_hours": Infinity}', "Infinity is no number"),
        (b'{"plant_id": "p", "until_hours": 1e999}', "Infinity"),
        (b'{"plant_id": "p", "until_hours": -1}', "hours lies outside"),
        (b'{"plant_id": "p", "until_hours": 1e30}', "hours lies outside"),
        (b"[" * 40 + b"]" * 40, "nested"),
    ],
)
def test_a_number_that_cannot_be_is_refused_at_the_edge(body: bytes, part: str, url: str) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{url}/v1/sim/run", content=body, headers=headers, timeout=30)
    assert answer.status_code == 422
    told = answer.json()["detail"]
    assert part in told or "too large for a number" in told


def samples(stream: str, first: int, count: int, **channel: str) -> dict[str, Any]:
    return {
        "stream": stream,
        "channels": [{"name": "t", "unit": "Cel", **channel}],
        "times": [f"2026-03-01T{first + number:02d}:00:00Z" for number in range(count)],
        "values": [[20.0 + number] for number in range(count)],
    }


def test_telemetry_is_kept_once_and_impossible_values_are_refused(url: str) -> None:
    assert post(url, "/v1/telemetry/ingest", samples("cold", 0, 3)).json()["new_samples"] == 3
    assert post(url, "/v1/telemetry/ingest", samples("cold", 0, 4)).json()["new_samples"] == 1
    for value, unit in ((-300.0, "Cel"), (-1.0, "K"), (-5.0, "kg")):
        body = samples("cold2", 0, 1, unit=unit)
        body["values"] = [[value]]
        refused = post(url, "/v1/telemetry/ingest", body)
        assert refused.status_code == 422
        assert f"{value:g} {unit} lies outside" in refused.json()["detail"]
    ragged = samples("cold3", 0, 2)
    ragged["values"][1] = [1.0, 2.0]
    assert "row 1 has 2 values" in post(url, "/v1/telemetry/ingest", ragged).json()["detail"]


def events(url: str, count: int, **headers: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    event: dict[str, str] = {}
    params = {"stream": PLANT}
    with httpx.stream("GET", f"{url}/v1/stream", params=params, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line and not line.startswith(":"):
                event[name] = value
            elif event:
                found.append(event)
                event = {}
            if len(found) == count:
                return found
    return found


def test_events_go_on_where_a_connection_broke(url: str) -> None:
    last_reading, incidents = events(url, 2)
    assert (last_reading["event"], incidents["event"]) == ("reading", "incident")
    seen = json.loads(last_reading["data"])
    assert seen["stream"] == PLANT
    earlier = Position({PLANT: Position.of(last_reading["id"]).heard_ns[PLANT] - 3 * 900 * 10**9}, "")
    resumed = events(url, 3, **{"last-event-id": earlier.text()})
    times = [json.loads(event["data"])["time"] for event in resumed]
    assert times == sorted(times)
    assert times[-1] == seen["time"]
    assert get(url, "/v1/stream", {"stream": PLANT}, **{"last-event-id": "nonsense"}).status_code == 422
    assert get(url, "/v1/stream", {"stream": "nonsense"}).status_code == 404


def test_a_websocket_takes_telemetry_and_gives_readings(url: str) -> None:
    async def tale() -> None:
        async with connect(f"{url.replace('http', 'ws')}/v1/live") as line:

            async def say(message: Any) -> None:
                await line.send(message if isinstance(message, str) else json.dumps(message))

            async def hear(kind: str) -> dict[str, Any]:
                while True:
                    message = json.loads(await asyncio.wait_for(line.recv(), 30))
                    if message["type"] == kind:
                        return dict(message)

            await say({"type": "samples", "id": 1, **samples("live", 0, 2)})
            ack = await hear("ack")
            assert (ack["id"], ack["new_samples"], len(ack["trace_id"])) == (1, 2, 32)
            for wrong, part in (
                ("no json", "no JSON"),
                ('{"type": "samples", "values": [[NaN]]}', "NaN"),
                ({"type": "nonsense"}, "neither samples nor follow"),
                ({"type": "samples", "stream": "x"}, "Field required"),
                ({"type": "follow", "streams": ["nonsense"]}, "no stream"),
            ):
                await say(wrong)
                assert part in (await hear("problem"))["detail"]
            await say({"type": "follow", "streams": [PLANT]})
            await hear("following")
            reading = await hear("reading")
            assert reading["stream"] == PLANT
            advance = {"plant_id": PLANT, "until_hours": 768.0}
            await asyncio.to_thread(post, url, "/v1/sim/run", advance)
            later = await hear("reading")
            assert later["time"] > reading["time"]
            assert Position.of(later["after"]).heard_ns[PLANT] > 0

    asyncio.run(tale())


def test_health_and_readiness_are_told(url: str) -> None:
    assert get(url, "/healthz").json() == {"status": "ok"}
    assert get(url, "/readyz").json()["status"] == "ready"


def test_surfaces_add_and_take_away_tools() -> None:
    assert Surface().names() == {declared.name for declared in registry.select()}
    assert Surface(tools=frozenset({"atlas_get"})).names() == {"atlas_get"}
    both = Surface(frozenset({"eil"}), frozenset({"atlas_get"}), frozenset({"eil_prove"}))
    assert {"eil_regime", "atlas_get"} <= both.names()
    assert "eil_prove" not in both.names()
    asked = both.asked_by({"x-mcp-toolsets": "all", "x-mcp-readonly": "true"})
    assert "eil_prove" not in asked.names()
    assert all(registry[name].read_only for name in asked.names())
    absolute = Surface(frozenset({"all"}), read_only=True).asked_by({"x-mcp-tools": "sim_run"})
    assert absolute.names() == frozenset()
    with pytest.raises(UnknownOperationError):
        Surface(tools=frozenset({"nonsense"}))
    with pytest.raises(UnknownOperationError):
        Surface(toolsets=frozenset({"nonsense"}))


def test_a_request_chooses_its_tools_by_header(url: str) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def tale() -> None:
        chosen = {"x-mcp-toolsets": "economy", "x-mcp-readonly": "true"}
        async with (
            httpx2.AsyncClient(headers=chosen, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {o.name for o in registry if o.toolset == "economy" and o.read_only}
            hidden = await client.call_tool("sim_run", {"plant_id": "p", "until_hours": 1})
            assert hidden.is_error

    asyncio.run(tale())


def test_a_result_that_is_too_long_is_cut_and_can_be_read_whole() -> None:
    guard, alice = ResponseGuard(limit=2000), Principal("alice")
    whole: dict[str, Any] = {
        "items": [{"id": number, "text": "x" * 20} for number in range(200)],
        "total": 200,
    }
    text = json.dumps(whole)
    cut = guard.fit("atlas_search", json.loads(text), len(text), alice)
    assert len(json.dumps(cut.structured)) <= 2000
    assert cut.structured["items"] == whole["items"][: len(cut.structured["items"])]
    assert cut.structured["total"] == 200
    assert f"result://{cut.cursor}/1" in cut.hint
    pages = -(-len(text) // 2000)
    assert json.loads("".join(guard.page(cut.cursor, n, alice) for n in range(1, pages + 1))) == whole
    for cursor, number, who in (
        (cut.cursor, 0, alice),
        (cut.cursor, pages + 1, alice),
        (cut.cursor, 1, Principal("bob")),
    ):
        with pytest.raises(NotFoundError):
            guard.page(cursor, number, who)
    small = guard.fit("x", {"a": 1}, 8, alice)
    assert (small.structured, small.hint) == ({"a": 1}, "")
