"""Quick calls over HTTP are answered as the SDK would have answered them, and only where nothing is wrong with them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from industriverse.mcp_server.quick import is_quick
from industriverse.mcp_server.web import WebSettings
from industriverse.operations.home import Home
from industriverse.operations.registry import registry
from industriverse.operations.tokens import TokenStore
from prepared_plant import PLANT, Prepared, copied
from web_server import served

STATELESS, HANDSHAKE = "2026-07-28", "2025-11-25"
ERAS = (STATELESS, HANDSHAKE)
LONG_WAY = {"x-mcp-toolsets": "all"}
"""A request that chooses its tools is the SDK's to answer."""

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALLS: list[tuple[str, dict[str, Any], bool]] = [
    ("economy_read", {}, True),
    ("eil_regime", {"stream": PLANT}, True),
    ("eil_regime", {"stream": "<b>nowhere</b> ${x}"}, True),
    ("eil_regime", {"stream": PLANT, "unheard_of": 1}, False),
    ("shield_threats", {"open_only": True}, True),
    ("shield_threats", {"open_only": "perhaps"}, False),
    ("eil_decide", {"stream": PLANT, "options": [{"name": "Ventil é", "relief": 0.5}]}, True),
    ("atlas_search", {"text": "no such thing", "limit": 0}, False),
    ("nvp_forecast", {"stream": "nowhere", "horizon_hours": 1.0}, False),
]


class Client:
    """Speaks one era over plain HTTP."""

    def __init__(self, url: str, token: str, era: str) -> None:
        self.url = url
        self.era = era
        self.headers = {
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {token}",
            "mcp-protocol-version": era,
        }
        if era == HANDSHAKE:
            params = {"protocolVersion": era, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            begun = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
            self.headers["mcp-session-id"] = begun.headers["mcp-session-id"]
            self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def post(self, body: Any, **headers: str) -> httpx.Response:
        given = {**self.headers, **headers}
        return httpx.post(f"{self.url}/mcp", json=body, headers=given, timeout=60)

    def body(self, tool: str, arguments: dict[str, Any], **meta: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        if self.era == STATELESS or meta:
            params["_meta"] = {**(ENVELOPE if self.era == STATELESS else {}), **meta}
        return {"jsonrpc": "2.0", "id": "seven", "method": "tools/call", "params": params}

    def call(self, body: Any, **headers: str) -> httpx.Response:
        named = {"mcp-method": "tools/call", "mcp-name": "economy_read"} if self.era == STATELESS else {}
        return self.post(body, **{**named, **headers})


def document(answer: httpx.Response) -> Any:
    if not answer.content or ("json" not in answer.headers["content-type"] and "data: " not in answer.text):
        return {"text": answer.text}
    if answer.headers["content-type"].startswith("text/event-stream"):
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        return json.loads(lines[-1])
    return answer.json()


def comparable(answer: httpx.Response) -> tuple[int, Any]:
    """Status and document without what differs from call to call: ids of traces, cost and budget."""
    told = document(answer)
    if isinstance(told.get("result"), dict) and "_meta" in told["result"]:
        told["result"]["_meta"] = sorted(told["result"]["_meta"])
    return answer.status_code, told


@pytest.fixture(scope="module")
def house(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    home = copied(story.alarmed, tmp_path_factory.mktemp("quick") / "home")
    with Home(home) as opened_home:
        store = TokenStore(opened_home.paths.tokens)
        tokens = {name: store.add(name, "admin", now_ns=time.time_ns()).text for name in ("one", "two")}
    with served(home, settings=WebSettings(tokens=True)) as url:
        yield url, tokens


@pytest.mark.parametrize("era", ERAS)
def test_a_quick_call_is_answered_as_the_sdk_answers_it(
    era: str, house: tuple[str, dict[str, str]], story: Prepared
) -> None:
    client = Client(house[0], house[1]["one"], era)
    words = {"incident_id": story.incident_id, "wording": "client"}
    for tool, arguments, good in [*CALLS, ("shield_explain", words, False)]:
        named = {"mcp-name": tool} if era == STATELESS else {}
        body = client.body(
            tool, arguments, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        )
        quick, slow = client.call(body, **named), client.call(body, **named, **LONG_WAY)
        assert comparable(quick) == comparable(slow), tool
        assert quick.headers.get("mcp-session-id") == slow.headers.get("mcp-session-id")
        if era == HANDSHAKE:
            assert slow.headers["content-type"].startswith("text/event-stream")
            assert quick.headers["content-type"].startswith(
                "application/json" if good else "text/event-stream"
            )
        if good and not document(quick)["result"]["isError"]:
            meta = document(quick)["result"]["_meta"]
            assert meta["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
            assert "energy-context" in quick.headers


WRONG: list[dict[str, Any]] = [
    {"jsonrpc": "1.0"},
    {"id": None},
    {"id": True},
    {"id": 1.5},
    {"more": 1},
    {"params": []},
    {"params": {"name": "economy_read", "arguments": [], "_meta": ENVELOPE}},
    {"params": {"name": 7, "_meta": ENVELOPE}},
    {"params": {"name": "no_such_tool", "arguments": {}, "_meta": ENVELOPE}},
    {
        "params": {
            "name": "eil_regime",
            "arguments": {"stream": PLANT},
            "_meta": {**ENVELOPE, "clientInfo": 1},
        }
    },
    {
        "params": {
            "name": "economy_read",
            "_meta": {**ENVELOPE, "io.modelcontextprotocol/clientInfo": {"name": 1}},
        }
    },
    {
        "params": {
            "name": "economy_read",
            "_meta": {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": 1},
        }
    },
    {
        "params": {
            "name": "economy_read",
            "_meta": {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": HANDSHAKE},
        }
    },
    {"params": {"name": "economy_read", "arguments": {}, "unheard_of": 1, "_meta": ENVELOPE}},
    {"method": "tools/cal"},
]


@pytest.mark.parametrize("era", ERAS)
def test_anything_wrong_is_told_in_the_words_of_the_sdk(era: str, house: tuple[str, dict[str, str]]) -> None:
    client = Client(house[0], house[1]["one"], era)
    for change in WRONG:
        body = {**client.body("economy_read", {}), **change}
        assert comparable(client.call(body)) == comparable(client.call(body, **LONG_WAY)), change
    for header, value in (
        ("accept", "application/json"),
        ("accept", "text/html"),
        ("mcp-name", "eil_regime"),
    ):
        body = client.body("economy_read", {})
        given = {header: value}
        assert comparable(client.call(body, **given)) == comparable(client.call(body, **given, **LONG_WAY)), (
            given
        )


@pytest.mark.parametrize("era", ERAS)
def test_who_asks_for_progress_gets_a_stream_if_there_is_any(
    era: str, house: tuple[str, dict[str, str]]
) -> None:
    client = Client(house[0], house[1]["one"], era)
    answer = client.call(client.body("economy_read", {}, progressToken="p"))
    assert document(answer)["result"]["isError"] is False
    assert era == STATELESS or answer.headers["content-type"].startswith("text/event-stream")


def test_a_session_is_answered_for_its_beginner_while_it_is_open(house: tuple[str, dict[str, str]]) -> None:
    url, tokens = house
    client = Client(url, tokens["one"], HANDSHAKE)
    body = client.body("economy_read", {})
    assert client.call(body).status_code == 200
    assert client.call(body, authorization=f"Bearer {tokens['two']}").status_code == 404
    assert client.call(body, **{"mcp-session-id": "0" * 32}).status_code == 404
    httpx.delete(f"{url}/mcp", headers=client.headers).raise_for_status()
    assert client.call(body).status_code == 404


def test_a_session_that_was_not_begun_is_refused(house: tuple[str, dict[str, str]]) -> None:
    url, tokens = house
    client = Client(url, tokens["one"], HANDSHAKE)
    body = client.body("economy_read", {})
    del client.headers["mcp-session-id"]
    assert client.call(body).status_code == 400


def test_what_acts_twice_when_sent_twice_keeps_its_stream() -> None:
    quick = {declared.name for declared in registry if is_quick(declared)}
    assert {"economy_read", "eil_regime", "telemetry_ingest"} <= quick
    assert not quick & {
        "shield_act",
        "agent_run",
        "economy_mint",
        "shield_triage",
        "nvp_forecast",
        "platform_ask",
    }
    assert all(registry[name].idempotent for name in quick)
