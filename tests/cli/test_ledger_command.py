"""The books from the command line: verified, signed, proved to a stranger, and never made by looking."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from industriverse.cli.main import main
from industriverse.economy import Asset
from industriverse.economy.ledger import Ledger
from industriverse.eil.proof.keys import generate_signing_key, public_key_pem


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["ledger", *map(str, arguments)])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "keys").mkdir(parents=True)
    key = generate_signing_key(folder / "keys" / "signing-key.pem")
    (folder / "keys" / "public-key.pem").write_bytes(public_key_pem(key))
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.issue(key="i", asset=Asset.CEU, account="ada", amount=1_000)
        for number in range(20):
            ledger.transfer(key=f"t{number}", asset=Asset.CEU, source="ada", target="bo", amount=3)
    return folder


def test_a_ledger_in_order_is_said_to_be(home: Path) -> None:
    done = run("verify", "--home", home)
    assert done.exit_code == 0, done.output
    assert "21 transactions are in order" in done.output
    document = json.loads(run("verify", "--home", home, "--json").output)
    assert (document["ok"], document["supply_micro"]["CEU"]) == (True, 1_000)


def test_the_first_bad_entry_is_named_and_the_exit_code_says_so(home: Path) -> None:
    note = home / "note"
    assert run("checkpoint", "--home", home, "--out", note).exit_code == 0
    assert "21 of them by the checkpoint" in run("verify", "--home", home, "--from", note).output
    raw = sqlite3.connect(home / "ledger.sqlite")
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    raw.execute("UPDATE entries SET amount = amount - 1 WHERE sequence = 7 AND leg = 0")
    raw.commit()
    raw.close()
    for arguments in ((), ("--from", note)):
        done = run("verify", "--home", home, *arguments)
        assert done.exit_code == 1
        assert "transaction 7: its content does not match its hash" in done.output
    assert json.loads(run("verify", "--home", home, "--json").output)["sequence"] == 7


def test_a_stranger_checks_a_proof_with_the_public_key_alone(home: Path, tmp_path: Path) -> None:
    kept, proof, public = tmp_path / "kept", tmp_path / "proof.json", home / "keys" / "public-key.pem"
    run("checkpoint", "--home", home, "--out", kept)
    assert run("issue", "cy", "2.5", "MUNT", "--once", "first", "--home", home).exit_code == 0
    assert (
        "cy holds 2.500000 MUNT"
        in run("issue", "cy", "2.5", "MUNT", "--once", "first", "--home", home).output
    )
    run("checkpoint", "--home", home)
    proof.write_text(run("proof", "5", "--since", "21", "--home", home).output)
    done = run("check-proof", proof, "--key", public, "--since", kept)
    assert done.exit_code == 0, done.output
    assert "transaction 5 is among the first 22" in done.output
    for field, value in (("sequence", 6), ("transaction_hash", "00" * 32), ("grown_from", 20)):
        changed = json.loads(proof.read_text()) | {field: value}
        (tmp_path / "changed.json").write_text(json.dumps(changed))
        done = run("check-proof", tmp_path / "changed.json", "--key", public, "--since", kept)
        assert done.exit_code == 1, field
    other = tmp_path / "other.pem"
    other.write_bytes(public_key_pem(generate_signing_key(tmp_path / "other-key.pem")))
    assert "not signed by this key" in run("check-proof", proof, "--key", other).output


def test_looking_at_a_ledger_that_is_not_there_makes_none(tmp_path: Path) -> None:
    done = run("verify", "--home", tmp_path)
    assert done.exit_code == 1
    assert "there is no ledger" in done.output
    assert list(tmp_path.iterdir()) == []
