"""Real failures of Paddle Lite, recorded and shortened: the rule that was written for each explains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.toolchains.causes import explain
from edgewright.toolchains.vendors import known, vendor_issues, vendor_rules, vendor_spec

LOGS = Path(__file__).parent / "logs"
EXPECTED = {
    "cut_nb": ("cut-file", "1872 bytes"),
    "cut_program": ("missing-attribute", "slope"),
    "cut_weights": ("cut-file", "18432 bytes"),
    "empty_nb": ("cut-file", "2 bytes"),
    "empty_program": ("no-program", "ONNX"),
    "empty_weights": ("empty-weights", "empty"),
    "grid_sampler": ("grid-sample-square", "RT-DETR"),
    "matmul_2.10": ("unsupported-op", "matmul_v2"),
    "meta_0": ("damaged-nb", "damaged"),
    "meta_1": ("damaged-nb", "damaged"),
    "meta_9": ("not-nb", "no .nb"),
    "missing_nb": ("missing-file", "model.nb"),
    "missing_program": ("missing-program", "nosuch.pdmodel"),
    "missing_weights": ("missing-weights", "nosuch.pdiparams"),
    "newer_nb": ("unsupported-kernel", "hard_swish"),
    "no_inputs": ("shape-check", "not set"),
    "no_output_2.10": ("missing-output", "newer Paddle"),
    "onnx_nb": ("not-nb", "no .nb"),
    "onnx_program": ("no-program", "ONNX"),
    "other_weights": ("surplus-weights", "not of one export"),
    "pdmodel_nb": ("not-nb", "no .nb"),
    "pir_program": ("no-program", "Paddle 3"),
    "swish_beta": ("missing-attribute", "swish"),
    "too_many_inputs": ("port-number", "1 inputs"),
    "two_targets": ("wrong-target", "x86 arm"),
    "unknown_quant": ("unknown-quantisation", "QUANT_INT4"),
    "unknown_target": ("wrong-target", "x87"),
    "unsupported_op": ("unsupported-op", "determinant"),
    "wrong_rank": ("shape-check", "another shape"),
    "wrong_type": ("input-type", "double"),
}


def read(name: str) -> str:
    return (LOGS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recorded_failure_is_explained(name: str) -> None:
    code, word = EXPECTED[name]
    cause = explain(read(name), vendor_rules("paddlelite"), "2.12")
    assert cause is not None
    assert cause.code == code
    assert word in cause.cause
    assert cause.remedy


def test_every_recorded_log_is_expected_to_be_something() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == set(EXPECTED)


def test_no_recorded_log_names_a_machine() -> None:
    for name in EXPECTED:
        assert not [word for word in ("root", "home", "tmp") if f"/{word}/" in read(name)], name


def test_every_rule_was_seen_or_says_where_it_is_from() -> None:
    seen = {code for code, _ in EXPECTED.values()}
    for rule in vendor_rules("paddlelite"):
        assert rule.code in seen or not rule.source.startswith("recorded") or rule.weak, rule.code


def test_a_file_of_an_older_version_brings_a_warning_that_explains_nothing_else() -> None:
    """The runtime runs such a file: what fails behind the warning has a cause of its own."""
    warning = read("newer_nb").partition("[F ")[0]
    alone = explain(warning, vendor_rules("paddlelite"), "2.10")
    both = explain(warning + read("no_inputs"), vendor_rules("paddlelite"), "2.10")
    assert alone is not None
    assert both is not None
    assert (alone.code, both.code) == ("other-version", "shape-check")


def test_every_version_is_pinned_below_numpy_2() -> None:
    """With NumPy 2 the bindings of 2.10 hand out NaN."""
    spec = vendor_spec("paddlelite")
    assert spec.default == "2.12"
    for version in spec.versions.values():
        (numpy,) = [line for line in version.requirements if line.startswith("numpy==")]
        assert numpy.startswith("numpy==1.")
        assert "numpy.__version__ < '2'" in version.probe


def test_known_issues_are_those_of_version_chip_and_model() -> None:
    assert all(issue.cure and issue.shows and issue.source for issue in vendor_issues("paddlelite"))
    on_x86 = {issue.code for issue in known("paddlelite", "2.12", "x86", {"Softmax", "Conv"}, None, "float")}
    assert "softmax-overflow" in on_x86
    assert not {"numpy-2", "matmul-weights", "grid-sampler-square"} & on_x86
    assert "matmul-weights" in {issue.code for issue in known("paddlelite", "2.12", "x86", {"MatMul"}, None, "int8")}
    assert "numpy-2" in {issue.code for issue in known("paddlelite", "2.10", "x86")}
