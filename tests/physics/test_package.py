"""The physics package is light to import and speaks through one tree of errors."""

import subprocess
import sys

import pytest

import industriverse.physics as physics


def test_importing_the_package_loads_neither_numpy_nor_scipy() -> None:
    program = "import sys, industriverse.physics; sys.exit(bool({'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", [name for name in physics.__all__ if name != "IndustriverseError"])
def test_every_error_of_the_laws_is_a_physics_error_with_a_hint(name: str) -> None:
    error = getattr(physics, name)("the matrix is not square", hint="give a square one")
    assert isinstance(error, physics.PhysicsError)
    assert isinstance(error, physics.IndustriverseError)
    assert str(error) == "the matrix is not square; give a square one"


def test_an_error_without_a_hint_is_its_message() -> None:
    assert str(physics.PhysicsError("nothing moves")) == "nothing moves"
