"""Release what a language model writes sentence by sentence, each one once it stands on what the tools returned.

The model writes its answer as the arguments of a tool, JSON that arrives in pieces with the evidence first. A sentence
is released when it is complete, the evidence is, and nothing in it is unsupported; after the first that is not, none is
until the model has written its answer anew.
"""

import re
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

__all__ = ["Sentences", "follow", "sentences_of"]

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\"'“])")


def sentences_of(text: str) -> list[str]:
    """Sentences of a text, the last one perhaps unfinished; a point inside a number or a name ends none."""
    return [sentence for sentence in _END.split(text) if sentence.strip()]


@dataclass(slots=True)
class Sentences:
    """What has been released of one answer.

    Attributes:
        stands: Says why a sentence with these evidence ids does not stand, empty if it does.
        release: Takes a sentence that stands.
    """

    stands: Callable[[str, list[str]], str]
    release: Callable[[str], Awaitable[None]]
    _written: str = ""
    _released: list[str] = field(default_factory=list)
    _held: bool = False

    async def begin(self, written: str) -> None:
        """Begin an answer, the first or one that is written anew."""
        self._written, self._held = "", False
        await self.write(written)

    async def write(self, piece: str) -> None:
        """Take a piece of the answer's JSON, and release the sentences that are complete."""
        self._written += piece
        if self._held or not self._written.strip():
            return
        try:
            told = from_json(self._written, allow_partial="trailing-strings")
        except ValueError:
            return
        await self._look(told)

    async def _look(self, told: Any) -> None:
        if not isinstance(told, dict) or list(told)[:1] != ["evidence"] or "text" not in told:
            return
        evidence = [str(key) for key in told["evidence"]]
        whole = self._written.rstrip().endswith("}")
        complete = sentences_of(str(told["text"]))[: None if whole else -1]
        for sentence in complete:
            if sentence in self._released:
                continue
            if self.stands(sentence, evidence):
                self._held = True
                return
            self._released.append(sentence)
            await self.release(sentence)


async def follow(events: AsyncIterable[Any], tools: frozenset[str], spoken: Sentences) -> None:
    """Follow the events of a model's response; what calls none of the platform's tools is the answer."""
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, ToolCallPart, ToolCallPartDelta

    answering: set[int] = set()
    async for event in events:
        if isinstance(event, PartStartEvent) and isinstance(event.part, ToolCallPart):
            if event.part.tool_name not in tools:
                answering.add(event.index)
                await spoken.begin(event.part.args if isinstance(event.part.args, str) else "")
        elif (
            isinstance(event, PartDeltaEvent)
            and isinstance(event.delta, ToolCallPartDelta)
            and event.index in answering
            and isinstance(event.delta.args_delta, str)
        ):
            await spoken.write(event.delta.args_delta)
