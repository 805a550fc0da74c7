"""One id through everything that a request touches, and the energy context on every answer."""

import asyncio
import json
import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from opentelemetry import trace

from industriverse.mcp_server.answering import ENERGY_META
from industriverse.mcp_server.app import create_mcp_server
from industriverse.mcp_server.logs import JsonLines
from industriverse.operations.announcing import INCIDENTS
from industriverse.operations.home import paths_of
from industriverse.operations.platform import Platform
from industriverse.operations.tracing import (
    baggage_value,
    current_trace_id,
    outgoing_headers,
    request_context,
)
from industriverse.shield.telemetry.bus import BusTopic
from prepared_plant import PLANT, Prepared, copied, opened
from web_server import served


@pytest.fixture(scope="module")
def home(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(story.alarmed, tmp_path_factory.mktemp("context") / "home")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with served(home) as address:
        yield address


def parent() -> tuple[str, str]:
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


def audited(url: str, trace_id: str) -> list[tuple[str, str]]:
    body = {"trace_id": trace_id}
    items = httpx.post(f"{url}/v1/ops/audit_search", json=body, timeout=30).json()["items"]
    return [(item["operation"], item["principal"]) for item in items]


def events_of_a_stranger() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Polls of a controller from which its habits are learned, and a command that it never got."""
    start = datetime(2026, 3, 1, tzinfo=UTC)

    def event(second: int, symbol: str) -> dict[str, Any]:
        moment = (start + timedelta(seconds=second)).isoformat()
        return {"time": moment, "entity": "plc-1", "symbol": symbol}

    polls = [event(second, ("read coils", "read inputs")[second % 2]) for second in range(3000)]
    return polls, [event(3050, "write coil")]


async def over_mcp(url: str, era: str, traceparent: str) -> Any:
    """Raise an incident through MCP over HTTP; the trace travels in ``_meta``."""
    polls, attack = events_of_a_stranger()
    stream = f"bus-{era}"
    async with Client(f"{url}/mcp", mode=era) as client:
        await client.call_tool("signal_feed_events", {"stream": stream, "events": polls})
        await client.call_tool("signal_learn_events", {"stream": stream})
        with request_context({"traceparent": traceparent, "baggage": "shift=night"}):
            return await client.call_tool("signal_feed_events", {"stream": stream, "events": attack})


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_one_id_goes_through_http_headers_meta_graph_tools_bus_audit_logs_and_back(
    era: str, home: Path, url: str, story: Prepared, caplog: pytest.LogCaptureFixture
) -> None:
    trace_id, traceparent = parent()
    formatter = JsonLines()
    with caplog.at_level(logging.INFO, logger="industriverse"):
        raised = asyncio.run(over_mcp(url, era, traceparent))
        answer = httpx.post(
            f"{url}/v1/agents/agent_run",
            json={"incident_id": story.incident_id, "thread_id": f"traced-{era}"},
            headers={"traceparent": traceparent, "baggage": "shift=night"},
            timeout=120,
        )
    # MCP: the id came in _meta and goes back in it.
    assert not raised.is_error, raised.content
    assert raised.structured_content["tickets"]
    assert trace_id in raised.meta["traceparent"]
    # The bus: whoever takes the incident up goes on under the same id.
    bus = BusTopic(paths_of(home).bus, INCIDENTS)
    (incident,) = [
        m for m in bus.messages(f"reader-{era}", most=100) if json.loads(m.payload)["stream"] == f"bus-{era}"
    ]
    bus.close()
    assert trace_id in incident.headers["traceparent"]
    assert "shift=night" in incident.headers["baggage"]
    with request_context(incident.headers):
        assert current_trace_id() == trace_id
    # REST: over it nobody can be asked, so the run stops at the question; by then the graph has called its tools.
    assert answer.status_code == 409
    assert trace_id in answer.headers["traceparent"]
    assert "shift=night" in answer.headers["baggage"]
    assert "cost=" in answer.headers["energy-context"]
    calls = audited(url, trace_id)
    assert {("signal_feed_events", "local-operator"), ("agent_run", "local-operator")} <= set(calls)
    assert {"shield_explain", "nvp_forecast", "shield_plan"} & {name for name, _ in calls}
    assert "response-graph" in {principal for _, principal in calls}
    lines = [formatter.format(record) for record in caplog.records if record.name.endswith("policy")]
    assert sum(trace_id in line for line in lines) >= 3
    assert any("signal_feed_events" in line and trace_id in line for line in lines)


def test_the_energy_context_is_on_every_answer(url: str) -> None:
    regime = httpx.post(f"{url}/v1/eil/regime", json={"stream": PLANT}, timeout=30)
    told = dict(part.split("=") for part in regime.headers["energy-context"].split(", "))
    assert told["regime"] == "disturbed"
    assert float(told["cost"]) > 0
    assert float(told["budget-left"]) > 0
    assert len(regime.headers["traceparent"]) == 55


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_meta_carries_trace_and_energy_both_ways(era: str, alarmed: Path) -> None:
    trace_id, traceparent = parent()

    async def tale(platform: Platform) -> Any:
        server = create_mcp_server(platform, toolsets=frozenset({"all"}))
        async with Client(server, mode=era) as client:
            with request_context({"traceparent": traceparent}):
                result = await client.call_tool("eil_regime", {"stream": PLANT})
            found = await client.call_tool("audit_search", {"trace_id": trace_id})
        return result, found

    with opened(alarmed) as platform:
        result, found = asyncio.run(tale(platform))
    assert trace_id in result.meta["traceparent"]
    assert result.meta[ENERGY_META]["regime"] == "disturbed"
    assert float(result.meta[ENERGY_META]["cost"]) > 0
    assert [item["operation"] for item in found.structured_content["items"]] == ["eil_regime"]


@pytest.mark.parametrize(
    "wrong",
    ["", "nonsense", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-" + "g" * 32 + "-" + "1" * 16 + "-01"],
)
def test_a_malformed_parent_begins_a_new_trace(wrong: str) -> None:
    assert current_trace_id() == ""
    with request_context({"traceparent": wrong}):
        assert len(current_trace_id()) == 32
        assert current_trace_id() != "0" * 32
        assert current_trace_id() in outgoing_headers()["traceparent"]
    assert current_trace_id() == ""


def test_baggage_travels_and_a_flood_of_it_is_dropped() -> None:
    with request_context({"baggage": "plant=north,shift=night"}):
        assert (baggage_value("plant"), baggage_value("shift"), baggage_value("x")) == ("north", "night", "")
        with request_context():
            assert baggage_value("plant") == "north"
    with request_context({"baggage": "plant=" + "n" * 9000}):
        assert baggage_value("plant") == ""


def test_spans_of_an_exporter_join_the_callers_trace(alarmed: Path) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from industriverse.operations import policy
    from prepared_plant import call

    heard = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(heard))
    before, policy._tracer = policy._tracer, provider.get_tracer("test")
    trace_id, traceparent = parent()
    try:
        with opened(alarmed) as platform, request_context({"traceparent": traceparent}):
            asyncio.run(call(platform, "eil_regime", stream=PLANT))
    finally:
        policy._tracer = before
    (span,) = heard.get_finished_spans()
    assert span.name == "eil_regime"
    assert format(span.context.trace_id, "032x") == trace_id
    assert dict(span.attributes or {})["industriverse.outcome"] == "done"
    assert trace.get_current_span().get_span_context().trace_id == 0
