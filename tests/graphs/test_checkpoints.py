"""Checkpoints on SQLite and on PostgreSQL: the same run, resumed by another process of the platform."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from field_question import burgers_question
from industriverse.graphs.checkpoints import Checkpoints
from industriverse.graphs.errors import GraphError
from industriverse.operations.platform import Platform
from prepared_plant import call, on

SCRIPT = Path(__file__).parents[2] / "deploy" / "start_test_postgresql.sh"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server: the one that is given, or one of our own."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed (industriverse[postgres])")
    pytest.importorskip("langgraph.checkpoint.postgres", reason="industriverse[postgres] is not installed")
    given = os.environ.get("INDUSTRIVERSE_TEST_POSTGRESQL")
    if given:
        yield given
        return
    started = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=120)
    if started.returncode == 3:
        pytest.skip(f"PostgreSQL cannot be had: {started.stderr.strip()}")
    assert started.returncode == 0, started.stderr
    url, folder = started.stdout.split()
    yield url
    subprocess.run([SCRIPT, "--stop", folder], check=True, timeout=60)


@pytest.mark.service
def test_a_run_on_postgresql_is_known_to_the_next_process(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDUSTRIVERSE_CHECKPOINTS", postgresql.replace("+psycopg", ""))
    field, _ = burgers_question(viscosity_believed=5e-3)

    async def first(platform: Platform) -> None:
        kept = await call(platform, "nvp_field", **field)
        goals = {"accuracy": 0.2}
        run = await call(
            platform, "agent_run", graph="ace", field_id=kept.field_id, goals=goals, thread_id="pg"
        )
        assert run.outcome == "emitted"

    async def second(platform: Platform) -> None:
        (run,) = (await call(platform, "agent_state", thread_id="pg")).runs
        assert (run.graph, run.status, run.outcome) == ("ace", "done", "emitted")
        again = await call(platform, "agent_resume", thread_id="pg")
        assert again.state == run.state

    on(tmp_path / "home", first)
    assert not (tmp_path / "home" / "checkpoints.sqlite").exists()
    on(tmp_path / "home", second)


def test_a_server_that_does_not_answer_is_told_without_its_password() -> None:
    import asyncio

    pytest.importorskip("langgraph.checkpoint.postgres", reason="industriverse[postgres] is not installed")

    async def tale() -> None:
        async with Checkpoints("postgresql://someone:geheim@127.0.0.1:1/none").saver():
            raise AssertionError("there is no such server")

    with pytest.raises(GraphError, match="does not answer") as refused:
        asyncio.run(tale())
    assert "geheim" not in str(refused.value)
