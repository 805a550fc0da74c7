"""Importing the package stays cheap: the compiler is loaded where samples are scored, not before."""

import subprocess
import sys


def test_importing_the_public_names_loads_neither_numba_nor_pyarrow_nor_scipy() -> None:
    program = (
        "import sys; import industriverse.eil; from industriverse.eil import Detector, Reference, Watcher; "
        "import industriverse.eil.scoring, industriverse.eil.evaluation; "
        "print([m for m in ('numba', 'pyarrow', 'scipy', 'torch', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
