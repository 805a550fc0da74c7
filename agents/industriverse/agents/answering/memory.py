"""What a conversation is about: the last call and its names, for follow-ups, for its owner alone."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Conversations", "Frame", "Pending"]

MOST_CONVERSATIONS = 256
IDLE_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that waits for the person to choose.

    Attributes:
        question: The question as it was asked.
        field: Argument that is chosen, ``tool`` for the verb itself.
        choices: What may be chosen; the shown order.
        tool: Verb, where only an argument is open.
    """

    question: str
    field: str
    choices: tuple[str, ...]
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the last answer was about.

    Attributes:
        tool: Verb that answered.
        arguments: What it was called with.
        stream: Stream, empty if none.
        entity: Asset, empty if none.
        incident: Incident, empty if none.
        time_ns: Time that the answer holds for, None if it named none.
        pending: A question that waits for a choice.
        chosen: Arguments that the person has chosen for the pending question so far.
        turns: Questions and answers of a language model, oldest first.
    """

    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    stream: str = ""
    entity: str = ""
    incident: str = ""
    time_ns: int | None = None
    pending: Pending | None = None
    chosen: dict[str, str] = field(default_factory=dict)
    turns: tuple[tuple[str, str], ...] = ()


class Conversations:
    """The newest conversations, each found by its owner only, and forgotten after an idle hour.

    Args:
        clock: Returns the present time in nanoseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._frames: OrderedDict[tuple[str, str], tuple[int, Frame]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._frames)

    def recall(self, owner: str, conversation: str) -> Frame:
        """What was said last, an empty frame if nothing was."""
        told_ns, frame = self._frames.get((owner, conversation), (0, Frame()))
        return frame if self._clock() - told_ns <= IDLE_NS else Frame()

    def keep(self, owner: str, conversation: str, frame: Frame) -> None:
        """Remember a frame; the conversation that was idle longest makes room."""
        self._frames[owner, conversation] = (self._clock(), frame)
        self._frames.move_to_end((owner, conversation))
        while len(self._frames) > MOST_CONVERSATIONS:
            self._frames.popitem(last=False)
