"""The embedded graph has one owner."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from industriverse.atlas import AtlasOwnedError, Kind
from industriverse.atlas.embedded import open_atlas

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_second_process_is_told_to_go_through_the_server(tmp_path: Path) -> None:
    script = """
import sys
from industriverse.atlas import AtlasOwnedError
from industriverse.atlas.embedded import open_atlas
try:
    open_atlas(sys.argv[1])
except AtlasOwnedError as error:
    print(error)
"""
    with open_atlas(tmp_path):
        with pytest.raises(AtlasOwnedError, match="already open in this process"):
            open_atlas(tmp_path)
        other = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            check=True,
        )
    assert other.stdout.strip() == (
        f"the Atlas at {tmp_path} is owned by another process; connect to it through its server"
    )
    with open_atlas(tmp_path) as atlas:
        assert atlas.counts().nodes[Kind.STATE] == 0
