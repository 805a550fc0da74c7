"""What is built is the product and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_typed_packages_and_no_tests_data_or_generic_names(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"industriverse"}
    assert "industriverse/__init__.py" not in names
    packages = {name.split("/")[1] for name in names if name.startswith("industriverse/")}
    assert {f"industriverse/{package}/py.typed" for package in packages} <= set(names)
    assert not [
        name for name in names if "test" in name.lower() or name.endswith((".parquet", ".npz", ".csv"))
    ]
