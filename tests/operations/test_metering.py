"""Every call is metered under the principal that the server knows, and a killed server still sends the bill."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from industriverse.economy import MICRO, Asset, BudgetExceededError
from industriverse.economy.ledger import Ledger
from industriverse.economy.metering import COMPUTE_ACCOUNT
from industriverse.operations.context import LOCAL_OPERATOR, Principal
from industriverse.operations.costs import Cost, count_steps
from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from prepared_plant import CLEAN_HOURS, PLANT, call, on, opened

ADA = Principal("ada", frozenset({"*"}))
SMALL = {"ada": {"capacity_ceu": 12.0, "refill_ceu_per_s": 0.000001}}


@contextmanager
def with_budget(home: Path) -> Iterator[Platform]:
    home.mkdir(parents=True, exist_ok=True)
    (home / "budgets.json").write_text(json.dumps(SMALL))
    with opened(home) as platform:
        yield platform


def spent(home: Path) -> int:
    with Ledger(home / "ledger.sqlite") as ledger:
        report = ledger.verify()
        assert report.ok, str(report.fault)
        return ledger.balance(COMPUTE_ACCOUNT, Asset.CEU)


def test_a_cheap_call_costs_what_it_declares_and_is_booked(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home) as platform:
        for _ in range(3):
            asyncio.run(call(platform, "platform_status", caller=ADA))
        platform.meter.book()
        platform.meter.book()
    assert spent(home) == 3 * MICRO // 1_000


def test_measured_steps_are_charged_not_the_declared_ones(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create = {"seed": 3}
    with opened(home) as platform:
        before = platform.meter.available("ada")
        run = asyncio.run(call(platform, "sim_run", caller=ADA, plant_id="p", until_hours=2.0, create=create))
        assert run.samples_added > 0
        platform.meter.book()
        assert before - platform.meter.available("ada") <= run.samples_added * MICRO // 1_000
    assert spent(home) == run.samples_added * MICRO // 1_000


def test_verbs_that_compute_pay_what_they_computed(learned: Path) -> None:
    def counted(name: str) -> float:
        return REGISTRY.get_sample_value("industriverse_steps_total", {"operation": name}) or 0.0

    def charged(platform: Platform, name: str, **arguments: Any) -> tuple[Any, float]:
        before = counted(name)
        said = asyncio.run(call(platform, name, caller=ADA, **arguments))
        return said, counted(name) - before

    with opened(learned) as platform:
        asyncio.run(call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS + 32))
        proof, steps = charged(platform, "eil_prove", stream=PLANT)
        assert steps == 5 * proof.samples != registry["eil_prove"].cost.base
        found, steps = charged(platform, "nvp_ensemble", stream=PLANT, horizon_hours=2.0)
        assert steps == found.steps > 0
        for name in ("eil_attention", "eil_reflect"):
            assert charged(platform, name, stream=PLANT)[1] > registry[name].cost.base


def test_a_call_that_fails_is_charged_all_the_same(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home) as platform:
        with pytest.raises(NotFoundError):
            asyncio.run(call(platform, "eil_regime", caller=ADA, stream="none"))
        platform.meter.book()
    assert spent(home) == registry["eil_regime"].cost.base * MICRO // 1_000


def test_a_refusal_names_the_price_the_time_and_a_cheaper_call(tmp_path: Path) -> None:
    with with_budget(tmp_path / "home") as platform:
        with pytest.raises(BudgetExceededError) as caught:
            asyncio.run(call(platform, "sim_run", caller=ADA, plant_id="p", until_hours=1_000.0))
        assert "ada needs 12.01 CEU and its budget holds 12" in str(caught.value)
        assert "until_hours = 999 would fit now" in str(caught.value)
        for _ in range(2):
            with pytest.raises(NotFoundError):
                asyncio.run(
                    call(platform, "shield_plan", caller=ADA, incident_id="incident-0123456789abcdef")
                )
        with pytest.raises(
            BudgetExceededError, match=r"needs 5 CEU and its budget holds 2; .* would fit now"
        ):
            asyncio.run(call(platform, "shield_plan", caller=ADA, incident_id="incident-0123456789abcdef"))
        assert asyncio.run(call(platform, "platform_status", caller=ADA))


def test_one_principal_does_not_spend_the_budget_of_another(tmp_path: Path) -> None:
    with with_budget(tmp_path / "home") as platform:
        before = platform.meter.available(LOCAL_OPERATOR.name)
        asyncio.run(call(platform, "platform_status", caller=ADA))
        assert platform.meter.available(LOCAL_OPERATOR.name) == before


def test_a_restart_does_not_refill_a_budget(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with with_budget(home) as platform:
        for _ in range(1_000):
            asyncio.run(call(platform, "platform_status", caller=ADA))
        # The ledger was not open: what is owed stays in the journal.
    with with_budget(home) as platform:
        platform.meter.book()
        assert 11 * MICRO <= platform.meter.available("ada") < 11 * MICRO + 1_000
    assert spent(home) == MICRO


def test_read_only_mode_writes_no_ledger_and_the_next_server_books_what_was_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home, read_only=True) as platform:
        asyncio.run(call(platform, "platform_status", caller=ADA))
        platform.meter.book()
    assert not (home / "ledger.sqlite").exists()
    with opened(home) as platform:
        platform.meter.book()
    assert spent(home) == MICRO // 1_000


def test_calls_at_the_same_time_each_pay_their_own_steps(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        async def one(number: int) -> int:
            plant = f"p{number}"
            run = await call(platform, "sim_run", caller=ADA, plant_id=plant, until_hours=1.0, create={})
            assert isinstance(run.samples_added, int)
            return run.samples_added

        samples = asyncio.gather(*(one(number) for number in range(3)))
        await asyncio.gather(*(call(platform, "platform_status") for _ in range(20)))
        steps = sum(await samples) + 20
        platform.meter.book()
        with Ledger(platform.home.paths.ledger) as ledger:
            assert ledger.balance(COMPUTE_ACCOUNT, Asset.CEU) == steps * MICRO // 1_000

    on(tmp_path / "home", story)


def test_malformed_budgets_are_named_with_their_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "budgets.json").write_text('{"ada": {"capacity_ceu": -1, "refill_ceu_per_s": 1}}')
    with opened(home) as platform, pytest.raises(OperationError, match=r"budgets\.json"):
        asyncio.run(call(platform, "platform_status"))


def test_steps_outside_of_a_call_are_nobodys() -> None:
    count_steps(5)


@pytest.mark.parametrize(
    ("base", "field", "per_unit"), [(0, "", 0.0), (1, "x", 0.0), (1, "", 2.0), (1, "x", -1.0)]
)
def test_a_cost_that_makes_no_sense_is_refused(base: int, field: str, per_unit: float) -> None:
    with pytest.raises(ValueError, match="is no cost"):
        Cost(base, field, per_unit)


SERVER = """
import asyncio, sys
from pathlib import Path
from typing import Any
from industriverse.operations.context import Principal
from prepared_plant import call, opened
async def main(platform):
    number = 0
    while True:
        await call(platform, "platform_status", caller=Principal("ada", frozenset({"*"})))
        number += 1
        print(number, flush=True)
        if number % 50 == 0:
            platform.meter.book()
with opened(Path(sys.argv[1])) as platform:
    asyncio.run(main(platform))
"""


def test_after_kill_nine_every_answered_call_is_charged_and_none_twice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    answered = 0
    for lines in (30, 75, 160):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(home)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        with process:
            seen = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
            seen += process.stdout.readlines()
        answered += int([line for line in seen if line.endswith("\n")][-1])
    with opened(home) as platform:
        platform.meter.book()
    # At most one call a round was charged and killed before it said so.
    assert answered <= spent(home) // (MICRO // 1_000) <= answered + 3
