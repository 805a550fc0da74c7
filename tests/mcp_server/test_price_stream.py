"""Prices over HTTP: one event at once, one after every trade, and none for who may not read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from industriverse.economy import MICRO, Asset
from industriverse.economy.ledger import Ledger
from industriverse.mcp_server.authentication import OAuthSettings
from industriverse.mcp_server.web import WebSettings
from web_server import served

PRICES = "/v1/economy/prices/stream"


def told(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events as they come: name and data."""
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def trade(url: str, key: str, **order: str) -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/economy/trade", json={"key": key, "order": order}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_price_comes_at_once_and_again_after_a_trade(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Ledger(home / "ledger.sqlite") as ledger:
        for asset in (Asset.CEU, Asset.MUNT):
            ledger.issue(key=asset.value, asset=asset, account="treasury", amount=1_000 * MICRO)
    with served(home) as url:
        trade(url, "pool", do="add_liquidity", pool="CEU-MUNT", ceu="100", other="50")
        with httpx.stream("GET", f"{url}{PRICES}", params={"pool": "CEU-MUNT"}, timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = told(answer)
            name, first = next(events)
            assert (name, first["ceu"], first["price_ceu"]) == ("price", "100.000000", "2")
            trade(url, "swap", do="swap", pool="CEU-MUNT", sell="CEU", give="10", least="0.1")
            _, second = next(events)
        assert second["ceu"] == "110.000000"
        assert float(second["price_ceu"]) > 2.0
        assert httpx.get(f"{url}{PRICES}", params={"pool": "CEU-GOLD"}, timeout=30).status_code == 422


def test_prices_are_for_callers_with_a_token_where_tokens_are_asked_for(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "' + "A" * 43 + '"}]}')
    trusted = OAuthSettings("https://id.example.org", "https://bridge.example.org/mcp", str(keys))
    with served(tmp_path / "home", settings=WebSettings(oauth=trusted)) as url:
        assert httpx.get(f"{url}{PRICES}", timeout=30).status_code == 401
