"""``platform_ask``: a question in plain language, answered by one read-only call."""

import re
from typing import Any, Literal
from weakref import WeakKeyDictionary

from pydantic import BaseModel, Field

from industriverse.operations.asking.answering import (
    Answered,
    Conversations,
    Surroundings,
    answer_question,
    utc,
)
from industriverse.operations.context import OperationContext
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.registry import Example, OperationInput, operation
from industriverse.operations.services import Services

__all__ = ["AskInput", "AskOutput", "platform_ask"]

_CONVERSATIONS: WeakKeyDictionary[Platform, Conversations] = WeakKeyDictionary()


class AskInput(OperationInput):
    """A question."""

    question: str = Field(min_length=1, max_length=500, description="In plain English")
    conversation: str = Field(
        default="",
        max_length=80,
        description='Name of a conversation, so that "it" and "an hour earlier" work',
    )


class AskOutput(BaseModel):
    """An answer whose every number is a field of one tool's result, or a question back, or a refusal."""

    status: Literal["answered", "clarify", "refused"]
    mode: Literal["retrieval"] = "retrieval"
    text: str
    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None
    choices: list[str]
    score: float
    link: str

    def __str__(self) -> str:
        if self.status != "answered":
            return self.text
        shown = ", ".join(f"{key}={value}" for key, value in self.arguments.items())
        link = f", {self.link}" if self.link else ""
        return f"{self.text}\n[{self.tool}({shown}){link}; mode: {self.mode}]"


def _around(services: Services) -> Surroundings:
    store = services.streams.store
    streams = tuple(store.names())
    channels: dict[str, None] = {}
    latest = 0
    for name in streams:
        for channel in store.channels(name):
            channels.setdefault(channel.name)
            channels.setdefault(channel.entity)
        if store.count(name):
            latest = max(latest, int(store.frame(name, last=1).timestamps_ns[-1]))
    incidents = tuple((incident.id, incident.stream) for incident in services.shield.incidents())
    moment = utc(latest or services.clock())
    known = tuple(name for name in channels if name and re.search("[a-z]", name.lower()))
    return Surroundings(streams, known, incidents, moment)


def _output(found: Answered) -> AskOutput:
    status: Literal["answered", "clarify", "refused"] = "refused"
    if found.status == "answered":
        status = "answered"
    elif found.status == "clarify":
        status = "clarify"
    return AskOutput(
        status=status,
        text=found.text,
        tool=found.verb if status == "answered" else "",
        arguments=dict(found.arguments or {}),
        result=None if found.result is None else dict(found.result),
        choices=list(found.choices),
        score=found.score,
        link=found.link,
    )


@operation(
    "platform_ask",
    toolset="platform",
    scope="read",
    title="Ask in plain language",
    read_only=True,
    default_on=True,
    examples=(Example("What can I ask?", {"question": "is everything in order?"}),),
)
async def platform_ask(request: AskInput, context: OperationContext) -> AskOutput:
    """Answer a question by one read-only tool call; asks back when unsure and refuses what is out of scope.

    It uses no language model: it finds the tool whose example questions are nearest, and prints its result.
    """
    platform = context.platform

    async def call(verb: str, arguments: dict[str, Any]) -> BaseModel:
        # Through the policy layer, with the rights of who asks.
        return await invoke(platform, verb, arguments, principal=context.principal)

    around = await platform.run(_around, platform.services)
    kept = _CONVERSATIONS.setdefault(platform, Conversations())
    # Conversations of two callers are apart even under one name.
    name = f"{context.principal.identity}/{request.conversation}" if request.conversation else ""
    return _output(await answer_question(request.question, name, kept, around, call))
