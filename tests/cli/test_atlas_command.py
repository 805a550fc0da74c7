"""``industriverse atlas`` on an installation with an incident."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from industriverse.cli.main import main
from industriverse.operations.home import Home
from industriverse.operations.services import Services
from prepared_plant import PLANT, call, on


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["atlas", *map(str, arguments)])


def outcome(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.output)
    return content


@pytest.fixture
def proved(learned: Path) -> Path:
    """A home with a certificate for which the ledger minted."""

    async def tale(platform: Any) -> None:
        await call(platform, "sim_run", plant_id=PLANT, until_hours=24.0 * 30 + 28)
        issued = await call(platform, "eil_prove", stream=PLANT)
        await call(platform, "economy_mint", certificate_id=issued.certificate_id)

    on(learned, tale)
    return learned


def test_what_was_lost_is_found_and_put_right(proved: Path) -> None:
    first = outcome("check", "--home", proved)
    assert first["clean"], first["findings"]
    assert first["objects"] >= 1
    [window] = (proved / "certificates").glob("*.window")
    [lost] = (proved / "objects").rglob(window.stem)
    lost.unlink()
    with Home(proved) as home:
        services = Services(home, clock=time.time_ns)
        from industriverse.atlas.engine import Statement

        services.memory.outbox.prune(2**62)
        services.atlas.engine.write([Statement("MATCH (n:Proof) DETACH DELETE n")])
        services.close()
    result = run("check", "--home", proved)
    assert result.exit_code == 2
    assert f"missing object: {window.stem} (a certificate refers to it)" in result.output
    assert "missing record: Proof" in result.output
    assert "NOT clean" in result.output
    repaired = outcome("check", "--home", proved, "--repair")
    assert repaired["clean"]
    assert len(repaired["findings"]) == 2
    assert outcome("check", "--home", proved)["findings"] == []


def test_a_mint_without_its_certificate_is_told_and_not_repaired(proved: Path) -> None:
    for path in (proved / "certificates").glob("*"):
        path.unlink()
    result = run("check", "--home", proved, "--repair")
    assert result.exit_code == 2
    assert "missing record: certificate of" in result.output
    assert "the ledger minted for it" in result.output


def test_an_orphan_is_found_and_removed_and_what_others_hold_stays(proved: Path) -> None:
    with Home(proved) as home:
        services = Services(home, clock=time.time_ns)
        key = services.objects.put_bytes(b"nobody wants me")
        services.close()
    [file] = (proved / "objects").rglob(key)
    os.utime(file, (1, 1))
    for path in (proved / "objects").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    assert f"orphan object: {key}" in run("check", "--home", proved).output
    assert outcome("check", "--home", proved, "--repair")["clean"]
    assert not file.exists()
    assert outcome("check", "--home", proved)["findings"] == []


def test_export_and_import_and_backup_and_restore_move_everything(alarmed: Path, tmp_path: Path) -> None:
    exported = outcome("export", tmp_path / "a.cypher", "--home", alarmed)
    assert exported["records"]["EnergyState"] == 2
    assert (
        outcome("import", tmp_path / "a.cypher", "--home", tmp_path / "other")["records"]
        == exported["records"]
    )
    saved = outcome("backup", tmp_path / "backup", "--home", alarmed)
    assert saved["copied"] == saved["objects"] > 0
    assert outcome("backup", tmp_path / "backup", "--home", alarmed)["copied"] == 0
    restored = outcome("restore", tmp_path / "backup", "--home", tmp_path / "third")
    assert (restored["records"], restored["copied"]) == (saved["records"], saved["objects"])
    assert outcome("check", "--home", tmp_path / "third")["clean"]
    outcome("export", tmp_path / "b.cypher", "--home", tmp_path / "third")
    assert (tmp_path / "a.cypher").read_bytes() == (tmp_path / "b.cypher").read_bytes()


def test_bad_input_is_one_line(alarmed: Path, tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_text("nonsense\n")
    refused = run("import", tmp_path / "nonsense", "--home", tmp_path / "home")
    assert refused.exit_code == 1
    assert len(refused.output.strip().splitlines()) == 1
    assert "the file is no export of the Atlas" in refused.output
    assert run("restore", tmp_path, "--home", tmp_path / "home").exit_code == 1
    with Home(alarmed):
        busy = run("check", "--home", alarmed)
    assert busy.exit_code == 1
    assert "another process owns" in busy.output


def test_roles_are_printed_for_one_database_and_the_reader_writes_nothing() -> None:
    lines = run("roles", "--database", "plant-7").output.splitlines()
    assert all("`plant-7`" in line or line.startswith("CREATE ROLE ") for line in lines)
    of_reader = [line for line in lines if line.endswith("TO industriverse_reader;")]
    assert of_reader == [
        "GRANT ACCESS ON DATABASE `plant-7` TO industriverse_reader;",
        "GRANT MATCH {*} ON GRAPH `plant-7` ELEMENTS * TO industriverse_reader;",
    ]
    refused = run("roles", "--database", "x` TO PUBLIC; //")
    assert refused.exit_code == 1
    assert "is no name of a database" in refused.output


def test_weights_and_fields_are_kept_in_versions_and_come_back(tmp_path: Path) -> None:
    home, weights, field = tmp_path / "home", tmp_path / "net.safetensors", tmp_path / "run.npy"
    kept = []
    for number in range(3):
        weights.write_bytes(bytes([number]) * 1_000)
        kept.append(outcome("keep", weights, "--name", "net", "--newest", 2, "--home", home))
    assert outcome("keep", weights, "--name", "net", "--newest", 2, "--home", home) == kept[-1]
    outcome("fetch", kept[1]["id"], tmp_path / "back", "--home", home)
    assert (tmp_path / "back").read_bytes() == bytes([1]) * 1_000
    gone = run("fetch", kept[0]["id"], tmp_path / "gone", "--home", home)
    assert gone.exit_code == 1
    assert not (tmp_path / "gone").exists()
    steps = np.cumsum(np.random.default_rng(0).normal(size=(250, 3, 2)), axis=0)
    np.save(field, steps)
    stored = outcome("keep", field, "--name", "run", "--home", home)
    assert stored["family"] == "field"
    outcome("fetch", stored["id"], tmp_path / "back.npy", "--home", home)
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), steps)
    # The files of a field are no orphans, however old.
    for path in (home / "objects").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    assert outcome("check", "--home", home)["findings"] == []
    np.save(field, np.array(["text"]))
    refused = run("keep", field, "--name", "run", "--home", home)
    assert refused.exit_code == 1
    assert "give numbers with time first" in refused.output
