"""The command itself: quick to answer, one line for an error, and the check that a stranger can make."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from industriverse.cli.main import main
from industriverse.operations.platform import Platform
from prepared_plant import CLEAN_HOURS, PLANT, Prepared, call, copied, on

HEAVY = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "torch",
    "numba",
    "pydantic",
    "mcp",
    "langgraph",
    "fastapi",
    "wntr",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_one_line(result: Result, part: str) -> None:
    assert result.exit_code != 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: "), line
    assert part in line, line


@pytest.mark.parametrize("action", ["import industriverse.cli.main", "import industriverse.cli"])
def test_the_command_tree_is_imported_without_anything_heavy(action: str) -> None:
    script = f"import sys; {action}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


def test_asking_for_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom industriverse.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "loaded:"
    assert "watch" in told.stdout


def test_the_stdio_server_is_made_without_what_it_may_never_need(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from industriverse.operations.home import Home\n"
        "from industriverse.mcp_server.composition import compose\n"
        "from industriverse.mcp_server.app import create_mcp_server\n"
        f"with Home(Path({str(tmp_path / 'home')!r})) as home, compose(home) as platform:\n"
        "    create_mcp_server(platform)\n"
        "heavy = ('torch', 'numba', 'wntr', 'langgraph', 'pandas', 'kglite', 'sqlalchemy', 'pyarrow', 'fastapi')\n"
        "print(*[name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


def test_every_command_has_help() -> None:
    for arguments in ([], ["mcp"], ["serve"], ["watch"], ["demo"], ["proof"], ["proof", "verify"]):
        told = run(*arguments, "--help")
        assert told.exit_code == 0
        assert "Usage:" in told.stdout


def test_a_home_that_cannot_be_used_gives_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert_one_line(run("mcp", "--home", blocked / "home"), "cannot use")


@pytest.fixture(scope="module")
def proof(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A certificate, its evidence and the key that signed it."""

    async def tale(platform: Platform) -> dict[str, Any]:
        await call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS + 30)
        issued = await call(platform, "eil_prove", stream=PLANT)
        return dict(issued.model_dump())

    return on(copied(story.learned, tmp_path_factory.mktemp("proof") / "home"), tale)


def test_a_certificate_is_verified_offline_with_the_public_key_alone(
    proof: dict[str, Any], tmp_path: Path
) -> None:
    file, key = tmp_path / "certificate.json", tmp_path / "key.pem"
    file.write_bytes(Path(proof["certificate_file"]).read_bytes())
    key.write_bytes(Path(proof["public_key_file"]).read_bytes())
    told = run("proof", "verify", file, "--key", key)
    assert told.exit_code == 0, told.stderr
    assert told.stdout.startswith(f"VALID certificate {proof['certificate_id']}")
    as_json = json.loads(run("proof", "verify", file, "--key", key, "--json").stdout)
    assert as_json["valid"] is True


def test_the_evidence_can_be_checked_along(proof: dict[str, Any], tmp_path: Path) -> None:
    arguments = (
        "proof",
        "verify",
        proof["certificate_file"],
        "--key",
        proof["public_key_file"],
        "--evidence",
    )
    assert run(*arguments, proof["evidence_file"]).exit_code == 0
    other = tmp_path / "other.window"
    content = bytearray(Path(proof["evidence_file"]).read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    assert_one_line(run(*arguments, other), "evidence")


@pytest.mark.parametrize("position", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_certificate_with_one_altered_character_gives_one_line(
    position: float, proof: dict[str, Any], tmp_path: Path
) -> None:
    envelope = json.loads(Path(proof["certificate_file"]).read_text())
    payload = envelope["payload"]
    at = round(position * len(payload))
    envelope["payload"] = payload[:at] + ("A" if payload[at] != "A" else "B") + payload[at + 1 :]
    (tmp_path / "altered.json").write_text(json.dumps(envelope))
    assert_one_line(
        run("proof", "verify", tmp_path / "altered.json", "--key", proof["public_key_file"]), "; "
    )


def test_the_wrong_key_gives_one_line(proof: dict[str, Any], tmp_path: Path) -> None:
    from industriverse.eil.proof.keys import generate_signing_key, public_key_pem

    (tmp_path / "other.pem").write_bytes(public_key_pem(generate_signing_key(tmp_path / "private.pem")))
    assert_one_line(run("proof", "verify", proof["certificate_file"], "--key", tmp_path / "other.pem"), "key")


def test_files_that_are_no_certificate_or_key_give_one_line(proof: dict[str, Any], tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\x00 no certificate")
    certificate, key = proof["certificate_file"], proof["public_key_file"]
    for file, pem in (
        (noise, key),
        (certificate, noise),
        (tmp_path / "absent", key),
        (certificate, tmp_path / "absent"),
    ):
        assert_one_line(run("proof", "verify", file, "--key", pem), "; ")


def test_verification_needs_no_home(proof: dict[str, Any], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "industriverse.cli", "proof", "verify", proof["certificate_file"]]
    environment = {**os.environ, "INDUSTRIVERSE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    told = subprocess.run(
        [*command, "--key", proof["public_key_file"]],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert told.returncode == 0, told.stderr
    assert list(tmp_path.iterdir()) == []


ASKS_ITS_LIBRARIES = """
import sys
sys.argv[:] = ["industriverse", "atlas", "--help"]
from industriverse.cli import main
main(standalone_mode=False)
import numpy
from threadpoolctl import threadpool_info
print(*{library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
"""


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_linear_algebra_keeps_to_one_thread_unless_told_otherwise(
    given: dict[str, str], expected: str
) -> None:
    room = {"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=16384"}
    kept = {
        name: text
        for name, text in os.environ.items()
        if name not in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    command = [sys.executable, "-c", ASKS_ITS_LIBRARIES]
    asked = subprocess.run(
        command,
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path)} | room | given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.splitlines()[-1] == expected
