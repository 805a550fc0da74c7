"""Run the graphs durably: one SQLite file of checkpoints, tools reached through an in-process MCP client."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command, StateSnapshot
from mcp import Client
from mcp.server import MCPServer

from industriverse.graphs.errors import GraphError, ToolCallError
from industriverse.graphs.response import build_response_graph
from industriverse.graphs.state import CallTool, Mode, ResponseContext
from industriverse.operations.agents import Progress, ResponseRun

__all__ = ["ResponseRunner"]


class ResponseRunner:
    """Starts, resumes and reads runs of the threat-response graph.

    Args:
        checkpoints: SQLite file of the checkpoints; survives the process.
        open_server: Makes the MCP server whose tools the nodes call.
    """

    def __init__(self, checkpoints: Path, open_server: Callable[[], MCPServer[Any]]) -> None:
        self._checkpoints = checkpoints
        self._open_server = open_server
        self._running: set[str] = set()

    async def start(self, thread_id: str, incident_id: str, mode: Mode, progress: Progress) -> ResponseRun:
        """Begin a run, or return the state of the one that has this thread id."""
        known = await self.read(thread_id)
        if known is not None:
            if (known.state["incident_id"], known.state["mode"]) != (incident_id, mode):
                raise GraphError(
                    f"run {thread_id[:80]!r} answers {known.state['incident_id']} in {known.state['mode']} mode",
                    hint="go on with it by agent_resume, or give this response another thread_id",
                )
            return known
        return await self._advance(thread_id, {"incident_id": incident_id, "mode": mode}, progress)

    async def answer(self, thread_id: str, approved: bool, reason: str, progress: Progress) -> ResponseRun:
        """Give a waiting run the person's answer and go on."""
        await self._existing(thread_id)
        return await self._advance(
            thread_id, Command(resume={"approved": approved, "reason": reason}), progress
        )

    async def proceed(self, thread_id: str, progress: Progress) -> ResponseRun:
        """Go on from the last checkpoint of a run that was cut off."""
        run = await self._existing(thread_id)
        if run.waiting_for is not None or run.next_node is None:
            return run
        return await self._advance(thread_id, None, progress)

    async def read(self, thread_id: str) -> ResponseRun | None:
        """The run as of its last checkpoint, None if there is none."""
        async with self._saver() as saver:
            snapshot = await build_response_graph(saver).aget_state(_config(thread_id))
        if not snapshot.values:
            return None
        waiting = [interrupt.value for interrupt in snapshot.interrupts]
        return ResponseRun(
            thread_id=thread_id,
            next_node=_next_node(snapshot),
            waiting_for=waiting[0]["question"] if waiting else None,
            plan_id=snapshot.values.get("plan_id", ""),
            state=dict(snapshot.values),
        )

    async def threads(self) -> list[str]:
        """Thread ids, newest first."""
        seen: dict[str, None] = {}
        async with self._saver() as saver:
            async for checkpoint in saver.alist(None):
                seen.setdefault(checkpoint.config["configurable"]["thread_id"])
        return list(seen)

    async def _existing(self, thread_id: str) -> ResponseRun:
        run = await self.read(thread_id)
        if run is None:
            raise GraphError(
                f"no run {thread_id[:80]!r}", hint="call agent_state without a thread_id to list runs"
            )
        return run

    async def _advance(self, thread_id: str, step: Any, progress: Progress) -> ResponseRun:
        with self._alone(thread_id):
            await self._stream(thread_id, step, progress)
        return await self._existing(thread_id)

    @contextmanager
    def _alone(self, thread_id: str) -> Iterator[None]:
        """Let one call at a time drive a run: two would both act on the same checkpoint."""
        if thread_id in self._running:
            raise GraphError(f"run {thread_id[:80]!r} is going on", hint="look at it with agent_state")
        self._running.add(thread_id)
        try:
            yield
        finally:
            self._running.discard(thread_id)

    async def _stream(self, thread_id: str, step: Any, progress: Progress) -> None:
        failure: Exception | None = None
        async with self._saver() as saver, Client(self._open_server()) as client:
            events = build_response_graph(saver).astream(
                step,
                _config(thread_id),
                context=ResponseContext(call_tool=_caller(client)),
                stream_mode=["updates", "custom"],
                durability="sync",
            )
            try:
                await _report(events, progress)
            except Exception as error:
                # Raised here, it would leave the client's task groups wrapped up in exception groups.
                failure = error
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def _saver(self) -> AsyncIterator[AsyncSqliteSaver]:
        async with AsyncSqliteSaver.from_conn_string(str(self._checkpoints)) as saver:
            yield saver


def _caller(client: Client) -> CallTool:
    async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = await client.call_tool(name, arguments)
        if result.is_error:
            text = " ".join(getattr(block, "text", "") for block in result.content)
            raise ToolCallError(text.removeprefix(f"Error executing tool {name}: "))
        return dict(result.structured_content or {})

    return call_tool


async def _report(events: AsyncIterator[Any], progress: Progress) -> None:
    done = 0.0
    async for kind, chunk in events:
        if kind == "custom" and isinstance(chunk, dict):
            done += 1.0
            await progress(done, None, chunk["message"])


def _next_node(snapshot: StateSnapshot) -> str | None:
    """The node to go on with, None when the run has ended.

    A process may die between the writes of a node and the checkpoint after it; then no node is due, though
    the run, which ends only with an outcome, has not ended.
    """
    if snapshot.next:
        return snapshot.next[0]
    if "outcome" in snapshot.values or not snapshot.tasks:
        return None
    return snapshot.tasks[0].name


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}
