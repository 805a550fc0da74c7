"""What operations know of graph runs; the graphs themselves live above and are handed in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

__all__ = ["GRAPHS", "GraphName", "GraphRun", "GraphRuns", "Progress"]

GraphName = Literal["ace", "til", "response"]

GRAPHS: tuple[GraphName, ...] = get_args(GraphName)

Progress = Callable[[float, float | None, str], Awaitable[None]]
"""Called with what is done, the total if known, and a message."""


@dataclass(frozen=True, slots=True)
class GraphRun:
    """A run of a graph as of its last checkpoint.

    Attributes:
        thread_id: Identifies the run.
        graph: Which graph.
        next_node: Node that runs next, None when the run has ended.
        waiting_for: The question to a person, None if the run does not wait for one.
        plan_id: Plan that the question is about, empty if there is none yet.
        state: Everything the run knows.
    """

    thread_id: str
    graph: GraphName
    next_node: str | None
    waiting_for: str | None
    plan_id: str
    state: dict[str, Any]


class GraphRuns(Protocol):
    """Starts, resumes and reads runs of the graphs."""

    async def start(
        self, graph: GraphName, thread_id: str, values: Mapping[str, Any], progress: Progress
    ) -> GraphRun:
        """Begin a run, or return the state of the one that has this thread id."""
        ...

    async def answer(self, thread_id: str, approved: bool, reason: str, progress: Progress) -> GraphRun:
        """Give a waiting run the person's answer and go on."""
        ...

    async def proceed(self, thread_id: str, progress: Progress) -> GraphRun:
        """Go on from the last checkpoint of a run that was cut off."""
        ...

    async def read(self, thread_id: str) -> GraphRun | None:
        """The run as of its last checkpoint, None if there is none."""
        ...

    async def threads(self) -> list[str]:
        """Thread ids, newest first."""
        ...

    def picture(self, graph: GraphName) -> str:
        """The graph as a Mermaid flowchart."""
        ...
