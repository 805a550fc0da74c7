"""The six wings hold portions of one namespace package, and every list of them agrees."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WINGS = ["agents", "tools", "mcp_server", "models", "knowledge", "graphs"]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages() -> list[Path]:
    return sorted(
        path for wing in WINGS for path in (ROOT / wing / "industriverse").iterdir() if path.is_dir()
    )


def test_there_is_never_a_package_file_in_the_namespace_root() -> None:
    assert not [wing for wing in WINGS if (ROOT / wing / "industriverse" / "__init__.py").exists()]


def test_the_lists_of_wings_agree(project: dict[str, Any]) -> None:
    tool = project["tool"]
    assert tool["hatch"]["build"]["dev-mode-dirs"] == WINGS
    assert tool["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        f"{wing}/industriverse" for wing in WINGS
    ]
    assert tool["pytest"]["ini_options"]["pythonpath"][: len(WINGS)] == WINGS
    assert tool["mypy"]["mypy_path"][: len(WINGS)] == WINGS


def test_every_package_is_typed_and_under_the_layer_contract(project: dict[str, Any]) -> None:
    roots = set(project["tool"]["importlinter"]["root_packages"])
    layers = " | ".join(project["tool"]["importlinter"]["contracts"][0]["layers"]).split(" | ")
    names = {f"industriverse.{path.name}" for path in packages() if path.name != "__pycache__"}
    assert names == roots == set(layers)
    assert all((path / "py.typed").exists() for path in packages() if path.name != "__pycache__")


def test_no_module_outgrows_one_reason_to_change() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for package in packages()
        for path in package.rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 500
    ]
    assert not long
