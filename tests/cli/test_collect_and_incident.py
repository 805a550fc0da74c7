"""``industriverse collect`` and ``industriverse incident`` as a person types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from industriverse.cli import main
from prepared_plant import Prepared


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(words))
    return result.exit_code, result.output


def test_collecting_a_file_keeps_bad_lines_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, home = tmp_path / "plant.jsonl", str(tmp_path / "home")
    rows = [json.dumps({"time": 1_700_000_000 + k, "level": k % 7, "flow": 1.5}) for k in range(20)]
    path.write_text("\n".join([*rows[:10], "garbage", '{"level": "high"}', *rows[10:]]) + "\n")
    code, output = run("collect", "file", str(path), "--stream", "plant", "--home", home, "--once")
    assert code == 0, output
    counts = json.loads(output.splitlines()[-1])
    assert (counts["received"], counts["scored"], counts["dropped"]) == (22, 20, {"malformed": 2})
    assert counts["balanced"]
    assert len(Path(counts["dead_letters"]).read_text().splitlines()) == 2
    code, output = run("collect", "file", str(path), "--stream", "plant", "--home", home, "--once")
    again = json.loads(output.splitlines()[-1])
    assert again["scored"] == 0
    assert again["dropped"] == {"malformed": 2, "older than the stream": 20}


def test_collecting_this_host_stops_after_its_time(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    code, output = run(
        "collect", "host", "--stream", "host", "--home", home, "--seconds", "1", "--interval", "0.2"
    )
    assert code == 0, output
    assert json.loads(output.splitlines()[-1])["scored"] >= 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["file", "missing.jsonl", "--once"], "cannot read"),
        (["prometheus"], "needs one"),
        (["http", "0.0.0.0:1"], "loopback"),
    ],
)
def test_a_target_that_cannot_be_used_is_one_line(tmp_path: Path, words: list[str], why: str) -> None:
    code, output = run("collect", *words, "--stream", "s", "--home", str(tmp_path / "home"))
    assert code == 1
    assert why in output
    assert len(output.strip().splitlines()) == 1


def test_an_exported_bundle_is_verified_by_the_public_key_alone(
    alarmed: Path, story: Prepared, tmp_path: Path
) -> None:
    bundle = tmp_path / "incident.json"
    code, output = run("incident", "export", story.incident_id, "--home", str(alarmed), "--out", str(bundle))
    assert code == 0, output
    key = str(alarmed / "keys" / "public-key.pem")
    code, output = run("incident", "verify", str(bundle), "--key", key)
    assert code == 0, output
    assert output.startswith(f"VALID bundle of {story.incident_id}")
    envelope = json.loads(bundle.read_text())
    payload = envelope["payload"]
    envelope["payload"] = payload[:400] + ("A" if payload[400] != "A" else "B") + payload[401:]
    bundle.write_text(json.dumps(envelope))
    code, output = run("incident", "verify", str(bundle), "--key", key)
    assert code == 1
    assert "altered" in output
