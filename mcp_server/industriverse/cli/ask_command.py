"""``industriverse ask``; only click is imported here, so that ``--help`` answers at once."""

from pathlib import Path

import click

__all__ = ["ask"]


@click.command()
@click.argument("question", required=False)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="INDUSTRIVERSE_HOME",
    help="Folder of the platform's state. Default: INDUSTRIVERSE_HOME or your user data folder.",
)
@click.option(
    "--mode",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "retrieval", "model"]),
    help="How to answer; auto takes the language model of INDUSTRIVERSE_LLM where there is one.",
)
@click.option("--zone", default="UTC", show_default=True, help="IANA time zone of times that name none.")
@click.option(
    "--act", is_flag=True, help="Let a language model change things, each after you said yes to it."
)
@click.option(
    "--server", help="Address of a running server to ask, which owns the home folder: http://127.0.0.1:8000."
)
@click.option("--token", envvar="INDUSTRIVERSE_TOKEN", help="Bearer token for --server, if it asks for one.")
@click.option("--json", "as_json", is_flag=True, help="Print each answer as one JSON line.")
def ask(
    question: str | None,
    home: Path | None,
    mode: str,
    zone: str,
    act: bool,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Answer QUESTION from what the platform knows; without one, answer each line of standard input.

    Questions on standard input are one conversation: "and an hour earlier?" goes on with the one before.
    """
    from industriverse.cli.asking import answer_questions, put_questions

    if server is not None:
        if act:
            raise click.UsageError("--act asks at this terminal; it cannot be used with --server")
        put_questions(question, server, token or "", mode=mode, zone=zone, as_json=as_json)
        return

    answer_questions(question, home, mode=mode, zone=zone, act=act, as_json=as_json)
