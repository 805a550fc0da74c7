"""Run the graphs durably: checkpoints on disk, tools reached through an in-process MCP client, limits on time."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.types import Command, StateSnapshot
from mcp import Client
from mcp.server import MCPServer

from industriverse.graphs.ace import build_ace_graph
from industriverse.graphs.checkpoints import Checkpoints
from industriverse.graphs.errors import GraphError, ToolCallError
from industriverse.graphs.response import build_response_graph
from industriverse.graphs.state import CallTool, GraphContext
from industriverse.graphs.til import build_til_graph
from industriverse.operations.agents import GRAPHS, GraphName, GraphRun, Progress

__all__ = ["GraphRunner", "graph_picture"]

TOOL_SECONDS = 240.0
"""A tool that takes longer has failed for the run; the node can be run again, since its calls are idempotent."""

STEP_SECONDS = 900.0
"""Longest time of one node."""

MOST_STEPS = 120
"""Nodes that one call may run through."""

_BUILDERS: dict[str, Callable[[Any], Any]] = {
    "ace": build_ace_graph,
    "til": build_til_graph,
    "response": build_response_graph,
}
assert set(_BUILDERS) == set(GRAPHS)


def graph_picture(graph: GraphName) -> str:
    """The graph as a Mermaid flowchart."""
    return str(_BUILDERS[graph](None).get_graph().draw_mermaid())


class GraphRunner:
    """Starts, resumes and reads runs of the graphs.

    Args:
        checkpoints: Where checkpoints survive the process.
        open_server: Makes the MCP server whose tools the nodes call.
    """

    def __init__(self, checkpoints: Checkpoints, open_server: Callable[[], MCPServer[Any]]) -> None:
        self._checkpoints = checkpoints
        self._open_server = open_server
        self._running: set[str] = set()

    async def start(
        self, graph: GraphName, thread_id: str, values: Mapping[str, Any], progress: Progress
    ) -> GraphRun:
        """Begin a run, or return the state of the one that has this thread id."""
        known = await self.read(thread_id)
        if known is not None:
            self._check_same(known, graph, values)
            return known
        return await self._advance(graph, thread_id, {"graph": graph, **values}, progress)

    @staticmethod
    def _check_same(known: GraphRun, graph: GraphName, values: Mapping[str, Any]) -> None:
        """One thread is one question: it is not taken over by another."""
        hint = "go on with it by agent_resume, or give this one another thread_id"
        if known.graph != graph:
            raise GraphError(f"run {known.thread_id[:80]!r} is of the graph {known.graph}", hint=hint)
        for key, value in values.items():
            if known.state.get(key) != value:
                said = known.state.get(key)
                raise GraphError(
                    f"run {known.thread_id[:80]!r} was begun with {key} {said!r:.80}, in {_mode(known)}",
                    hint=hint,
                )

    async def answer(self, thread_id: str, approved: bool, reason: str, progress: Progress) -> GraphRun:
        """Give a waiting run the person's answer and go on."""
        run = await self._existing(thread_id)
        command: Command[Any] = Command(resume={"approved": approved, "reason": reason})
        return await self._advance(run.graph, thread_id, command, progress)

    async def proceed(self, thread_id: str, progress: Progress) -> GraphRun:
        """Go on from the last checkpoint of a run that was cut off."""
        run = await self._existing(thread_id)
        if run.waiting_for is not None or run.next_node is None:
            return run
        return await self._advance(run.graph, thread_id, None, progress)

    async def read(self, thread_id: str) -> GraphRun | None:
        """The run as of its last checkpoint, None if there is none."""
        async with self._checkpoints.saver() as saver:
            # Any graph reads any checkpoint's values; what is due next only the thread's own graph can tell.
            kept = await saver.aget_tuple(_config(thread_id))
            if kept is None:
                return None
            graph = _graph_of(kept.checkpoint["channel_values"])
            snapshot = await _BUILDERS[graph](saver).aget_state(_config(thread_id))
        if not snapshot.values:
            return None
        waiting = [interrupt.value for interrupt in snapshot.interrupts]
        return GraphRun(
            thread_id=thread_id,
            graph=graph,
            next_node=_next_node(snapshot),
            waiting_for=waiting[0]["question"] if waiting else None,
            plan_id=snapshot.values.get("plan_id", ""),
            state=dict(snapshot.values),
        )

    async def threads(self) -> list[str]:
        """Thread ids, newest first."""
        seen: dict[str, None] = {}
        async with self._checkpoints.saver() as saver:
            async for checkpoint in saver.alist(None):
                seen.setdefault(checkpoint.config["configurable"]["thread_id"])
        return list(seen)

    def picture(self, graph: GraphName) -> str:
        """The graph as a Mermaid flowchart."""
        return graph_picture(graph)

    async def _existing(self, thread_id: str) -> GraphRun:
        run = await self.read(thread_id)
        if run is None:
            raise GraphError(
                f"no run {thread_id[:80]!r}", hint="call agent_state without a thread_id to list runs"
            )
        return run

    async def _advance(self, graph: GraphName, thread_id: str, step: Any, progress: Progress) -> GraphRun:
        with self._alone(thread_id):
            await self._stream(graph, thread_id, step, progress)
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

    async def _stream(self, graph: GraphName, thread_id: str, step: Any, progress: Progress) -> None:
        failure: Exception | None = None
        async with self._checkpoints.saver() as saver, Client(self._open_server()) as client:
            compiled = _BUILDERS[graph](saver)
            compiled.step_timeout = STEP_SECONDS
            events = compiled.astream(
                step,
                {**_config(thread_id), "recursion_limit": MOST_STEPS},
                context=GraphContext(call_tool=_caller(client)),
                stream_mode=["updates", "custom"],
                durability="sync",
            )
            try:
                await _report(events, progress)
            except TimeoutError:
                failure = GraphError(
                    f"a node of run {thread_id[:80]!r} took more than {STEP_SECONDS:.0f} s",
                    hint="agent_resume runs it again from its checkpoint",
                )
            except GraphRecursionError:
                failure = GraphError(
                    f"run {thread_id[:80]!r} went through {MOST_STEPS} nodes", hint="go on with agent_resume"
                )
            except Exception as error:
                # Raised here, it would leave the client's task groups wrapped up in exception groups.
                failure = error
        if failure is not None:
            raise failure


def _mode(run: GraphRun) -> str:
    return f"{run.state['mode']} mode" if "mode" in run.state else f"the graph {run.graph}"


def _graph_of(values: Mapping[str, Any]) -> GraphName:
    """The graph of a thread; before its first node the values stand under the start."""
    begun = values.get("__start__")
    named = values.get("graph") or (begun.get("graph") if isinstance(begun, dict) else None)
    return next((name for name in GRAPHS if name == named), "response")


def _caller(client: Client) -> CallTool:
    async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = None
        with anyio.move_on_after(TOOL_SECONDS):
            result = await client.call_tool(name, arguments)
        if result is None:
            raise ToolCallError(f"{name} took more than {TOOL_SECONDS:.0f} s")
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
