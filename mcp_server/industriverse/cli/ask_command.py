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
@click.option("--json", "as_json", is_flag=True, help="Print each answer as one JSON line.")
def ask(question: str | None, home: Path | None, mode: str, zone: str, act: bool, as_json: bool) -> None:
    """Answer QUESTION from what the platform knows; without one, answer each line of standard input.

    Questions on standard input are one conversation: "and an hour earlier?" goes on with the one before.
    """
    from industriverse.cli.asking import answer_questions

    answer_questions(question, home, mode=mode, zone=zone, act=act, as_json=as_json)
