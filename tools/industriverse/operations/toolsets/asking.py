"""``platform_ask``: a question in plain language, answered by one read-only call of another verb."""

import secrets
from dataclasses import asdict
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from industriverse.operations.asking import Answered, AnswerKind, Question, QuestionMode
from industriverse.operations.context import OperationContext
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.registry import OperationInput, operation

__all__ = [
    "LONGEST_QUESTION",
    "AskInput",
    "AskOutput",
    "FactItem",
    "ask_output",
    "platform_ask",
    "question_of",
]

LONGEST_QUESTION = 600


class AskInput(OperationInput):
    """What to answer."""

    question: str = Field(
        min_length=1, max_length=LONGEST_QUESTION, description="The question, in plain English"
    )
    conversation: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,80}$",
        description="conversation of the answer before, for follow-ups; a new one if absent",
    )
    mode: QuestionMode = Field(
        default="auto", description="How to answer; auto takes the language model where one is set up"
    )
    zone: str = Field(default="UTC", max_length=64, description="IANA time zone of times that name none")


class FactItem(BaseModel):
    """A field of a tool's result."""

    name: str
    value: Any
    unit: str


class AskOutput(BaseModel):
    """An answer; every figure in it is a field of the named tool's result."""

    kind: AnswerKind
    text: str
    mode: Literal["retrieval", "model"]
    conversation: str
    tool: str
    arguments: dict[str, Any]
    facts: list[FactItem]
    time: str
    link: str
    choices: list[str]
    evidence: list[str]
    note: str

    def __str__(self) -> str:
        return f"{self.text}\n{self.note}".strip()


def ask_output(answered: Answered, conversation: str) -> AskOutput:
    """The answer as the faces of the platform give it."""
    return AskOutput.model_validate({**asdict(answered), "conversation": conversation})


def question_of(request: AskInput) -> Question:
    """The question, in a new conversation if it goes on with none.

    Raises:
        InvalidArgumentsError: If there is no such time zone.
    """
    conversation = request.conversation or secrets.token_urlsafe(12)
    return Question(request.question, conversation, request.mode, _known_zone(request.zone))


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidArgumentsError(
            f"zone: no time zone {name[:40]!r}", hint="give an IANA name such as UTC or Europe/Berlin"
        ) from None
    return name


@operation(
    "platform_ask",
    toolset="platform",
    scope="read",
    title="Ask a question",
    read_only=True,
    default_on=True,
)
async def platform_ask(request: AskInput, context: OperationContext) -> AskOutput:
    """Answer a question in plain language by one read-only tool call; refuses what no tool can answer.

    Raises:
        InvalidArgumentsError: If there is no such time zone.
    """
    question = question_of(request)
    return ask_output(await context.platform.answers.answer(question, context), question.conversation)
