"""Questions from the command line."""

import asyncio
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from industriverse.operations.context import LOCAL_OPERATOR, ApprovalAnswer, ApprovalRequest, OperationContext
from industriverse.operations.errors import HomeInUseError, InvalidArgumentsError
from industriverse.operations.home import Home, default_home
from industriverse.operations.toolsets.asking import (
    LONGEST_QUESTION,
    AskInput,
    AskOutput,
    ask_output,
    question_of,
)

if TYPE_CHECKING:
    from industriverse.operations.platform import Platform

__all__ = ["answer_questions", "put_questions"]


async def _progress(done: float, total: float | None, message: str) -> None:  # noqa: ARG001
    click.echo(f"… {message}", err=True)


async def _approve(request: ApprovalRequest) -> ApprovalAnswer:
    with open("/dev/tty", encoding="utf-8") as terminal:  # noqa: PTH123
        click.echo(f"{request.message}\nApprove? [y/N] ", err=True, nl=False)
        said = terminal.readline().strip().casefold()
    return ApprovalAnswer(approved=said in ("y", "yes"), reason="from the command line")


def _questions(question: str | None) -> Iterator[str]:
    if question is not None:
        yield question
        return
    if sys.stdin.isatty():
        click.echo("Ask; an empty line ends.", err=True)
    for line in sys.stdin:
        if not line.strip():
            return
        yield line.strip()


async def _answer(platform: "Platform", request: AskInput, act: bool) -> AskOutput:
    from industriverse.operations.policy import invoke

    if not act:
        answered = await invoke(
            platform, "platform_ask", request, principal=LOCAL_OPERATOR, progress=_progress
        )
        assert isinstance(answered, AskOutput)
        return answered
    from industriverse.agents.answering.answers import PlatformAnswers

    answers = platform.answers
    assert isinstance(answers, PlatformAnswers)
    question = question_of(request)
    context = OperationContext(platform, LOCAL_OPERATOR, progress=_progress)
    return ask_output(await answers.answer(question, context, approve=_approve), question.conversation)


def _request(text: str, conversation: str, mode: str, zone: str) -> AskInput:
    """What is asked, with a plain word on a question that is empty or too long."""
    length = len(text.strip())
    if not 1 <= length <= LONGEST_QUESTION:
        raise InvalidArgumentsError(
            f"question: it has {length} characters", hint=f"write 1 to {LONGEST_QUESTION} characters"
        )
    return AskInput.model_validate(
        {"question": text.strip(), "conversation": conversation, "mode": mode, "zone": zone}
    )


def _owned(folder: Path) -> Home:
    try:
        return Home(folder)
    except HomeInUseError as error:
        raise HomeInUseError(
            error.message, hint="ask its server: industriverse ask --server http://127.0.0.1:8000 …"
        ) from None


def put_questions(
    question: str | None, server: str, token: str, *, mode: str, zone: str, as_json: bool
) -> None:
    """Put one question, or each line of standard input as one conversation, to a running server."""
    from industriverse.cli.asking_server import ask_server

    conversation = secrets.token_urlsafe(12)
    for text in _questions(question):
        request = _request(text, conversation, mode, zone)
        answered = ask_server(request, server, token)
        click.echo(answered.model_dump_json() if as_json else str(answered))


def answer_questions(
    question: str | None, home: Path | None, *, mode: str, zone: str, act: bool, as_json: bool
) -> None:
    """Answer one question, or each line of standard input as one conversation."""
    conversation = secrets.token_urlsafe(12)
    with _owned(home or default_home()) as opened:
        from industriverse.mcp_server.composition import compose

        with compose(opened) as platform:

            async def talk() -> None:
                for text in _questions(question):
                    request = _request(text, conversation, mode, zone)
                    answered = await _answer(platform, request, act)
                    click.echo(answered.model_dump_json() if as_json else str(answered))

            asyncio.run(talk())
