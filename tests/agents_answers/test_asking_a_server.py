"""``industriverse ask --server``: the same answers from a server that owns the home folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from industriverse.cli.ask_command import ask
from industriverse.operations.errors import OperationError
from industriverse.physics import IndustriverseError
from prepared_plant import Prepared, copied
from web_server import served


@pytest.fixture(scope="module")
def home(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(story.alarmed, tmp_path_factory.mktemp("asked") / "home")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with served(home) as address:
        yield address


def said(*arguments: str, lines: str = "") -> str:
    result = CliRunner().invoke(ask, arguments, input=lines, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_server_answers_and_keeps_the_conversation(url: str) -> None:
    told = said("--server", url, "--mode", "retrieval", lines="is practice calm?\nand an hour earlier?\n\n")
    answers = [line for line in told.splitlines() if line.startswith("(eil_regime")]
    assert len(answers) == 2
    assert answers[0] != answers[1]


def test_a_home_that_a_server_owns_says_how_to_ask_it(url: str, home: Path) -> None:
    with pytest.raises(IndustriverseError, match="--server"):
        said("--home", str(home), "is practice calm?")


@pytest.mark.parametrize(
    ("server", "token", "why"),
    [
        ("ftp://127.0.0.1", "", "is no address"),
        ("http://192.0.2.1:8000", "secret", "unencrypted"),
        ("http://127.0.0.1:1", "", "cannot be reached"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(server: str, token: str, why: str) -> None:
    with pytest.raises(OperationError, match=why) as caught:
        said("--server", server, "--token", token, "is practice calm?")
    assert "secret" not in str(caught.value)


def test_what_the_server_refuses_is_said(url: str) -> None:
    with pytest.raises(OperationError, match=r"refused \(422\).*no time zone"):
        said("--server", url, "--zone", "Mars/Base", "is practice calm?")
