"""Causes of failures, from logs that Paddle 2.6.2, 3.0.0rc1 and 3.3.1 really wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.targets.facts import load_facts
from edgewright.toolchains.causes import explain
from edgewright.toolchains.vendors import known, vendor_issues, vendor_rules, vendor_spec
from edgewright.toolchains.versions import in_range

LOGS = Path(__file__).parent / "logs"
CAUSES = {
    "convert_factor": ("3.3.1", "convert-factor", "factors of a Resize"),
    "corrupt_program": ("2.6.2", "crash-in-program", "died while it read the program"),
    "cut_json": ("3.3.1", "cut-json", "cut off, or no JSON"),
    "cut_program": ("2.6.2", "cut-program", "cut off or damaged"),
    "cut_weights": ("2.6.2", "cut-weights", "weights (.pdiparams) are cut off"),
    "cut_weights_json": ("3.3.1", "cut-weights", "weights (.pdiparams) are cut off"),
    "damaged_weights": ("2.6.2", "damaged-weights", "weights (.pdiparams) are damaged"),
    "empty_program": ("2.6.2", "empty-program", "is empty"),
    "fixed_batch": ("2.6.2", "reshape", "fixed shape [1, 256] and got [2, 4, 8, 8]"),
    "gpu_only_op": ("2.6.2", "gpu-only-op", "Softmax mask fuse op only supports GPU"),
    "half_conv": ("2.6.2", "no-kernel-at-all", "op conv2d has no kernel for the CPU"),
    "json_for_old": ("2.6.2", "crash-in-program", "no program of a kind that this version reads"),
    "kernel_not_registered": ("2.6.2", "kernel-not-registered", "op rms_norm has no kernel"),
    "missing_program": ("2.6.2", "missing-program", "nothere.pdmodel"),
    "missing_weights": ("2.6.2", "missing-weights", "nothere.pdiparams"),
    "missing_weights_json": ("3.0.0rc1", "missing-weights", "nothere.pdiparams"),
    "newer_program": ("3.0.0rc1", "newer-program", "newer Paddle: an attribute (scale)"),
    "other_json": ("3.3.1", "other-json", "no program of Paddle 3"),
    "pir_attribute": ("3.3.1", "pir-attribute", "pir::ArrayAttribute<pir::DoubleAttribute>"),
    "pir_output_defs": ("3.0.0rc1", "pir-output-defs", "0 outputs defined where the op has 1"),
    "surplus_weights": ("2.6.2", "surplus-weights", "more than the program needs"),
    "unfed_all": ("3.3.1", "inputs-not-set", "was not set"),
    "unfed_input": ("2.6.2", "input-not-set", "not set: Y(y)"),
    "unfed_input_onednn": ("3.3.1", "onednn-exception", "onednn_op.add"),
    "unknown_input": ("2.6.2", "unknown-input", "no input nothere"),
    "unknown_op": ("2.6.2", "unknown-op", "the op xelu"),
    "unknown_op_pir": ("3.3.1", "pir-unknown-op", "no kernel in this Paddle"),
    "wrong_channels": ("2.6.2", "channels", "4 channels (shape 1, 4, 8, 8) where the model's convolution wants 3"),
    "wrong_type": ("2.6.2", "input-type", "int64_t where the model computes in float"),
    "wrong_type_onednn": ("3.3.1", "input-type-onednn", "int64, which oneDNN does not have"),
}
WORKING = {"working": "2.6.2", "working_3": "3.3.1"}


def read(name: str) -> str:
    return (LOGS / f"{name}.txt").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", CAUSES)
def test_a_real_log_is_explained(name: str) -> None:
    version, code, words = CAUSES[name]
    cause = explain(read(name), vendor_rules("paddle"), version)
    assert cause is not None
    assert cause.code == code
    assert words in cause.cause
    assert "{" not in cause.cause + cause.remedy


@pytest.mark.parametrize("name", WORKING)
def test_a_log_of_a_run_that_worked_is_not_explained(name: str) -> None:
    assert explain(read(name), vendor_rules("paddle"), WORKING[name]) is None


def test_every_log_and_every_rule_is_used() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == {*CAUSES, *WORKING}
    assert {rule.code for rule in vendor_rules("paddle")} == {code for _, code, _ in CAUSES.values()}


def test_one_line_means_another_thing_in_another_version() -> None:
    """Of the release candidate it is oneDNN, of later versions an op that they do not have."""
    log, rules = read("pir_output_defs"), vendor_rules("paddle")
    causes = {version: explain(log, rules, version) for version in ("3.0.0rc1", "3.3.1")}
    codes = {version: cause and cause.code for version, cause in causes.items()}
    assert codes == {"3.0.0rc1": "pir-output-defs", "3.3.1": "pir-unknown-op"}


def test_known_issues_name_chips_and_versions_that_there_are() -> None:
    issues = vendor_issues("paddle")
    versions = vendor_spec("paddle").versions
    assert issues
    assert all(issue.chips <= set(load_facts("paddle")["chips"]) for issue in issues)
    assert all(any(in_range(version, issue.versions) for version in versions) for issue in issues)


def test_issues_are_those_of_the_version() -> None:
    def codes(version: str) -> set[str]:
        return {issue.code for issue in known("paddle", version, "cpu", {"Resize"})}

    assert "first-predictor-onednn" in codes("3.0.0rc1") - codes("3.3.1") - codes("2.6.2")
    assert {"resize-factor-onednn", "missing-weights-silent"} <= codes("3.3.1") - codes("2.6.2") - codes("3.0.0rc1")
    assert "resize-factor-onednn" not in {issue.code for issue in known("paddle", "3.3.1", "cpu", {"Conv"})}
