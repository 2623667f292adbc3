"""From a Paddle program to a bundle that runs, with the real Paddle and the real Paddle Lite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgewright as ew
from edgewright.bundle.open import open_bundle
from edgewright.targets.paddlelite.control import control_model
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.vendors import vendor_spec
from edgewright.workflow.deploy import Run

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program with its weights, and pictures."""
    ensure(vendor_spec("paddle"), "2.6.2", yes=True)
    ensure(vendor_spec("paddlelite"), yes=True)
    place = tmp_path_factory.mktemp("lite")
    origin, _ = control_model()
    (place / "model").mkdir()
    shutil.copyfile(origin.program, place / "model" / "small.pdmodel")
    shutil.copyfile(origin.weights, place / "model" / "small.pdiparams")
    (place / "images").mkdir()
    random = np.random.default_rng(0)
    for index in range(3):
        cv2.imwrite(str(place / "images" / f"{index}.png"), random.integers(0, 255, (32, 32, 3), np.uint8))
    return place


def deployed(folder: Path, target: str) -> Run:
    return ew.deploy(
        folder / "model" / "small.pdmodel",
        images=folder / "images",
        target=target,
        task="tensors",
        precision="int8,float",
        out=folder / target.replace("/", "-"),
    )


def test_x86_from_the_program_to_a_bundle_that_runs(folder: Path) -> None:
    run = deployed(folder, "paddlelite/x86")
    assert run.verdict == "passed"
    rows = {row.name: row for row in run.table}
    assert set(rows) == {"float", "int8 weights"}
    assert all(error.relative_l2 is not None and error.relative_l2 <= 1e-5 for error in rows["float"].parts)
    assert all(error.relative_l2 is not None and error.relative_l2 > 1e-4 for error in rows["int8 weights"].parts)
    assert all(row.latency is not None and "own process" in row.latency.note for row in rows.values())
    assert not [finding for finding in run.findings if finding.code in ("EW209", "EW501")], "nothing is calibrated"
    assert run.bundle is not None
    with open_bundle(run.bundle) as bundle:
        artifact = bundle.manifest.artifact
        assert artifact.toolchain == {"Paddle Lite": "2.12"}
        assert "--valid_targets=x86" in artifact.read_back["command"]
        assert bundle.manifest.provenance["toolchain"] == {"Paddle Lite": "2.12"}
    with ew.load(run.bundle) as predictor:
        assert predictor.ran_on == "Paddle Lite 2.12, this computer"


def test_arm_is_built_and_not_run(folder: Path) -> None:
    run = deployed(folder, "paddlelite/arm")
    assert (run.verdict, run.bundle) == ("not run", None)
    words = {row.name: row.verdict for row in run.table}
    assert words == {
        "float, x86 in its stead": "reference",
        "int8 weights, x86 in its stead": "passed",
        "float": "not run",
        "int8 weights": "not run",
    }
