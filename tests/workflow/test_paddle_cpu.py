"""`deploy` for `paddle/cpu` with the real packages: the founding fault, from the export to a bundle that runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import edgewright as ew
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.surroundings import surroundings
from edgewright.toolchains.vendors import vendor_spec

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "demo" / "images" / "calibration"
VERSION = "3.0.0rc1"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = ensure(vendor_spec("paddle"), VERSION, yes=True)
    folder = tmp_path_factory.mktemp("export")
    script = ROOT / "tests" / "targets" / "paddle" / "exports.py"
    command = [str(made.python), str(script), str(folder)]
    subprocess.run(command, env=surroundings(made.folder), check=True, capture_output=True, timeout=300)
    return folder / "classifier.json"


def test_the_founding_fault_does_not_stop_a_deploy_and_is_told(program: Path, tmp_path: Path) -> None:
    target = f"paddle/cpu=={VERSION}"
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
