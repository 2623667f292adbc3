"""The package in environments of its own: the oldest versions that `pyproject.toml` admits, and each Python.

The embedded toolchain is ONNX Runtime, so its version range is what these tests prove. Each environment is made with uv
in a temporary folder; a Python that is not on the machine is skipped, and said so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(900)]


def uv(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def interpreter_of(python: str) -> str:
    """An interpreter that pyenv keeps beside its selected one, else what uv finds by itself."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(kept.glob(f"{python}.*/bin/python"))
    return str(found[-1]) if found else python


def environment(folder: Path, python: str, resolution: str) -> Path:
    made = uv("venv", "-q", "--python", interpreter_of(python), str(folder), UV_PYTHON_DOWNLOADS="never")
    if made.returncode:
        pytest.skip(f"no Python {python} on this machine")
    interpreter = folder / "bin" / "python"
    installed = uv(
        "pip", "install", "-q", "--python", str(interpreter), "--resolution", resolution, str(ROOT), VIRTUAL_ENV=""
    )
    assert installed.returncode == 0, installed.stderr[-2000:]
    return folder / "bin" / "edgewright"


@pytest.mark.parametrize(
    ("python", "resolution"),
    [("3.10", "lowest-direct"), ("3.10", "highest"), ("3.12", "highest"), ("3.13", "highest")],
)
def test_the_demo_passes(python: str, resolution: str, tmp_path: Path) -> None:
    command = environment(tmp_path / "env", python, resolution)
    images = tmp_path / "images"
    images.mkdir()
    for path in sorted((DEMO / "images" / "evaluation").glob("*.jpg"))[:16]:
        shutil.copy(path, images)
    done = subprocess.run(
        [
            *(str(command), "deploy", str(DEMO / "detector.onnx"), "--images", str(images), "--labels"),
            *(str(DEMO / "labels.json"), "--calibration", str(DEMO / "images" / "calibration")),
            *("--out", str(tmp_path / "run"), "--max-drop", "3", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    told = json.loads(done.stdout)
    assert told["verdict"] == "passed"
    assert [row["verdict"] for row in told["variants"]] == ["reference", "failed", "passed"]
    assert {"EW301", "EW406"} <= {finding["code"] for finding in told["findings"]}
    image = str(next(iter(sorted(images.glob("*.jpg")))))
    shown = subprocess.run(
        [str(command), "run", told["bundle"], image, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["images"][0]["detections"]
