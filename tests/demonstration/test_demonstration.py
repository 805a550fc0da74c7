"""The demonstration as a person runs it: the real command, the real server, a real process killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = [sys.executable, "-m", "industriverse.cli", "demo"]
PATIENCE_S = 400


def demo(home: Path, *options: str) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [*COMMAND, "--home", str(home), "--json", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def assert_main_job_done(outcome: dict[str, Any], shown: str) -> None:
    assert "SIMULATION" in shown
    assert outcome["attack_hour"] is not None
    assert 0.0 <= outcome["hours_to_detect"] < 12.0
    last = [response for response in outcome["responses"] if response["outcome"] == "recovered"][-1]
    assert last["actions"]
    assert outcome["unattended_lost_m3"] > 10_000.0
    assert outcome["lost_m3"] < 0.5 * outcome["unattended_lost_m3"]
    assert outcome["verified"].startswith("VALID")
    assert "altered" in outcome["tampered_refusal"]
    assert float(outcome["balance_pft"]) > 0.0
    assert "was minted" in outcome["second_mint_refusal"]
    regimes = [state.split(":")[0] for state in outcome["atlas_states"]]
    assert regimes[0] == "reference"
    assert {"disturbed", "recovered"} <= set(regimes)


def test_the_main_job_survives_kill_nine_and_is_done(tmp_path: Path) -> None:
    """Kill client and server when the first action has been carried out, then run the command again."""
    process = subprocess.Popen(
        [*COMMAND, "--home", str(tmp_path), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[:1] == ["act"]:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    outcome, shown = demo(tmp_path)
    assert "an interrupted run goes on" in shown
    assert outcome["resumed"]
    assert_main_job_done(outcome, shown)
    done = [action for response in outcome["responses"] for action in response.get("actions", [])]
    assert len(done) == len(set(done))


def test_without_attack_there_is_no_ticket(tmp_path: Path) -> None:
    outcome, _ = demo(tmp_path, "--no-attack")
    assert outcome["ticket_hours"] == []
    assert outcome["responses"] == []
    assert outcome["lost_m3"] == pytest.approx(0.0, abs=1.0)


def test_without_response_the_damage_is_shown(tmp_path: Path) -> None:
    outcome, shown = demo(tmp_path, "--no-response")
    assert outcome["hours_to_detect"] is not None
    assert outcome["responses"] == []
    assert outcome["lost_m3"] > 10_000.0
    assert "lost" in shown


def test_a_second_owner_of_a_running_home_is_told_so(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "industriverse.cli", "mcp", "--home", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30.0
        while not (tmp_path / "keys").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        second = subprocess.run(
            [sys.executable, "-m", "industriverse.cli", "mcp", "--home", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
    finally:
        server.kill()
        server.wait()
        assert server.stdin is not None
        server.stdin.close()
    assert second.returncode != 0
    assert "another process owns" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
