"""Causes that are seen across the network, and how findings of all causes are put in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from edgewright.diagnose.causes import CAUSES, REMEDIES, CauseContext, run_causes
from edgewright.diagnose.causes.say import in_order
from edgewright.errors import UserError
from edgewright.findings import Severity
from tests.diagnose.causes.contexts import context, found, with_effects
from tests.helpers import model_from_text, normal

CHAIN = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,4,16,16] x) => (float[1,4,16,16] y, float[1,4,16,16] side) {
    [first] a = Conv (x, w)
    [second] b = Conv (a, w)
    [third] y = Conv (b, w)
    [aside] side = Conv (x, w)
}
"""
FEEDS = [{"x": normal(1, 4, 16, 16, seed=seed)} for seed in range(2)]


def chain(isolated: Mapping[str, float], accumulated: Mapping[str, float]) -> CauseContext:
    made = context(model_from_text(CHAIN, w=normal(4, 4, 1, 1)), FEEDS)
    errors = {
        name: replace(error, isolated=isolated.get(name, 0.001), accumulated=accumulated.get(name, 0.001))
        for name, error in made.errors.items()
    }
    return replace(made, errors=errors)


CARRIED = chain({"a": 0.3, "b": 0.04, "side": 0.9}, {"a": 0.3, "b": 0.3, "y": 0.31, "side": 0.9})


def test_a_victim_names_its_culprits() -> None:
    (finding,) = found(CARRIED, "carried")
    assert (finding.code, finding.where, finding.severity) == ("EW320", "third", Severity.INFO)
    assert finding.evidence["accumulated"] == 0.31
    assert [one["node"] for one in finding.evidence["culprits"]] == ["first", "second", ""]  # not what stands aside
    assert finding.evidence["remedies"] == []
    assert "first (30 %)" in finding.message


def test_the_last_victim_is_told_even_where_an_earlier_one_is_further_off() -> None:
    (finding,) = found(chain({"a": 0.3}, {"a": 0.3, "b": 0.5, "y": 0.31}), "carried")
    assert finding.where == "third"


def test_effects_say_who_is_guilty_of_the_worst_part() -> None:
    effects = {"a": {"boxes": 0.01, "scores": 0.02}, "b": {"boxes": 0.001, "scores": 0.4}}
    made = with_effects(CARRIED, effects)
    (finding,) = found(made, "carried")
    assert finding.evidence["part"] == "scores"
    assert [one["node"] for one in finding.evidence["culprits"]] == ["second", "first"]
    (finding,) = found(replace(made, parts={"boxes": 0.9, "scores": 0.1}), "carried")
    assert finding.evidence["part"] == "boxes"


def test_no_victim() -> None:
    assert found(chain({"a": 0.1, "b": 0.1, "y": 0.1}, {"a": 0.1, "b": 0.15, "y": 0.2}), "carried") == []
    assert found(chain({}, {"y": 0.03}), "carried") == []
    # what does the harm is no victim, though its own tensor hides it
    guilty = with_effects(CARRIED, {"y": {"scores": 1.0}, "a": {"scores": 0.1}})
    assert all(finding.where != "third" for finding in found(guilty, "carried"))


def test_what_16_bits_do_not_mend() -> None:
    (finding,) = found(replace(CARRIED, floor={"scores": 0.6, "boxes": 0.01}), "beyond-precision")
    assert (finding.code, finding.where, finding.severity) == ("EW321", "scores", Severity.ERROR)
    assert finding.evidence["floor"] == 0.6
    assert finding.evidence["remedies"] == []
    assert "no precision change" in finding.message
    (finding,) = found(replace(CARRIED, floor={"scores": float("nan")}), "beyond-precision")
    assert finding.evidence["floor"] is None


def test_what_16_bits_do_mend() -> None:
    assert found(CARRIED, "beyond-precision") == []
    assert found(replace(CARRIED, floor={"scores": 0.1}), "beyond-precision") == []
    assert found(replace(CARRIED, floor={"scores": 0.2}, parts={"scores": 0.9}), "beyond-precision") == []


def test_weights_that_explain_the_rest() -> None:
    made = with_effects(CARRIED, {"a": {"scores": 0.5}})
    errors = {**made.errors, "a": replace(made.errors["a"], weight=0.3, isolated=0.3)}
    (finding,) = found(replace(made, errors=errors, floor={"scores": 0.6}), "beyond-precision")
    assert finding.evidence["remedies"] == ["bias-correction", "weight-rounding", "float"]
    assert "first" in finding.message


def many(count: int = 9) -> CauseContext:
    steps = " ".join(f"[m{k}] t{k} = Mul (x, one)" for k in range(count))
    outputs = ", ".join(f"float[1,4,16,16] t{k}" for k in range(count))
    text = f'<ir_version: 8, opset_import: ["" : 13]>\ng (float[1,4,16,16] x) => ({outputs}) {{ {steps} }}'
    feeds = [{"x": normal(1, 4, 16, 16, seed=seed)} for seed in range(2)]
    feeds[0]["x"][0, 0, 0, 0] = 100.0  # one of 2048 values
    made = context(model_from_text(text, one=np.ones((), np.float32)), feeds)
    return with_effects(made, {f"t{k}": {"scores": 0.1 + 0.01 * k} for k in range(count)})


def test_findings_are_ranked_and_the_rest_is_counted() -> None:
    findings = run_causes(many(), ["outlier-activations"], most=3)
    assert [finding.where for finding in findings] == ["m8", "m7", "m6"]
    assert findings[-1].evidence["more"] == ["m5", "m4", "m3", "m2", "m1", "m0"]
    assert "And 6 more: m5, m4, m3 and 3 more." in findings[-1].message
    assert all("more" not in finding.evidence for finding in findings[:-1])
    assert len(run_causes(many(), ["outlier-activations"], most=9)) == 9


def test_user_names_come_first() -> None:
    made = many()
    errors = {**made.errors, "t8": replace(made.errors["t8"], source_ops=("conv1a", "bn1a"))}
    finding = run_causes(replace(made, errors=errors), ["outlier-activations"])[0]
    assert finding.where == "conv1a and 1 more"
    assert finding.message.startswith("conv1a and 1 more gives")
    assert finding.evidence["node"] == "m8"
    assert finding.evidence["source_ops"] == ["conv1a", "bn1a"]


def test_an_op_that_gives_nan_comes_first() -> None:
    made = many()
    errors = {**made.errors, "t0": replace(made.errors["t0"], isolated=None, effects={})}
    finding = run_causes(replace(made, errors=errors), ["outlier-activations"])[0]
    assert finding.where == "m0"
    assert finding.evidence["damage"] is None
    assert finding.severity is Severity.ERROR


def test_all_findings_are_json() -> None:
    for finding in run_causes(replace(many(), floor={"scores": 0.9})):
        assert json.loads(json.dumps(finding.to_json(), allow_nan=False))


def test_a_network_without_damage_says_nothing() -> None:
    made = many()
    assert run_causes(with_effects(made, {"t0": {"scores": 0.0005}})) == []
    assert run_causes(replace(made, errors={})) == []


def test_what_only_moves_data_does_not_hide_the_others() -> None:
    made = with_effects(many(2), {"t0": {"scores": 0.004}, "t1": {"scores": 1.0}})
    assert [finding.where for finding in found(made, "outlier-activations")] == ["m1"]
    moved = replace(made, leaders={**made.leaders, "t1": "t0"})
    assert [finding.where for finding in found(moved, "outlier-activations")] == ["m0"]


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="outliers"):
        run_causes(many(2), ["outliers"])
    with pytest.raises(ValueError, match="most=0"):
        run_causes(many(2), most=0)
    with pytest.raises(ValueError, match="pray"):
        in_order(["pray"])
    assert in_order(["float", "ranges", "equalise"]) == ["equalise", "ranges", "float"]
    assert list(REMEDIES)[-2:] == ["16bit", "float"]
    assert len(CAUSES) == 13
