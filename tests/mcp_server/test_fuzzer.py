"""A public fuzzer against the server on standard input and output; it needs an environment of its own.

``mcp-fuzzer`` pulls another MCP SDK, so it is never installed beside this one: name its program in ``MCP_FUZZER``, or
have it on the path.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = os.environ.get("MCP_FUZZER") or shutil.which("mcp-fuzzer")
pytestmark = pytest.mark.skipif(
    not FUZZER, reason="mcp-fuzzer 0.7 is not installed; name it in MCP_FUZZER (own environment)"
)
HARMLESS = {"accepted_malformed"}
"""What the fuzzer calls so are calls that are valid, and errors of tools, which it does not count as refusals."""


@pytest.mark.parametrize(
    "mode",
    [
        ("--mode", "tools", "--phase", "both", "--runs", "1"),
        ("--mode", "protocol", "--protocol-phase", "aggressive", "--runs-per-type", "1"),
    ],
    ids=["tools", "protocol"],
)
def test_the_fuzzer_finds_no_crash_hang_or_reflection(mode: tuple[str, ...], tmp_path: Path) -> None:
    server, said = tmp_path / "serve.sh", tmp_path / "server.log"
    command = f"{sys.executable} -m industriverse.cli mcp --home {tmp_path / 'home'}"
    server.write_text(f"#!/bin/sh\nexec {command} 2>>{said}\n")
    server.chmod(0o700)
    report = tmp_path / "report"
    arguments = [
        str(FUZZER), *mode, "--protocol", "stdio", "--endpoint", str(server), "--seed", "7", "--timeout", "60",
        "--tool-timeout", "60", "--output-dir", str(report), "--fs-root", str(tmp_path / "files"),
    ]  # fmt: skip
    ran = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=95,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout[-2000:]
    summary = json.loads((report / "run_summary.json").read_text())
    assert summary["status"] == "completed"
    assert set(summary["findings"]["by_category"]) <= HARMLESS
    for name, told in summary["tools"]["by_name"].items():
        assert (told["outcomes"]["crashed"], told["outcomes"]["anomaly"]) == (0, 0), name
    assert "Traceback" not in said.read_text()
