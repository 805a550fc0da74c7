"""``eil_decide`` on a stream in alarm and on a calm one."""

from pathlib import Path
from typing import Any

import pytest

from industriverse.operations.errors import InvalidArgumentsError, NotFoundError, OperationError
from industriverse.operations.platform import Platform
from prepared_plant import PLANT, call, on
from wandering_telemetry import wandering


def test_in_alarm_a_repair_beats_doing_nothing_and_says_how_much_is_left(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        options = [{"name": "repair", "relief": 0.95}, {"name": "cut", "relief": 0.95, "reversible": False}]
        decided = await call(platform, "eil_decide", stream=PLANT, options=options)
        assert decided.best == "repair", str(decided)
        assert not decided.needs_approval
        rows = {row.name: row for row in decided.ranking}
        assert rows["repair"].free_energy_kt == pytest.approx(0.05 * rows["do nothing"].free_energy_kt)
        assert rows["cut"].irreversibility_nats > 0
        regime = await call(platform, "eil_regime", stream=PLANT)
        assert decided.free_energy_kt == regime.free_energy_kt
        assert decided.time == regime.time

    on(alarmed, tale)


def test_a_calm_stream_is_best_left_alone(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(1000)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        decided = await call(platform, "eil_decide", stream="s", options=[{"name": "restart", "relief": 1.0}])
        assert decided.best == "do nothing"
        with pytest.raises(OperationError, match="no plant whose commands"):
            await call(platform, "eil_decide", stream="s")
        with pytest.raises(InvalidArgumentsError, match="less than one sample"):
            await call(platform, "eil_decide", stream="s", options=[{"name": "a"}], horizon_hours=1e-6)

    on(tmp_path / "home", tale)


def test_the_commands_of_a_simulated_plant_are_weighed_by_its_operators_model(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        decided: Any = await call(platform, "eil_decide", stream=PLANT)
        assert decided.loss_unit == "m3"
        assert "simulated plant" in decided.options_from
        names = [row.name for row in decided.ranking]
        assert "do nothing" in names
        assert len(names) > 3
        assert decided.best != "do nothing"

    on(alarmed, tale)


def test_an_unknown_stream_is_named(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(NotFoundError, match="nonsense"):
            await call(platform, "eil_decide", stream="nonsense", options=[{"name": "a"}])

    on(tmp_path / "home", tale)
