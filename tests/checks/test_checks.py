"""Static rules: each one fires on its case and keeps quiet otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewright.checks import CheckContext, ImageSet, run_checks
from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.targets.registry import get_backend
from tests.helpers import model_from_text, normal

HEAD = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,8,20] x) => (float[1,6,20] out) {
    [b] boxes_unit = MatMul (wb, x)
    [stride] boxes = Mul (boxes_unit, strides)
    [l] logits = MatMul (ws, x)
    [sig] scores = Sigmoid (logits)
    [joined] out = Concat <axis = 1> (boxes, scores)
}
"""


def head(stride: float) -> Model:
    return model_from_text(HEAD, wb=normal(4, 8), ws=normal(2, 8), strides=np.full((1, 1, 1), stride, np.float32))


def context(model: Model, observer: str = "minmax") -> CheckContext:
    profile = get_backend("onnxruntime/cpu").capabilities().fusion
    chosen = default_precisions(model, profile, "int8")
    found = layout(model, profile, chosen)
    feeds = [{"x": normal(1, 8, 20, seed=seed)} for seed in range(8)]
    known = parse_observer(observer)
    statistics = collect_statistics(model, found.observed, feeds, histogram=known.needs_histogram)
    plan = make_plan(model, profile, statistics, chosen, QuantOptions(known))
    return CheckContext(model=model, plan=plan, leaders=found.leaders, statistics=statistics, samples=feeds[:2])


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_boxes_in_pixels_beside_scores_are_found() -> None:
    finding = run_checks(context(head(100.0)), ["mixed-range"])[0]
    assert finding.code == "EW301"
    assert finding.severity is Severity.ERROR
    assert finding.where == "joined"
    assert finding.evidence["large"]["tensor"] == "boxes"
    assert finding.evidence["small"]["tensor"] == "scores"
    assert finding.evidence["steps"] < 1
    # counted by hand: a position is lost when both of its scores round to zero on the common grid
    made = context(head(100.0))
    assert made.plan is not None
    step = made.plan.activations["out"].step
    lost = []
    for sample in made.samples:
        logits = normal(2, 8) @ sample["x"]
        lost.append(int(((1 / (1 + np.exp(-logits))).max(axis=1) < step / 2).sum()))
    assert finding.evidence["positions"] == 20
    assert finding.evidence["positions_lost"] == round(sum(lost) / 2)


def test_boxes_divided_by_the_input_size_are_fine() -> None:
    assert run_checks(context(head(0.2)), ["mixed-range"]) == []


def test_a_grid_fitted_to_the_scores_is_found_by_the_boxes_that_saturate() -> None:
    made = context(head(100.0))
    assert made.plan is not None
    grid = made.plan.activations["out"]
    narrow = replace(grid, scale=np.asarray(grid.scale / 40))
    plan = replace(made.plan, activations={**made.plan.activations, "out": narrow})
    finding = run_checks(replace(made, plan=plan), ["mixed-range"])[0]
    assert "saturates" in finding.message
    assert finding.evidence["large_covered"] < 0.1


def test_16_bits_or_a_float_concat_are_fine() -> None:
    made = context(head(100.0))
    assert made.plan is not None
    ops = {**made.plan.ops, "joined": "float"}
    assert run_checks(replace(made, plan=replace(made.plan, ops=ops)), ["mixed-range"]) == []  # type: ignore[arg-type]


A = ImageSet(tuple(f"{i}.jpg" for i in range(20)), tuple(f"d{i}" for i in range(20)))
B = ImageSet(("x.jpg",), ("other",))


@pytest.mark.parametrize(
    ("calibration", "evaluation", "expected"),
    [
        (A, B, []),
        (A, ImageSet(("x.jpg", "y.jpg"), ("d3", "d4")), ["EW202"]),
        (replace(A, digests=("d0", "d0", *A.digests[2:])), B, ["EW204"]),
        (replace(A, constant=("3.jpg",)), B, ["EW205"]),
        (ImageSet(A.names[:3], A.digests[:3]), B, ["EW203"]),
        (replace(A, skipped=(("bad.jpg", "not an image"),)), B, ["EW201"]),
    ],
)
def test_lint_of_images(calibration: ImageSet, evaluation: ImageSet, expected: list[str]) -> None:
    made = CheckContext(calibration=calibration, evaluation=evaluation)
    assert codes(run_checks(made)) == expected


def test_halves_that_agree_and_halves_that_do_not() -> None:
    made = replace(context(head(1.0)), calibration=A)
    assert codes(run_checks(made, ["calibration-stability"])) == ["EW207"]
    moved = {
        name: replace(seen, halves=((0.0, 1.0), (0.0, 9.0)), minimum=0.0, maximum=9.0)
        for name, seen in made.statistics.items()
    }
    found = run_checks(replace(made, statistics=moved), ["calibration-stability"])
    assert codes(found) == ["EW206"]
    assert found[0].evidence["moving"] > 0


def test_a_tensor_that_never_changes() -> None:
    made = context(head(1.0))
    stuck = {**made.statistics, "scores": replace(made.statistics["scores"], minimum=0.5, maximum=0.5)}
    found = run_checks(replace(made, statistics=stuck), ["constant-tensor"])
    assert codes(found) == ["EW303"]
    assert found[0].where == "scores"
    assert run_checks(made, ["constant-tensor"]) == []


def test_values_that_are_no_numbers_are_told() -> None:
    made = context(head(1.0))
    held = {**made.statistics, "scores": replace(made.statistics["scores"], non_finite=3)}
    found = run_checks(replace(made, statistics=held), ["non-finite"])
    assert codes(found) == ["EW304"]
    assert found[0].where == "scores"
    assert run_checks(made, ["non-finite"]) == []


def test_two_images_prove_nothing_about_stability() -> None:
    made = replace(context(head(1.0)), calibration=ImageSet(A.names[:2], A.digests[:2]))
    assert run_checks(made, ["calibration-stability"]) == []
