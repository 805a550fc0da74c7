"""The OpenAPI document holds: whatever is sent by it, the server answers as it says, and never with a 5xx."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load
from prepared_plant import Prepared, copied
from web_server import served

load()
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the extra dev")

SLOW = frozenset({"shield_plan", "agent_run", "agent_resume", "signal_compile", "sim_run"})


@pytest.fixture(scope="module")
def url(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(copied(story.alarmed, tmp_path_factory.mktemp("openapi") / "home")) as address:
        # The first question loads what answers it; on a busy machine that takes longer than schemathesis waits.
        httpx.post(f"{address}/v1/platform/ask", json={"question": "What is in alarm?"}, timeout=180)
        yield address


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/openapi.json", timeout=60).json())


def test_the_document_is_openapi_3_1_and_examples_are_in_it(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for declared in registry:
        if declared.examples:
            verb = declared.name.removeprefix(f"{declared.toolset}_")
            route = document["paths"][f"/v1/{declared.toolset}/{verb}"]["post"]
            examples = route["requestBody"]["content"]["application/json"]["examples"]
            assert [shown["value"] for shown in examples.values()] == [e.arguments for e in declared.examples]


def test_errors_are_documented_as_problems(document: dict[str, Any]) -> None:
    assert "Problem" in document["components"]["schemas"]
    for path, route in document["paths"].items():
        if path.startswith("/v1/") and "post" in route:
            assert {"403", "404", "409", "413", "422", "429"} <= set(route["post"]["responses"]), path


def test_whatever_fits_the_document_is_answered_as_it_says(url: str, document: dict[str, Any]) -> None:
    """Schemathesis makes requests for every operation; each answer must fit the document."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    wrong: list[str] = []
    checked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        identity = operation.definition.raw.get("operationId", "")
        if not operation.path.startswith("/v1/") or identity.removeprefix("get_") in SLOW | {"stream_events"}:
            continue
        checked += 1

        @settings(
            max_examples=6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            answer = case.call()
            if answer.status_code >= 500:
                wrong.append(f"{case.method} {case.path}: {answer.status_code} for {case.body!r:.300}")
                return
            case.validate_response(
                answer, checks=[schemathesis.checks.not_a_server_error, response_conforms()]
            )

        run()
    assert checked > len(document["paths"]) // 2
    assert not wrong


def response_conforms() -> Any:
    from schemathesis.specs.openapi.checks import response_schema_conformance

    return response_schema_conformance


@given(
    text=st.text(max_size=30),
    number=st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_what_is_sent_is_never_reflected_as_markup(url: str, text: str, number: float) -> None:
    payload = f"<script>{text}</script>"
    answer = httpx.post(
        f"{url}/v1/eil/regime", content=json.dumps({"stream": payload, "x": number}), timeout=30
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
