"""``industriverse agent``: runs of the graphs and approvals from a terminal."""

import asyncio
import getpass
from pathlib import Path
from typing import Any

import click

from industriverse.mcp_server.composition import compose
from industriverse.operations.context import LOCAL_OPERATOR, ApprovalAnswer, ApprovalRequest
from industriverse.operations.home import Home, default_home
from industriverse.operations.policy import invoke

__all__ = ["answer_run", "show_runs"]


def _call(home: Path | None, name: str, arguments: dict[str, Any], **options: Any) -> Any:
    with Home(home or default_home()) as folder, compose(folder) as platform:
        return asyncio.run(invoke(platform, name, arguments, principal=LOCAL_OPERATOR, **options))


def show_runs(home: Path | None) -> None:
    """List runs of the graphs with the question that each waits for."""
    for run in _call(home, "agent_state", {}).runs:
        click.echo(str(run))
        if run.waiting_for:
            click.echo(run.waiting_for)


def answer_run(home: Path | None, thread_id: str, *, approved: bool, reason: str) -> None:
    """Answer the question that a run waits for; a further question of the same run is shown and declined.

    One word at the terminal is one answer: it must not count for a plan that nobody has read.
    """
    answered: list[str] = []

    async def person(request: ApprovalRequest) -> ApprovalAnswer:
        click.echo(request.message)
        first = not answered
        answered.append(request.key)
        said = f"{getpass.getuser()} at the terminal: {reason}" if reason else getpass.getuser()
        return ApprovalAnswer(
            approved=approved and first, reason=said if first else "asked again; not read yet"
        )

    async def tell(done: float, total: float | None, message: str) -> None:  # noqa: ARG001
        click.echo(message)

    click.echo(str(_call(home, "agent_resume", {"thread_id": thread_id}, approve=person, progress=tell)))
