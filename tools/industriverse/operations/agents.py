"""What operations know of graph runs; the graphs themselves live above and are handed in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = ["Progress", "ResponseRun", "ResponseRuns"]

Progress = Callable[[float, float | None, str], Awaitable[None]]
"""Called with what is done, the total if known, and a message."""


@dataclass(frozen=True, slots=True)
class ResponseRun:
    """A run of the threat-response graph as of its last checkpoint.

    Attributes:
        thread_id: Identifies the run.
        next_node: Node that runs next, None when the run has ended.
        waiting_for: The question to a person, None if the run does not wait for one.
        plan_id: Plan that the question is about, empty if there is none yet.
        state: Everything the run knows.
    """

    thread_id: str
    next_node: str | None
    waiting_for: str | None
    plan_id: str
    state: dict[str, Any]


class ResponseRuns(Protocol):
    """Starts, resumes and reads runs of the threat-response graph."""

    async def start(
        self, thread_id: str, incident_id: str, mode: Literal["supervised", "autonomous"], progress: Progress
    ) -> ResponseRun:
        """Begin a run, or return the state of the one that has this thread id."""
        ...

    async def answer(self, thread_id: str, approved: bool, reason: str, progress: Progress) -> ResponseRun:
        """Give a waiting run the person's answer and go on."""
        ...

    async def proceed(self, thread_id: str, progress: Progress) -> ResponseRun:
        """Go on from the last checkpoint of a run that was cut off."""
        ...

    async def read(self, thread_id: str) -> ResponseRun | None:
        """The run as of its last checkpoint, None if there is none."""
        ...

    async def threads(self) -> list[str]:
        """Thread ids, newest first."""
        ...
