"""The wheel: the package, its data, its licence, and nothing else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "src" / "edgewright"
_SUFFIXES = {".txt", ".npz", ".pdiparams", ".pdmodel", ".py", ".toml", ".json", ".j2", ".css", ".html", ".js", ".typed"}
_BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"


def names_in_wheel(folder: Path, *command: str) -> set[str]:
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True, timeout=110)
    wheels = list(folder.glob("*.whl"))
    assert len(wheels) == 1, wheels
    with zipfile.ZipFile(wheels[0]) as wheel:
        return set(wheel.namelist())


def check(names: set[str]) -> None:
    package = {name for name in names if name.startswith("edgewright/")}
    information = {name.split("/", 1)[1] for name in names - package}
    source = {
        f"edgewright/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == source
    assert information == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert {Path(name).suffix for name in package} <= _SUFFIXES
    for needed in (
        "catalogue.toml",
        "py.typed",
        "report/summary.schema.json",
        "report/templates/",
        "targets/onnxruntime/facts.toml",
    ):
        assert any(name.startswith(f"edgewright/{needed}") for name in package), needed


@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")
def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    check(names_in_wheel(tmp_path, "-c", _BUILD, str(tmp_path)))


@pytest.mark.slow
def test_wheel_built_as_a_packager_would(tmp_path: Path) -> None:
    check(names_in_wheel(tmp_path, "-m", "build", "--wheel", "--outdir", str(tmp_path)))
