"""A server that is told to stop finishes what runs, lets go of those who only listen, and exits."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from mcp import Client

STOPS_WITHIN_S = 25.0


@contextmanager
def process(home: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """``industriverse serve`` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "industriverse.cli", "serve", "--home", str(home), "--port", str(port)]
    running = subprocess.Popen([*command, "--toolsets", "all"], stderr=subprocess.PIPE, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/readyz", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url, running
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()
        assert running.stderr is not None
        running.stderr.close()


def test_a_server_that_stops_finishes_its_calls_and_ends_open_streams(tmp_path: Path) -> None:
    run = {"plant_id": "p", "until_hours": 240, "create": {"interval_s": 900}}

    async def tale(url: str, running: "subprocess.Popen[bytes]") -> tuple[httpx.Response, float]:
        async with (
            httpx.AsyncClient(base_url=url, timeout=60) as http,
            http.stream("GET", "/v1/stream") as events,
            Client(f"{url}/mcp") as client,
            client.listen(resource_subscriptions=["shield://threats/active"]) as subscription,
        ):
            assert events.status_code == 200
            call = asyncio.create_task(http.post("/v1/sim/run", json=run))
            while (
                'industriverse_operation_running{operation="sim_run"} 1.0'
                not in (await http.get("/metrics")).text
            ):
                await asyncio.sleep(0.02)
            asked = time.monotonic()
            running.send_signal(signal.SIGTERM)
            answer = await call
            await asyncio.wait_for(events.aread(), STOPS_WITHIN_S)
            async for _ in subscription:
                raise AssertionError("nothing was raised")
            await asyncio.to_thread(running.wait, STOPS_WITHIN_S)
        return answer, time.monotonic() - asked

    with process(tmp_path / "home") as (url, running):
        answer, took_s = asyncio.run(tale(url, running))
        assert running.stderr is not None
        said = running.stderr.read().decode()
    assert (answer.status_code, answer.json()["samples_added"]) == (200, 960)
    assert took_s < STOPS_WITHIN_S
    assert running.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in said
