"""Metrics are those that the documentation lists, and no caller can make more of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

import industriverse.mcp_server.tools
import industriverse.mcp_server.web
import industriverse.operations.memory  # noqa: F401
from industriverse.operations.toolsets import load
from prepared_plant import Prepared, copied
from web_server import served

PAGE = Path(__file__).parents[2] / "docs" / "bridge.md"
ROW = re.compile(r"^\| `(industriverse_[a-z0-9_]+)` \| (\w+) \| ([a-z, ]*) \| (.+) \|$", re.MULTILINE)

BOUNDED = {
    "action", "direction", "era", "kind", "method", "operation", "outcome", "reason", "route", "source", "status",
    "store", "tool", "type",
}  # fmt: skip
"""Labels whose values are declared in the code; never a name, an id or a path that a caller chose."""


def declared() -> dict[str, tuple[str, str, str]]:
    load()
    found = {}
    for metric in REGISTRY.collect():
        if metric.name.startswith("industriverse_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            collector = REGISTRY._names_to_collectors[name]
            labels = ", ".join(getattr(collector, "_labelnames", ()))
            found[name] = (metric.type, labels, metric.documentation)
    return found


def test_the_documentation_lists_every_metric_as_it_is() -> None:
    listed = {
        name: (kind, labels.strip(), text) for name, kind, labels, text in ROW.findall(PAGE.read_text())
    }
    assert listed == declared()


def test_there_are_enough_for_an_operator() -> None:
    assert len(declared()) >= 45


def test_no_label_takes_what_a_caller_chooses() -> None:
    for name, (_, labels, _) in declared().items():
        used = {label for label in labels.split(", ") if label}
        assert used <= BOUNDED, name


@pytest.fixture(scope="module")
def url(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(copied(story.alarmed, tmp_path_factory.mktemp("metrics") / "home")) as address:
        yield address


def series(url: str) -> set[str]:
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    return {
        line.rsplit(" ", 1)[0]
        for line in lines
        if line.startswith("industriverse_") and "_created" not in line
    }


def test_a_flood_of_odd_requests_makes_no_flood_of_series(url: str) -> None:
    def flood(prefix: str) -> None:
        for number in range(20):
            odd = f"{prefix}{number}"
            httpx.get(f"{url}/{odd}", timeout=30)
            httpx.request(odd.upper(), f"{url}/v1/{odd}", timeout=30)
            httpx.post(f"{url}/v1/eil/regime", json={"stream": odd}, timeout=30)
            body = {"jsonrpc": "2.0", "id": 1, "method": odd, "params": {}}
            accept = {"accept": "application/json, text/event-stream"}
            httpx.post(f"{url}/mcp", json=body, headers=accept, timeout=30)

    flood("first")
    # The first look at the metrics makes the series of looking at them.
    series(url)
    before = series(url)
    flood("second")
    assert series(url) == before


def test_the_state_of_the_stores_is_told(url: str) -> None:
    text = httpx.get(f"{url}/metrics", timeout=60).text
    assert "industriverse_streams 1.0" in text
    assert "industriverse_streams_in_alarm 1.0" in text
    assert "industriverse_incidents_open 1.0" in text
    assert 'industriverse_home_bytes{store="streams"}' in text
