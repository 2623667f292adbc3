"""Causes of failures, from logs that RKNN-Toolkit2 really wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.toolchains.causes import explain, last_lines
from edgewright.toolchains.vendors import vendor_issues, vendor_rules

LOGS = Path(__file__).parent / "logs"
CAUSES = {
    "bad_shapes": ("bad-shapes", "Incompatible dimensions"),
    "custom_op": ("custom-op", "the op Fancy of the domain com.acme"),
    "dtype_of_other_chip": ("type-of-other-chip", "rk3588 has no w8a16"),
    "dtype_removed_2.5": ("type-of-other-version", "no w16a16i"),
    "dynamic_op": ("dynamic-op", "(NonZero)"),
    "dynamic_shape": ("dynamic-shape", "['N', 3, 'H', 'W']"),
    "einsum_5d": ("compiler-crash", "Segmentation fault"),
    "empty_model": ("empty-model", "no graph"),
    "float16_on_rv1106": ("layer-type-of-other-chip", "int8/int16"),
    "float_on_rv1106": ("no-float", "rv1106 has no float"),
    "int16_sub_rk3588": ("compiler-type", "no Sub in this precision (tensor k)"),
    "int8_on_rk2118": ("compiler-conv", "no convolution of this type"),
    "mean_length": ("mean-length", "3 channels"),
    "missing_dataset": ("missing-dataset", "nosuch.txt"),
    "missing_image": ("missing-image", "a.npy"),
    "missing_model": ("missing-model", "model.onnx"),
    "opset_too_new": ("opset-too-new", "opset 21; this toolkit reads up to 19"),
    "read_only": ("read-only", "read-only"),
    "rule_crash": ("rule-crash", "fuse_hardsigmoid_mul_to_hardswish fails"),
    "scale_edited": ("scale-edited", "another scale"),
    "stub_too_small": ("stub-too-small", "arange"),
    "too_few_inputs": ("input-count", "2 inputs, the calibration data fill 1"),
    "truncated_model": ("damaged-model", "cut off"),
    "unknown_algorithm": ("algorithm", "no calibration best"),
    "unknown_layer": ("layer-name", "nothere"),
    "unknown_layer_type": ("layer-type", "float32 is no type"),
    "unknown_platform": ("unknown-chip", "rk9999"),
    "wrong_image_shape": ("image-shape", "(1, 16, 16, 3), the model wants (1, 3, 16, 16)"),
}


def read(name: str) -> str:
    # as written: carriage returns of progress bars must not become lines
    return (LOGS / f"{name}.txt").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", CAUSES)
def test_a_real_log_is_explained(name: str) -> None:
    code, words = CAUSES[name]
    cause = explain(read(name), vendor_rules("rockchip"))
    assert cause is not None
    assert cause.code == code
    assert words in cause.cause
    assert "{" not in cause.cause + cause.remedy


@pytest.mark.parametrize("name", ["working_float", "working_hybrid"])
def test_a_log_of_a_build_that_worked_is_not_explained(name: str) -> None:
    assert explain(read(name), vendor_rules("rockchip")) is None


def test_every_log_and_every_rule_is_used() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == {*CAUSES, "working_float", "working_hybrid"}
    assert {rule.code for rule in vendor_rules("rockchip")} == {code for code, _ in CAUSES.values()}


def test_the_last_lines_leave_progress_bars_out() -> None:
    lines = last_lines(read("einsum_5d"))
    assert lines
    assert not [line for line in lines if "it/s" in line]


def test_known_issues_are_well_formed_and_name_known_chips() -> None:
    from edgewright.targets.facts import load_facts

    chips = set(load_facts("rockchip")["chips"])
    issues = vendor_issues("rockchip")
    assert issues
    assert all(issue.chips <= chips for issue in issues)
