"""The server as a process of its own, spoken to over standard input and output, and killed at will."""

import os
import signal
import sys
from pathlib import Path

from mcp import StdioServerParameters

__all__ = ["kill", "parameters"]

# The shell notes its process id and becomes the server, so a test can kill the server and nothing else.
_NOTE_AND_RUN = 'echo $$ > "$1"; shift; exec "$@"'


def parameters(home: Path, *options: str) -> StdioServerParameters:
    """How a client starts ``industriverse mcp`` on a home folder."""
    command = [sys.executable, "-m", "industriverse.cli", "mcp", "--home", str(home), *options]
    arguments = ["-c", _NOTE_AND_RUN, "sh", str(_pid_file(home)), *command]
    return StdioServerParameters(command="/bin/sh", args=arguments, env=dict(os.environ))


def kill(home: Path) -> None:
    """Kill the server of a home folder with signal 9."""
    os.kill(int(_pid_file(home).read_text()), signal.SIGKILL)


def _pid_file(home: Path) -> Path:
    return home.with_name(f"{home.name}.pid")
