"""The page that lists every tool and every command, made from their declarations.

Run ``python -m industriverse.cli.reference docs/reference-tools.md`` to write it; a test says when it is due.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from industriverse.operations.registry import Operation, registry
from industriverse.operations.toolsets import load

__all__ = ["reference_page"]

_INTRODUCTION = """# Tools and commands

Made by `python -m industriverse.cli.reference docs/reference-tools.md` from the declarations themselves; do not
edit by hand.

## Tools

Each tool is also a REST route, `POST /v1/{toolset}/{verb}`. Tools marked `default` are shown unless `--toolsets`
says otherwise; with `--read-only` only those marked `read-only` exist. `asks` means that a person is asked through
the client before anything that cannot be undone; `once` means that calling again with the same arguments changes
nothing more.
"""

_TABLE_HEAD = "| tool | scope | hints | what it does |\n|---|---|---|---|"


def _hints(declared: Operation) -> str:
    words = (
        ("default", declared.default_on),
        ("read-only", declared.read_only),
        ("destructive", declared.destructive),
        ("once", declared.idempotent and not declared.read_only),
        ("asks", declared.asks),
    )
    return ", ".join(word for word, holds in words if holds)


def _tools() -> Iterator[str]:
    for toolset in registry.toolsets():
        yield f"### {toolset}\n"
        yield _TABLE_HEAD
        for declared in registry:
            if declared.toolset == toolset:
                yield f"| `{declared.name}` | {declared.scope} | {_hints(declared)} | {declared.summary} |"
        yield ""


def _commands(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            yield from _commands(command.commands[child], f"{name} {child}")
        return
    context = click.Context(command, info_name=name)
    yield f"### {name}\n"
    yield f"{(command.help or '').split(chr(10) + chr(10))[0].strip()}\n"
    yield f"`{' '.join([name, *command.collect_usage_pieces(context)])}`\n"
    for parameter in (option for option in command.params if isinstance(option, click.Option)):
        record = parameter.get_help_record(context)
        if record is not None:
            yield f"- `{record[0]}`: {record[1]}"
    yield ""


def reference_page() -> str:
    """The page as Markdown."""
    from industriverse.cli.main import main

    load()
    lines = [_INTRODUCTION, *_tools(), "## Commands\n", *_commands(main, "industriverse")]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page())
