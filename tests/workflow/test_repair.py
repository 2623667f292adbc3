"""Deploys whose 8-bit model falls short, from end to end: what mends it, what may not, and what cannot be mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.bundle.open import open_bundle
from edgewright.errors import UserError
from edgewright.graph.model import Model
from edgewright.runtime.load import load
from tests.cli import zoo
from tests.helpers import model_from_text, normal
from tests.workflow.repairs import Job, Steps, figures

DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A detector whose boxes leave no room for scores."""
    return Job(tmp_path, zoo.detector(wide=True))


def codes(run) -> set[str]:
    return {finding.code for finding in run.findings}


@pytest.mark.slow
def test_the_demo_detector_is_mended_by_its_tail_on_the_host(tmp_path: Path) -> None:
    """A trained network, few images: int8 finds nothing; with boxes decoded on the host it finds what float does."""
    job = Job(tmp_path, DEMO / "detector.onnx", images=0, calibration=0)
    for source, folder, count in (("evaluation", job.images, 2), ("calibration", job.calibration, 8)):
        for path in sorted((DEMO / "images" / source).iterdir())[:count]:
            (folder / path.name).write_bytes(path.read_bytes())
    run = job.run(labels=False, repair={"allow": ["cut"]}, verify={"max_drop": 10})
    assert run.verdict == "passed"
    assert [row.verdict for row in run.table] == ["reference", "failed", "passed"]
    assert run.table[1].metric.value == 0
    assert run.table[2].ops["int16"] == run.table[2].ops["float"] == 0
    assert job.journal()["best"] == run.table[2].name
    with open_bundle(run.bundle) as bundle:
        assert bundle.manifest.variant == run.table[2].name
        assert bundle.restore() is not None
    with load(run.bundle) as predict:
        assert any(len(predict(path, confidence=0.25)) for path in job.images.iterdir())


def test_what_was_chosen_on_calibration_images_is_confirmed_on_the_others(job: Job) -> None:
    run = job.run(repair={"allow": ["rewrite", "cut"]})
    assert run.verdict == "passed"
    journal = job.journal()
    (best,) = (entry for entry in journal["entries"] if entry["name"] == journal["best"])
    assert best["trial"]["images"] >= 4
    assert best["trial"]["metric"]["name"] == "agreement AP"
    assert best["confirmation"]["metric"]["name"] == "AP"
    assert journal["entries"][0]["confirmation"]["passed"] is False
    assert run.table[-1].name == journal["best"] == run.report.verdict.variant
    assert "EW604" in codes(run)


def test_no_repair(job: Job) -> None:
    run = job.run(verify={"repair": False})
    assert run.verdict == "failed"
    assert [row.name for row in run.table] == ["float", "int8"]
    assert (run.bundle, job.journal()) == (None, None)


def test_outputs_that_must_be_kept(job: Job) -> None:
    """Where the host may not help, the decode tail in float mends it; where that is not allowed either, nothing."""
    run = job.run(repair={"keep_outputs": True, "allow": ["rewrite", "cut", "float"]})
    assert run.verdict == "passed"
    assert run.table[-1].ops["float"] > 0
    with open_bundle(run.bundle) as bundle:
        assert bundle.restore() is None
        assert [port.spec.name for port in bundle.manifest.artifact.outputs] == ["answer"]
    strict = job.run(repair={"keep_outputs": True, "allow": ["rewrite", "cut"]})
    assert strict.verdict == "failed"
    assert strict.bundle is None
    assert job.journal()["passed"] is False


def test_a_budget_that_leaves_no_way(job: Job) -> None:
    run = job.run(repair={"allow": ["16bit", "float"], "budget": "int16-ops<=0, float-ops<=0"})
    assert run.verdict == "failed"
    assert run.bundle is None
    journal = job.journal()
    assert journal["best"] == "int8"
    assert not [entry for entry in journal["entries"][1:] if not entry.get("beyond")]
    free = job.run(repair={"allow": ["16bit"]})
    assert free.verdict == "passed"
    assert 0 < free.table[-1].ops["int16"] < free.table[-1].ops["int8"]


def test_without_labels_agreement_with_float_is_restored(job: Job) -> None:
    run = job.run(labels=False, repair={"allow": ["cut"]})
    assert run.verdict == "passed"
    assert {row.metric.name for row in run.table} == {"agreement AP"}
    assert run.table[-1].metric.value > 95


def test_a_float_model_that_is_wrong_itself_is_told_first_and_not_searched(job: Job) -> None:
    labels = job.labels.read_text(encoding="utf-8")
    job.labels.write_text(labels.replace('"bbox": [', '"bbox": [0.5, 0.5, 1.5, 1.5], "was": ['), encoding="utf-8")
    steps = Steps()
    run = job.run(steps=steps)
    assert run.verdict == "failed"
    assert "EW211" in codes(run)
    assert run.findings[0].code == "EW211"
    assert [row.name for row in run.table] == ["float", "int8"]
    assert not [name for name in steps.names if name.startswith("try")]
    assert job.journal() is None


def test_three_calibration_images(tmp_path: Path) -> None:
    job = Job(tmp_path, zoo.detector(wide=True), images=3, calibration=3)
    run = job.run(repair={"allow": ["calibration", "cut"]})
    assert run.verdict == "passed"
    assert "EW203" in codes(run)
    assert all(entry["trial"]["images"] == 3 for entry in job.journal()["entries"] if entry["trial"])


def two_maps() -> Model:
    """One output that is 0.5 whatever the input is, and one that 8 bits spoil: a hundredth of it tells something."""
    scale = np.array([1, 100], np.float32).reshape(1, 2, 1, 1)
    return model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        small (float[1,3,8,8] image) => (float[1,2,8,8] same, float[1,1,8,8] map) {
            a = Conv <pads = [1,1,1,1]> (image, w1)
            nothing = Mul (a, zero)
            same = Sigmoid (nothing)
            large = Mul (a, scale)
            map = Conv (large, w2)
        }
        """,
        w1=normal(2, 3, 3, 3),
        zero=np.zeros((1, 2, 1, 1), np.float32),
        scale=scale,
        w2=np.array([1.0, 1e-4], np.float32).reshape(1, 2, 1, 1),
    )


def test_an_output_that_is_constant_neither_stops_nor_misleads_the_search(tmp_path: Path) -> None:
    job = Job(tmp_path, two_maps(), images=3, calibration=4)
    run = job.run(labels=False, task="tensors", verify={"max_relative_l2": 0.05}, repair={"allow": ["16bit"]})
    assert [row.verdict for row in run.table] == ["reference", "failed", "passed"]
    failed, passed = ({part.part: part.relative_l2 for part in row.parts} for row in run.table[1:])
    assert failed["map"] > 0.1
    assert failed["same"] == passed["same"] == 0
    (_, best) = (entry for entry in job.journal()["entries"] if entry["confirmation"])
    assert best["remedies"][0]["facts"]["wide"] == ["large"], "the tensor that joins unlike channels"


def test_a_model_without_an_op_in_integers_is_not_searched(tmp_path: Path) -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        small (float[1,3,8,8] image) => (float[1,3,8,8] map) { map = Elu (image) }
        """
    )
    job = Job(tmp_path, model, images=2, calibration=2)
    with pytest.raises(UserError, match="computes no op of this model in integers"):
        job.run(labels=False, task="tensors")
    run = job.run(labels=False, task="tensors", precision=["int8", "float"])
    assert [row.name for row in run.table] == ["float"]
    assert "EW603" in codes(run)
    assert job.journal() is None


def test_of_many_calibration_images_half_are_kept_to_try_candidates_on(tmp_path: Path) -> None:
    job = Job(tmp_path, zoo.detector(wide=True), images=3, calibration=9)
    job.run(repair={"allow": ["cut"]})
    assert {entry["trial"]["images"] for entry in job.journal()["entries"] if entry["trial"]} == {4}


def test_a_repair_again_is_reused_whole(job: Job) -> None:
    first, steps = job.run(repair={"allow": ["cut"]}), Steps()
    again = job.run(repair={"allow": ["cut"]}, steps=steps)
    assert (again.reused, steps.names) == (True, [])
    assert figures(again) == figures(first)
