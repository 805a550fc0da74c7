"""Long calls as tasks: owned, kept, cancelled, taken up again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from industriverse.mcp_server.task_store import TaskRecord, TaskStore
from industriverse.operations.context import LOCAL_OPERATOR
from industriverse.operations.home import paths_of
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load
from prepared_plant import Prepared, copied

load()
ACCEPT = {"accept": "application/json, text/event-stream"}
TESTS = Path(__file__).parents[1]

SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import uvicorn
from industriverse.mcp_server.app import create_web_application
from prepared_plant import opened
with opened(Path(sys.argv[1])) as platform:
    app = create_web_application(platform, toolsets=frozenset({"all"}))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", timeout_graceful_shutdown=5)
"""


class Server:
    """A server process that may be killed."""

    def __init__(self, home: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        words = [sys.executable, "-c", SERVER, str(home), str(port), str(TESTS)]
        self.process = subprocess.Popen(words, env=dict(os.environ))
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
            assert self.process.poll() is None
        raise AssertionError("the server did not become ready")

    def ask(self, method: str, params: dict[str, Any], name: str) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {
                "elicitation": {},
                "extensions": {"io.modelcontextprotocol/tasks": {}},
            },
        }
        headers = {**ACCEPT, "mcp-protocol-version": "2026-07-28", "mcp-method": method, "mcp-name": name}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        answer = httpx.post(f"{self.url}/mcp", json=body, headers=headers, timeout=60)
        text = answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            text = [line for line in text.splitlines() if line.startswith("data: {")][-1].removeprefix(
                "data: "
            )
        return dict(json.loads(text))

    def task(self, task_id: str, method: str = "tasks/get", **more: Any) -> dict[str, Any]:
        return dict(self.ask(method, {"taskId": task_id, **more}, task_id)["result"])

    def until(self, task_id: str, *statuses: str) -> dict[str, Any]:
        for _ in range(600):
            task = self.task(task_id)
            if task["status"] in statuses:
                return task
            time.sleep(0.1)
        raise AssertionError(f"the task stayed {task}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=60) in {0, -signal.SIGTERM}


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def simulate(server: Server, hours: float) -> dict[str, Any]:
    arguments = {"plant_id": "long", "until_hours": hours, "create": {"interval_s": 900}}
    return dict(server.ask("tools/call", {"name": "sim_run", "arguments": arguments}, "sim_run")["result"])


def test_tasks_threads_and_tokens_survive_kill_9(story: Prepared, tmp_path: Path) -> None:
    """One server is killed in the middle of a simulation and of a run that waits for a person."""
    from industriverse.operations.tokens import TokenStore

    home = copied(story.alarmed, tmp_path / "home")
    token = TokenStore(paths_of(home).tokens).add("alice", "viewer", now_ns=1)
    server = Server(home, free_port())
    finished = simulate(server, 24.0)
    begun = simulate(server, 24.0 * 300)
    assert (finished["resultType"], begun["resultType"]) == ("task", "task"), begun
    run = server.ask(
        "tools/call",
        {"name": "agent_run", "arguments": {"incident_id": story.incident_id, "thread_id": "t"}},
        "agent_run",
    )["result"]
    assert run["resultType"] == "task"
    waiting = server.until(run["taskId"], "input_required")
    question = waiting["inputRequests"]
    assert server.task(begun["taskId"])["status"] == "working"
    server.kill()

    again = Server(home, free_port())
    assert again.task(begun["taskId"])["status"] == "working"
    assert again.until(run["taskId"], "input_required")["inputRequests"] == question
    (key,) = question
    again.task(
        run["taskId"],
        "tasks/update",
        inputResponses={key: {"action": "accept", "content": {"approve": False}}},
    )
    done = again.until(run["taskId"], "completed", "failed")
    assert done["status"] == "completed", done
    assert done["result"]["structuredContent"]["outcome"] == "declined"
    again.task(begun["taskId"], "tasks/cancel")
    assert again.task(begun["taskId"])["status"] == "cancelled"
    state = httpx.get(f"{again.url}/v1/agents/agent_state", params={"thread_id": "t"}, timeout=30).json()
    assert state["runs"][0]["status"] == "done"
    again.stop()
    kept = TaskStore(paths_of(home).tasks)
    statuses = {
        task: kept.find(task, LOCAL_OPERATOR.identity, time.time_ns())
        for task in (run["taskId"], begun["taskId"])
    }
    assert [record.status for record in statuses.values() if record] == ["completed", "cancelled"]
    assert TokenStore(paths_of(home).tokens).find(token.text, now_ns=2) is not None


def record(task_id: str, owner: str, *, created_ns: int = 1, ttl_ms: int = 1000) -> TaskRecord:
    return TaskRecord(task_id, owner, "sim_run", {"x": 1}, "working", "", created_ns, created_ns, ttl_ms)


def test_a_task_is_found_by_its_owner_alone_and_forgotten_in_time(tmp_path: Path) -> None:
    store = TaskStore(tmp_path / "tasks.sqlite")
    store.save(record("a", "alice"))
    assert store.find("a", "alice", 2) == record("a", "alice")
    assert store.find("a", "bob", 2) is None
    assert store.find("a", "alice", 2 * 10**9) is None
    assert (store.unfinished(), store.unfinished("alice"), store.unfinished("bob")) == (1, 1, 0)
    store.forget(2 * 10**9)
    assert store.unfinished() == 0


def test_a_task_that_has_ended_stays_as_it_was(tmp_path: Path) -> None:
    from dataclasses import replace

    store = TaskStore(tmp_path / "tasks.sqlite")
    ended = replace(record("a", "alice"), status="cancelled")
    store.save(ended)
    store.save(replace(ended, status="completed", result={"content": []}))
    assert store.find("a", "alice", 2) == ended


def test_an_owner_has_a_quota_of_tasks() -> None:
    from mcp.shared.exceptions import MCPError

    from industriverse.mcp_server.callers import local_caller
    from industriverse.mcp_server.tasks import OWNER_QUOTA, RunningTask, Tasks

    async def tale(folder: Path) -> None:
        store = TaskStore(folder / "tasks.sqlite")
        tasks = Tasks({}, store, local_caller)
        for number in range(OWNER_QUOTA):
            name = str(number)
            tasks._running[name] = RunningTask(record(name, LOCAL_OPERATOR.identity), tasks._save)
        with pytest.raises(MCPError, match="wait for one or cancel it"):
            tasks._begin("sim_run", {})

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(tale(Path(folder)))


def test_only_what_can_be_called_again_is_offered_as_a_task() -> None:
    offered = [declared for declared in registry if declared.task]
    assert {"sim_run", "agent_run"} <= {declared.name for declared in offered}
    for declared in offered:
        assert declared.idempotent or "thread_id" in declared.input_model.model_fields


def test_a_slow_disk_holds_up_nobody_and_nobody_hears_of_what_is_not_on_it(tmp_path: Path) -> None:
    """Writes take their turn on one thread; whoever is told of a change is told once it is written."""
    import threading

    from industriverse.mcp_server.callers import local_caller
    from industriverse.mcp_server.tasks import RunningTask, Tasks

    class SlowStore(TaskStore):
        gate = threading.Event()

        def save(self, record: TaskRecord) -> None:
            assert self.gate.wait(30.0)
            super().save(record)

    async def tale() -> None:
        store = SlowStore(tmp_path / "tasks.sqlite")
        tasks = Tasks({}, store, local_caller)
        end = asyncio.Event()

        async def call() -> dict[str, Any]:
            await end.wait()
            return {"content": []}

        task = RunningTask(record("a", LOCAL_OPERATOR.identity, ttl_ms=10**12), tasks._save)
        tasks._start(task, call)
        announced = asyncio.create_task(tasks._announce(task))
        await asyncio.sleep(0.05)
        assert not announced.done()
        end.set()
        await asyncio.sleep(0.05)
        assert task.record.status == "completed"
        assert task.written is not None
        assert not task.written.done()
        store.gate.set()
        await announced
        await tasks.park()
        found = store.find("a", LOCAL_OPERATOR.identity, 2)
        assert found is not None
        assert found.status == "completed"
        store.close()

    asyncio.run(tale())
