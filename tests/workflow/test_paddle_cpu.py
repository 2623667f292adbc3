"""`deploy` for `paddle/cpu` with the real packages: the founding fault, from the export to a bundle that runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import edgewright as ew
from edgewright.errors import ToolchainError
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.surroundings import surroundings
from edgewright.toolchains.vendors import vendor_spec

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "demo" / "images" / "calibration"
VERSION = "3.0.0rc1"


def export(version: str, folder: Path) -> Path:
    """Everything in `exports.py`, made by a version of Paddle."""
    made = ensure(vendor_spec("paddle"), version, yes=True)
    script = ROOT / "tests" / "targets" / "paddle" / "exports.py"
    command = [str(made.python), str(script), str(folder)]
    subprocess.run(command, env=surroundings(made.folder), check=True, capture_output=True, timeout=300)
    return folder


def test_the_founding_fault_does_not_stop_a_deploy_and_is_told(tmp_path: Path) -> None:
    target = f"paddle/cpu=={VERSION}"
    (tmp_path / "export").mkdir()
    program = export(VERSION, tmp_path / "export") / "classifier.json"
    run = ew.deploy(program, target=target, images=IMAGES, precision="float", task="tensors", out=tmp_path / "run")
    assert run.verdict == "passed"
    told = {finding.code: finding for finding in run.findings}
    assert "switch oneDNN off: `config.disable_mkldnn()`: works" in told["EW710"].message
    assert told["EW710"].evidence["cause"] == "pir-output-defs"
    (row,) = run.table
    assert row.ran_on == f"Paddle {VERSION} cpu"
    assert row.latency is not None
    assert row.latency.source == "measured"
    assert "without oneDNN" in row.latency.note
    assert max(part.relative_l2 or 0.0 for part in row.parts) < 1e-4
    assert run.bundle is not None
    manifest = json.loads((run.bundle / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["artifact"]["read_back"]["setup"]["options"]["onednn"] == "off"
    assert manifest["artifact"]["toolchain"] == {"Paddle": VERSION}
    with ew.load(run.bundle) as predictor:
        assert VERSION in predictor.ran_on
        found = list(predictor.predict_many(sorted(IMAGES.iterdir())[:2]))
    assert len(found) == 2
    again = ew.deploy(program, target=target, images=IMAGES, precision="float", task="tensors", out=tmp_path / "run")
    assert again.reused


def test_a_model_that_no_version_runs_is_told_with_what_was_tried(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    program = export("2.6.2", tmp_path / "export") / "half.pdmodel"
    ensure(vendor_spec("paddle"), "3.3.1", yes=True)
    with pytest.raises(ToolchainError) as failure:
        ew.deploy(program, target="paddle/cpu", images=IMAGES, precision="float", task="tensors", out=tmp_path / "run")
    error = failure.value
    assert "the model is in float16" in error.why
    assert "none of the remedies that can be tried here works" in error.why
    assert "use Paddle 3.3.1: fails (no-kernel-at-all)" in error.why
    assert error.todo.startswith("export the model in float32; or run it with a GPU build")
    assert Path(error.log).is_file()
