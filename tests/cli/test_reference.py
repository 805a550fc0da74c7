"""Every tool and every command is documented, by the page that is made from them."""

from pathlib import Path

import click

from industriverse.cli.main import main
from industriverse.cli.reference import reference_page
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load

PAGE = Path(__file__).parents[2] / "docs" / "reference-tools.md"


def commands(command: click.Command, name: str) -> list[str]:
    if isinstance(command, click.Group):
        return [
            found for child, inner in command.commands.items() for found in commands(inner, f"{name} {child}")
        ]
    return [name]


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference_page(), (
        "run python -m industriverse.cli.reference docs/reference-tools.md"
    )


def test_every_tool_is_documented() -> None:
    load()
    page = PAGE.read_text()
    for declared in registry:
        assert f"`{declared.name}`" in page
        assert declared.summary in page


def test_every_command_and_option_is_documented() -> None:
    page = PAGE.read_text()
    named = commands(main, "industriverse")
    assert {"industriverse watch", "industriverse proof verify", "industriverse mcp"} <= set(named)
    for name in named:
        assert f"### {name}\n" in page
