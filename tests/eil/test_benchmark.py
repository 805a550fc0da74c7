"""On labelled telemetry, one configuration keeps every row and ranks at least as well as MSPC."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = os.environ.get("INDUSTRIVERSE_DATA", "")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not Path(DATA, "skab").is_dir(), reason="INDUSTRIVERSE_DATA names no labelled telemetry")
def test_mean_vus_pr_is_at_least_that_of_mspc(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    out = tmp_path / "out.json"
    program = [sys.executable, str(ROOT / "benchmarks" / "detection.py"), "--data", DATA, "--json", str(out)]
    subprocess.run([*program, "--rows", "industriverse,MSPC,always"], check=True, capture_output=True)
    results = json.loads(out.read_text())["results"]

    def mean(method: str) -> float:
        values = [r["vus_pr"] for r in results if r["method"] == method]
        assert len(values) == 4
        return float(sum(values) / len(values))

    assert mean("industriverse") >= mean("MSPC")
    assert mean("industriverse") > mean("always alarm") + 0.2


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not Path(DATA, "asd").is_dir(), reason="INDUSTRIVERSE_DATA names no labelled telemetry")
def test_the_promise_holds_on_later_clean_rows_of_most_recordings(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    out = tmp_path / "clean.json"
    program = [
        sys.executable,
        str(ROOT / "benchmarks" / "detection_clean.py"),
        "--data",
        DATA,
        "--json",
        str(out),
    ]
    subprocess.run(program, check=True, capture_output=True)
    cases = [case for case in json.loads(out.read_text()) if case["certified"] and case["expected"] >= 4.0]
    kept = [0.5 <= case["realised_per_day"] / case["promised_per_day"] <= 2.0 for case in cases]
    assert len(cases) >= 50
    assert sum(kept) / len(kept) >= 0.8
