"""Rows with the ranges of a vendor's own calibration: what they are built of, and when one of them ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.bundle.open import open_bundle
from edgewright.errors import ToolchainError, UserError
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.backend import Calibrating
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.verify.results import Variant
from edgewright.workflow.assemble import choose
from edgewright.workflow.calibrated import Calibrated
from tests.cli import zoo
from tests.workflow.repairs import Job

TIMES = {"good": 1.0, "also-good": 1.0, "narrow": 0.02, "wide": 40.0}


class Vendor(OnnxRuntimeBackend):
    """A toolchain whose calibrations take our ranges so many times."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.asked: list[tuple[str, str, int]] = []

    def calibrations(self) -> tuple[str, ...]:
        return (*TIMES, "broken")

    def vendor_plan(self, model: Model, plan: PrecisionPlan, method: str, samples: Any, folder: Path) -> PrecisionPlan:
        if method == "broken":
            raise ToolchainError("Acme failed at 'calibrate': it died")
        self.asked.append((method, model.digest, len(list(samples(3)))))
        return replace(scaled(plan, TIMES[method]), origin={"observer": f"Acme {method}"})


def scaled(plan: PrecisionPlan, times: float) -> PrecisionPlan:
    """A plan with so many times the ranges."""
    grids = {
        name: replace(grid, scale=np.asarray(grid.scale * times, np.float32)) for name, grid in plan.activations.items()
    }
    return replace(plan, activations=grids)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    backend = Vendor()
    assert isinstance(backend, Calibrating)
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: backend)
    return backend


def test_each_calibration_is_a_row_and_ours_ships_where_it_passes(tmp_path: Path, vendor: Vendor) -> None:
    job = Job(tmp_path, zoo.detector())
    run = job.run(quantise={"vendor_calibration": ["narrow", "good"]}, verify={"max_drop": 100})
    names = [row.name for row in run.table]
    assert names == ["float", "int8", "int8, narrow of onnxruntime", "int8, good of onnxruntime"]
    assert [row.calibration for row in run.table] == ["", "", "onnxruntime narrow", "onnxruntime good"]
    ours, narrow, good = run.table[1:]
    assert good.metric == ours.metric
    assert [part.relative_l2 for part in good.parts] == [part.relative_l2 for part in ours.parts]
    assert narrow.parts[0].relative_l2 > 5 * ours.parts[0].relative_l2
    assert run.report.verdict.variant == "int8", "a row to compare with does not replace ours"
    assert [method for method, _, _ in vendor.asked] == ["narrow", "good"]
    assert all(images == 3 for _, _, images in vendor.asked), "as many calibration images as the toolchain asks for"
    assert 'vendor_calibration = [\n    "narrow",\n    "good",\n]' in run.recipe.read_text(encoding="utf-8")


def test_a_repaired_network_is_compared_too_and_a_search_is_not_cut_short_by_a_failing_row(
    tmp_path: Path, vendor: Vendor
) -> None:
    job = Job(tmp_path, zoo.detector(wide=True))
    run = job.run(quantise={"vendor_calibration": ["good"]}, repair={"allow": ["cut"]})
    assert run.verdict == "passed"
    names = [row.name for row in run.table]
    ours = run.report.verdict.variant
    assert names == ["float", "int8", "int8, good of onnxruntime", ours.replace("int8", names[2]), ours]
    models = {model for _, model, _ in vendor.asked}
    assert len(models) == 2, "the network as exported, and the repaired one"
    cut, best = run.table[3:]
    assert cut.metric == best.metric
    assert cut.artifact_digest == best.artifact_digest, "ranges that are the same give the same plan"


def test_where_only_a_calibration_of_the_vendors_passes_it_ships_and_nothing_is_searched(
    tmp_path: Path, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Calibrated.plan

    def spoiled(calibrated: Calibrated, precision: Any) -> PrecisionPlan:
        return scaled(plan(calibrated, precision), 40.0)

    monkeypatch.setattr(Calibrated, "plan", spoiled)
    monkeypatch.setitem(TIMES, "good", 1 / 40)
    job = Job(tmp_path, zoo.detector())
    run = job.run(
        quantise={"vendor_calibration": ["wide", "good"]},
        verify={"parts": {"boxes": 0.2, "scores": 0.2}, "max_drop": 100},
    )
    assert [(row.name, row.verdict) for row in run.table[1:]] == [
        ("int8", "failed"),
        ("int8, wide of onnxruntime", "failed"),
        ("int8, good of onnxruntime", "passed"),
    ]
    assert run.report.verdict.variant == "int8, good of onnxruntime"
    assert job.journal() is None, "no repair is searched where something that costs nothing passes"
    with open_bundle(run.bundle) as bundle:
        assert bundle.manifest.variant == "int8, good of onnxruntime"
        assert bundle.manifest.variants[3]["calibration"] == "onnxruntime good"


def variant(name: str, verdict: Any, drop: float, calibration: str = "") -> Variant:
    return Variant(name, "here", "int8", None, drop, (), None, verdict, calibration=calibration)


def test_what_ships() -> None:
    ours, worse, better = (
        variant("int8", "passed", 0.9),
        variant("a", "passed", 0.5, "Acme a"),
        variant("b", "passed", 0.1, "Acme b"),
    )
    assert choose(["int8"], [ours, worse, better]) == ours
    failed = replace(ours, verdict="failed")
    assert choose(["int8"], [failed, worse, better]) == better
    assert choose(["int8"], [failed, better, worse]) == better
    mended = variant("int8, mended", "passed", 0.8)
    assert choose(["int8"], [failed, worse, better, mended]) == mended
    assert choose(["int8"], [failed, replace(worse, verdict="failed")]) is None


def test_a_calibration_that_fails_costs_its_row_only_and_one_that_is_another_is_told(
    tmp_path: Path, vendor: Vendor
) -> None:
    job = Job(tmp_path, zoo.detector())
    run = job.run(quantise={"vendor_calibration": ["broken", "good", "also-good"]}, verify={"repair": False})
    assert [row.name for row in run.table][2:] == ["int8, good of onnxruntime", "int8, also-good of onnxruntime"]
    told = {finding.where: finding.message for finding in run.findings if finding.code == "EW607"}
    assert "it died" in told["int8, broken of onnxruntime"]
    assert "same ranges as for int8, good of onnxruntime" in told["int8, also-good of onnxruntime"]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"quantise": {"vendor_calibration": ["best"]}}, ("no calibration 'best'", "it has good, also-good")),
        ({"quantise": {"vendor_calibration": ["good"]}, "precision": ["float"]}, ("8 bits only", "add int8")),
    ],
)
def test_what_the_target_has_not_is_refused_first(
    tmp_path: Path, vendor: Vendor, sections: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as failure:
        Job(tmp_path, zoo.detector()).run(**sections)
    assert all(word in f"{failure.value}" for word in words)
    assert not (tmp_path / "run").exists()


def test_a_target_without_a_toolchain_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no toolchain with a calibration of its own"):
        Job(tmp_path, zoo.detector()).run(quantise={"vendor_calibration": ["kl"]})
    with pytest.raises(UserError, match="no toolchain with a calibration of its own"):
        Job(tmp_path / "b", zoo.detector()).run(quantise={"vendor_calibration": ["kl"]}, target="rockchip/rv1126")
    with pytest.raises(UserError, match="named twice"):
        Job(tmp_path / "c", zoo.detector()).run(quantise={"vendor_calibration": ["kl", "kl"]}, target="rockchip/rk3588")
