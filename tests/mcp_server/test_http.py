"""MCP and REST over a real port on the loopback interface."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from industriverse.operations.registry import registry
from mcp_results import text_of
from prepared_plant import PLANT, Prepared, copied
from web_server import served


@pytest.fixture(scope="module")
def url(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(copied(story.alarmed, tmp_path_factory.mktemp("http") / "home")) as address:
        yield address


def post(url: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}{path}", json={} if body is None else body, headers=headers, timeout=60)


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_the_sdk_client_lists_and_calls_tools_over_http(era: str, url: str, story: Prepared) -> None:
    async def tale() -> None:
        async with Client(f"{url}/mcp", mode=era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            threats = await client.call_tool("shield_threats", {})
            refused = await client.call_tool("eil_regime", {"stream": "nonsense"})
        assert names == {declared.name for declared in registry}
        assert threats.structured_content["incidents"][0]["id"] == story.incident_id
        assert refused.is_error
        assert "streams are: practice" in text_of(refused)

    asyncio.run(tale())


def test_rest_answers_as_the_tool_does(url: str, story: Prepared) -> None:
    answer = post(url, "/v1/shield/threats")
    assert answer.status_code == 200
    assert answer.json()["incidents"][0]["id"] == story.incident_id


@pytest.mark.parametrize(
    ("path", "body", "status", "part"),
    [
        ("/v1/eil/regime", {"stream": "nonsense"}, 404, "streams are: practice"),
        ("/v1/eil/regime", {}, 422, "stream"),
        ("/v1/eil/regime", {"stream": PLANT, "nonsense": 1}, 422, "nonsense"),
        ("/v1/eil/regime", {"stream": PLANT, "at": "yesterday"}, 422, "2026-03-01"),
        ("/v1/nvp/forecast", {"stream": PLANT, "horizon_hours": 1e9}, 422, "horizon_hours"),
        ("/v1/shield/act", {"plan_id": "nonsense"}, 400, "not a signed plan id"),
        ("/v1/economy/mint", {"certificate_id": "nonsense"}, 404, "eil_prove"),
    ],
)
def test_rest_errors_are_problem_documents(
    path: str, body: dict[str, Any], status: int, part: str, url: str
) -> None:
    answer = post(url, path, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert set(problem) == {"type", "status", "title", "detail", "hint"}
    assert part in problem["detail"] + problem["hint"]


def test_a_body_that_is_no_json_is_a_problem_document(url: str) -> None:
    answer = httpx.post(f"{url}/v1/eil/regime", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b"", b"hello", b"{", b"[]", b"null", b'{"stream": "x"}'])
def test_a_body_that_is_no_json_object_is_told_how_to_be_sent(content: bytes, url: str) -> None:
    """The last is what curl sends when nobody names a type."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = httpx.post(f"{url}/v1/eil/regime", content=content, headers=form, timeout=30)
    assert (answer.status_code, answer.json()["detail"]) == (422, "body: is no JSON object")
    assert "Content-Type: application/json" in answer.json()["hint"]


def test_the_first_page_tells_every_route_and_loads_nothing_from_elsewhere(url: str) -> None:
    page = httpx.get(f"{url}/", follow_redirects=True, timeout=30)
    assert (page.status_code, page.url.path) == (200, "/docs")
    for declared in registry:
        verb = declared.name.removeprefix(f"{declared.toolset}_")
        assert f"POST /v1/{declared.toolset}/{verb}<" in page.text
    assert "<script" not in page.text
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_what_needs_a_person_is_refused_over_rest_with_a_hint(story: Prepared, planned: Path) -> None:
    with served(planned) as url:
        answer = post(url, "/v1/shield/act", {"plan_id": story.plan_id})
    assert answer.status_code == 409
    assert "elicitation" in answer.json()["hint"]


def test_read_only_rest_has_no_route_that_changes_anything(tmp_path: Path) -> None:
    with served(tmp_path / "home", read_only=True) as url:
        paths = httpx.get(f"{url}/openapi.json").json()["paths"]
        named = {route["post"]["operationId"] for route in paths.values() if "post" in route}
        assert named == {declared.name for declared in registry if declared.read_only}
        assert post(url, "/v1/sim/run", {"plant_id": "p", "until_hours": 1}).status_code in {404, 405}


@pytest.mark.parametrize("path", ["/healthz", "/v1/shield/threats", "/mcp", "/metrics"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"])
def test_a_foreign_host_header_is_refused(path: str, host: str, url: str) -> None:
    for answer in (httpx.get(f"{url}{path}", headers={"host": host}), post(url, path, host=host)):
        assert answer.status_code in {400, 421}


def test_a_foreign_origin_is_refused_by_mcp(url: str) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    answer = post(
        url, "/mcp", request, origin="http://evil.example", accept="application/json, text/event-stream"
    )
    assert answer.status_code == 403


def test_a_foreign_origin_is_refused_by_rest(url: str) -> None:
    assert post(url, "/v1/platform/status", origin="http://evil.example").status_code == 403
    assert post(url, "/v1/platform/status", origin="http://localhost:3000").status_code == 200


def test_health_and_metrics_answer(url: str) -> None:
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    post(url, "/v1/platform/status")
    metrics = httpx.get(f"{url}/metrics").text
    assert 'industriverse_operation_calls_total{operation="platform_status",outcome="done"}' in metrics
    assert "industriverse_operation_seconds_bucket" in metrics


def test_the_interface_description_names_every_operation(url: str) -> None:
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    named = {route["post"]["operationId"] for route in paths.values() if "post" in route}
    assert named == {declared.name for declared in registry}
