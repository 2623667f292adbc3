"""Real failures of TPU-MLIR 1.30.2, recorded and shortened: the rule that was written for each explains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.toolchains.causes import explain
from edgewright.toolchains.vendors import vendor_issues, vendor_rules, vendor_spec

LOGS = Path(__file__).parent / "logs"
EXPECTED = {
    "bad_chip": ("unknown-chip", "bm9999"),
    "bad_matmul": ("matmul-shape", "product"),
    "bm1684_f16": ("precision-not-on-chip", "precision"),
    "bm1684_fuse": ("no-fused-preprocessing", "preprocessing"),
    "compare_gate": ("comparison-failed", "whole tensors"),
    "cv181x_f32": ("precision-not-on-chip", "precision"),
    "dynamic_shape": ("dynamic-shape", "open"),
    "einsum5": ("op-constraint", "Einsum"),
    "empty": ("input-count", "0 inputs"),
    "gridsample": ("grid-sample-mode", "GridSample"),
    "killed": ("compiler-died-silently", "killed"),
    "missing_image": ("missing-image", "nothing.npz"),
    "missing_model": ("missing-model", "nosuch.onnx"),
    "mode_int16": ("unknown-mode", "INT16"),
    "no_images": ("no-images", "no image"),
    "no_table": ("no-range", "no range"),
    "qdq": ("qdq-model", "QuantizeLinear"),
    "row_missing": ("no-range", "row is missing"),
    "table_missing": ("table-missing", "table"),
    "truncated": ("truncated-model", "cut off"),
    "unknown_mode": ("unknown-mode", "FOO"),
    "unknown_output": ("unknown-output", "zz"),
    "unknown_precision": ("unknown-precision", "F99"),
    "unsupported_op": ("unsupported-op", "MyOp"),
    "weights_elsewhere": ("weights-elsewhere", "working directory"),
}


def read(name: str) -> str:
    return (LOGS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recorded_failure_is_explained(name: str) -> None:
    code, word = EXPECTED[name]
    cause = explain(read(name), vendor_rules("sophgo"), "1.30.2")
    assert cause is not None
    assert cause.code == code
    assert word in cause.cause
    assert cause.remedy


def test_every_recorded_log_is_expected_to_be_something() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == set(EXPECTED)


def test_an_unknown_place_in_the_compiler_still_says_where_it_gave_up() -> None:
    log = read("bad_matmul").replace("MatMul.cpp", "Unheard.cpp")
    cause = explain(log, vendor_rules("sophgo"), "1.30.2")
    assert cause is not None
    assert (cause.code, "Unheard.cpp" in cause.cause) == ("compiler-gave-up", True)


def test_no_recorded_log_names_a_machine() -> None:
    for path in LOGS.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("root", "home", "tmp") if f"/{word}/" in text], path.name


def test_every_rule_was_seen_or_says_where_it_is_from() -> None:
    seen = {code for code, _ in EXPECTED.values()}
    for rule in vendor_rules("sophgo"):
        assert rule.code in seen or not rule.source.startswith("recorded:") or rule.weak, rule.code


def test_the_default_version_is_one_of_those_that_can_be_installed() -> None:
    spec = vendor_spec("sophgo")
    assert spec.default in spec.versions
    for version in spec.versions:
        assert set(spec.stub_paths(version)) == {"torch"}
        assert all("==" in line for line in (*spec.versions[version].requirements, *spec.versions[version].no_deps))


def test_known_issues_say_what_to_do() -> None:
    issues = vendor_issues("sophgo")
    assert {"picodet-head-bm1684", "yolov8-f32-bm1684"} <= {issue.code for issue in issues}
    assert all(issue.cure and issue.shows for issue in issues)
