"""Numbered run folders; one that was cut off is found again."""

import json
from pathlib import Path
from typing import Any

from industriverse.operations.errors import OperationError
from industriverse.storage import write_whole

__all__ = ["open_run"]

SETTINGS, OUTCOME = "scenario.json", "outcome.json"


def open_run(folder: Path, settings: dict[str, Any]) -> tuple[Path, bool]:
    """The folder of the newest unfinished run with these settings, or of a new one.

    Returns:
        The folder, and whether it holds an unfinished run.

    Raises:
        OperationError: If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs = sorted(path for path in folder.glob("run-*") if path.is_dir())
        for run in reversed(runs):
            unfinished = (run / SETTINGS).exists() and not (run / OUTCOME).exists()
            if unfinished and json.loads((run / SETTINGS).read_text()) == settings:
                return run, True
        number = 1 + max((int(run.name.removeprefix("run-")) for run in runs), default=0)
        new = folder / f"run-{number:04d}"
        new.mkdir()
        write_whole(new / SETTINGS, json.dumps(settings, indent=1).encode())
    except OSError as error:
        raise OperationError(
            f"cannot use {folder} ({error.strerror})", hint="set INDUSTRIVERSE_HOME to a folder you can write"
        ) from None
    return new, False
