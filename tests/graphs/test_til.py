"""TIL: where to look, what to do, and whether its own record allows saying so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industriverse.economy.budgets import price_of
from industriverse.eil.errors import DecisionError
from industriverse.eil.transfer_entropy import transfer_entropies, transfer_entropy
from industriverse.operations.context import Principal
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from prepared_plant import PLANT, call, on
from wandering_telemetry import wandering


def driven(rows: int, strength: float, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    noise = np.random.default_rng(seed).standard_normal((rows, 3))
    values = np.zeros((rows, 3))
    for row in range(1, rows):
        values[row] = 0.5 * values[row - 1] + noise[row]
        values[row, 1] += strength * values[row - 1, 0]
    return values


def test_transfer_entropy_is_that_of_the_process() -> None:
    values = driven(60_000, 0.8, 1)
    # var(y'|y) is estimated by the residual of y on its own past; var(y'|y, x) is the noise's, which is 1.
    own = values[1:, 1] - np.polyval(np.polyfit(values[:-1, 1], values[1:, 1], 1), values[:-1, 1])
    expected = 0.5 * np.log(own.var())
    assert transfer_entropy(values[:, 0], values[:, 1]) == pytest.approx(expected, rel=0.02)
    assert transfer_entropy(values[:, 1], values[:, 0]) < 1e-3


def test_only_the_true_driver_is_significant() -> None:
    found = transfer_entropies(driven(600, 0.8, 2), ("a", "b", "c"), seed=1)
    assert [(t.source, t.target) for t in found if t.p_value <= 0.05] == [("a", "b")]


def test_independent_channels_are_seldom_called_drivers() -> None:
    false = sum(
        transfer_entropies(driven(300, 0.0, seed), ("a", "b", "c"), surrogates=99, seed=seed)[0].p_value
        <= 0.05
        for seed in range(40)
    )
    # Binomial(40, 0.05): more than 7 has a chance of 1e-3.
    assert false <= 7


def test_too_few_rows_or_gaps_are_refused() -> None:
    with pytest.raises(DecisionError, match="samples"):
        transfer_entropies(driven(20, 0.0, 1), ("a", "b", "c"))
    holed = driven(100, 0.0, 1)
    holed[3, 0] = np.nan
    with pytest.raises(DecisionError, match="gap"):
        transfer_entropies(holed, ("a", "b", "c"))


def test_in_alarm_the_channels_hold_the_whole_excess_and_advice_is_given(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        seen = await call(platform, "eil_attention", stream=PLANT)
        assert seen.alarm
        assert sum(share.share for share in seen.shares) <= 1.0 + 1e-9
        assert seen.shares[0].share == max(share.share for share in seen.shares)
        options = [{"name": "repair", "relief": 0.95}, {"name": "cut", "relief": 0.99, "reversible": False}]
        run = await call(platform, "agent_run", graph="til", stream=PLANT, options=options, thread_id="t")
        assert run.outcome == "advised"
        assert run.state["advice"] == "repair"
        assert not run.state["may_act_alone"], "30 expectations cannot have been compared yet"
        assert "only" in run.state["reason"]

    on(alarmed, tale)


def test_a_stream_without_options_gets_no_advice(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(1000)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        run = await call(platform, "agent_run", graph="til", stream="s", thread_id="t")
        assert run.outcome == "abstained"
        assert "no plant" in run.state["reason"]

    on(tmp_path / "home", tale)


def test_autonomy_is_earned_by_a_record_that_holds(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(4000)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        record = await call(platform, "eil_reflect", stream="s", horizon_hours=1.0)
        assert record.forecasts >= 30
        assert 0.0 <= record.brier <= 1.0
        assert record.may_act == (record.coverage >= 0.8 and record.brier <= 0.25)
        assert record.may_act, record.reason

    on(tmp_path / "home", tale)


def test_whoever_runs_a_graph_pays_for_the_tools_that_it_calls(tmp_path: Path) -> None:
    analyst = Principal("analyst", frozenset({"*"}))
    budget = {"capacity_ceu": 50.0, "refill_ceu_per_s": 0.000001}
    home = tmp_path / "home"
    home.mkdir()
    (home / "budgets.json").write_text(json.dumps({"*": budget, "local-operator": budget}))

    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(1000)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        own, owner = (platform.meter.available(name) for name in ("analyst", "local-operator"))
        await call(platform, "agent_run", caller=analyst, graph="til", stream="s", thread_id="t")
        agent_run = registry["agent_run"].cost.base
        refilled = 1_000
        assert own - platform.meter.available("analyst") > price_of(agent_run) + refilled
        assert 0 <= platform.meter.available("local-operator") - owner <= refilled
        assert platform.meter.level("response-graph") is None

    on(home, tale)
