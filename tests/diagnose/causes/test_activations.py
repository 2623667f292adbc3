"""Causes that lie in one activation's grid: each fires on its case and keeps quiet on a near miss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewright.diagnose.causes import CauseContext
from edgewright.quant.grids import activation_grid
from tests.diagnose.causes.contexts import context, found, with_effects
from tests.helpers import model_from_text, normal

PASS = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,4,64,64] x) => (float[1,4,64,64] y) { [pass] y = Mul (x, one) }
"""
SIGMOID = PASS.replace("[pass] y = Mul (x, one)", "[sig] y = Sigmoid (x)")
SILU = PASS.replace("[pass] y = Mul (x, one)", "[conv] c = Conv (x, w) [sig] s = Sigmoid (c) [mul] y = Mul (s, c)")
ONE = np.ones((), np.float32)


def images(scale: float = 1.0, shift: float = 0.0, count: int = 4) -> list[dict[str, np.ndarray]]:
    return [{"x": scale * normal(1, 4, 64, 64, seed=seed) + np.float32(shift)} for seed in range(count)]


def with_outliers(size: float) -> list[dict[str, np.ndarray]]:
    feeds = images()
    for sample in feeds:
        sample["x"][0, 0, 0, 0] = size
    return feeds


def passing(feeds: list[dict[str, np.ndarray]], **options: object) -> CauseContext:
    return context(model_from_text(PASS, one=ONE), feeds, **options)  # type: ignore[arg-type]


def test_one_value_in_ten_thousand_sets_the_range() -> None:
    findings = found(passing(with_outliers(100.0)), "outlier-activations")
    assert {finding.evidence["tensor"] for finding in findings} == {"x", "y"}
    finding = next(finding for finding in findings if finding.where == "pass")
    assert finding.code == "EW312"
    assert finding.evidence["high"] == 100.0
    low, high = finding.evidence["bulk"]
    assert low == pytest.approx(-3.3, abs=0.3)
    assert high == pytest.approx(3.3, abs=0.3)
    assert finding.evidence["steps"] == pytest.approx((high - low) / (104 / 255), rel=0.05)
    assert finding.evidence["remedies"] == ["ranges", "16bit", "float"]
    assert "99.9 %" in finding.message
    assert "17 steps" in finding.message or "16 steps" in finding.message


def test_a_normal_tensor_a_clipped_outlier_and_no_histogram_say_nothing() -> None:
    assert found(passing(images()), "outlier-activations") == []
    cut = {"x": (-4.0, 4.0), "y": (-4.0, 4.0)}
    assert found(passing(with_outliers(100.0), ranges=cut), "outlier-activations") == []
    assert found(passing(with_outliers(100.0), histogram=False), "outlier-activations") == []


def test_16_bits_have_steps_for_both() -> None:
    made = passing(with_outliers(100.0))
    grids = {name: activation_grid(-4.0, 100.0, "uint16", False) for name in made.plan.activations}
    wide = replace(made, plan=replace(made.plan, activations=grids), noticed={"": 0.0})
    assert found(wide, "outlier-activations") == []


def test_a_grid_wider_than_all_values_has_no_outliers() -> None:
    wide = replace(passing(images(), ranges={"y": (-40.0, 40.0)}), noticed={"": 0.0})
    assert found(wide, "outlier-activations") == []


def test_outliers_without_an_effect_are_no_cause() -> None:
    made = passing(with_outliers(100.0))
    assert found(with_effects(made, {"y": {"scores": 0.2}, "x": {"scores": 0.0001}}), "outlier-activations")[
        0
    ].evidence["effects"] == {"scores": 0.2}
    assert found(with_effects(made, {"y": {"scores": 0.001}}), "outlier-activations") == []


@pytest.mark.parametrize("histogram", [True, False])
def test_a_calibration_that_clips(histogram: bool) -> None:
    made = passing(images(), ranges={"y": (-1.0, 1.0)}, histogram=histogram)
    (finding,) = found(made, "clipped")
    assert (finding.code, finding.where) == ("EW314", "pass")
    assert finding.evidence["saturated"] == pytest.approx(0.32, abs=0.01)
    assert finding.evidence["share"] > 0.99
    assert finding.evidence["by"] == "observer"
    assert finding.evidence["remedies"][0] == "ranges"


def test_images_beyond_what_calibration_saw() -> None:
    (finding, _) = found(passing(images(scale=4.0), seen=images()), "clipped")
    assert finding.evidence["by"] == "images"
    assert "more-images" in finding.evidence["remedies"]
    assert "calibration saw none" in finding.message


def test_no_clipping_and_a_little_of_it_say_nothing() -> None:
    assert found(passing(images()), "clipped") == []
    # 3.6 sigma: a few values in ten thousand saturate, and rounding still makes most of the error
    made = passing(images(), ranges={"y": (-3.6, 3.6)})
    assert made.errors["y"].saturated > 0
    assert found(replace(made, noticed={"": 0.0}), "clipped") == []


def test_scores_that_share_a_few_codes() -> None:
    feeds = images(shift=-8.0)
    for sample in feeds:
        sample["x"][0, 0, 0, :4] = 3.0
    (finding,) = found(context(model_from_text(SIGMOID), feeds), "few-levels")
    assert (finding.code, finding.where) == ("EW315", "sig")
    assert finding.evidence["form"] == "bulk"
    assert finding.evidence["levels"] < 6
    assert found(context(model_from_text(SIGMOID), feeds), "outlier-activations") == []  # told once


def test_scores_that_fill_the_grid() -> None:
    assert found(replace(context(model_from_text(SIGMOID), images()), noticed={"": 0.0}), "few-levels") == []


def silu(scale: float) -> CauseContext:
    weights = scale * np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1)
    return context(model_from_text(SILU, w=weights), images(), fuse_silu=True)


def test_the_tail_of_silu_on_a_wide_grid() -> None:
    made = replace(silu(10.0), noticed={"": 0.002})
    (finding,) = found(made, "few-levels")
    assert finding.where == "mul"
    assert finding.evidence["form"] == "tail"
    step = made.plan.activations["y"].step
    assert finding.evidence["levels"] == pytest.approx(0.278 / step, rel=0.02)
    assert finding.evidence["share"] == pytest.approx(0.4, abs=0.1)
    assert found(replace(silu(1.0), noticed={"": 0.002}), "few-levels") == []


def test_the_tail_is_not_told_where_outliers_are_the_cause() -> None:
    weights = np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1)
    made = context(model_from_text(SILU, w=weights), with_outliers(100.0), fuse_silu=True)
    assert "mul" in {finding.where for finding in found(made, "outlier-activations")}
    assert "mul" not in {finding.where for finding in found(made, "few-levels")}


def flat(shift: float) -> CauseContext:
    weights = np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1)
    feeds = images()
    for sample in feeds:
        sample["x"][:, :2] = 30 * np.abs(sample["x"][:, :2]) * np.sign(shift) + shift
    return context(model_from_text(SILU, w=weights), feeds)


def test_a_grid_spent_on_what_silu_flattens() -> None:
    finding = found(flat(-20.0), "flattened")[0]
    assert (finding.code, finding.where) == ("EW322", "conv")
    assert finding.evidence["useful"][0] == -8.0
    assert finding.evidence["wasted"] > 0.8
    assert finding.evidence["remedies"][0] == "ranges"


def test_large_positive_values_and_other_readers_are_no_waste() -> None:
    assert found(flat(20.0), "flattened") == []
    made = flat(-20.0)
    graph = made.model.clone()
    graph.graph.outputs.append(next(node for node in graph.graph if node.name == "conv").outputs[0])
    shown = replace(made, model=type(made.model)(graph))
    assert found(shown, "flattened") == []  # an output shows every value


def test_ranges_that_move_between_halves() -> None:
    made = passing(images(count=2))
    halves = ((-1.0, 1.0), (-4.0, 4.0))
    moved = replace(made, statistics={name: replace(seen, halves=halves) for name, seen in made.statistics.items()})
    strict = replace(moved, noticed={"": 0.001})
    finding = next(finding for finding in found(strict, "unstable-ranges") if finding.where == "pass")
    assert finding.code == "EW317"
    assert finding.evidence["change"] > 0.3
    assert finding.evidence["even"] == [-1.0, 1.0]
    assert finding.evidence["remedies"] == ["ranges", "more-images", "16bit"]
    assert found(replace(made, noticed={"": 0.001}), "unstable-ranges") == []
    harmless = with_effects(moved, {"y": {"scores": 0.0001}})
    assert found(harmless, "unstable-ranges") == []
