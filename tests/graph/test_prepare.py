"""Preparation keeps the function, says what it did, and undoes what it may not do."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.errors import ModelError, UserError
from edgewright.graph.model import Model
from edgewright.graph.prepare import Prepared, prepare
from edgewright.graph.reference import ReferenceSession, random_feeds
from edgewright.graph.steps import STEPS, PrepareOptions
from edgewright.graph.steps.base import Step
from tests.helpers import model_from_text


def prepared(model: Model, **options: object) -> Prepared:
    return prepare(model, PrepareOptions(**options), lambda m: [random_feeds(m.inputs, seed) for seed in range(2)])  # type: ignore[arg-type]


def outcome(result: Prepared, name: str) -> str:
    return next(step.outcome for step in result.steps if step.name == name)


OLD = """
<ir_version: 4, opset_import: ["" : 9]>
old (float[N,1,4,4] image, float[2,1,1,1] w) => (float[N,2,4,4] y) {
    one = Constant <value = float[1] {2.0}> ()
    dead = Exp (image)
    a = Conv (image, w)
    y = Mul (a, one)
}
"""


def test_an_old_dynamic_model_becomes_static_and_new() -> None:
    model = model_from_text(OLD, w=np.array([[[[2.0]]], [[[3.0]]]], np.float32))
    assert [spec.name for spec in model.inputs] == ["image"]
    result = prepared(model)
    assert result.model.inputs[0].shape == (1, 1, 4, 4)
    assert result.model.outputs[0].shape == (1, 2, 4, 4)
    assert result.model.opset == 13
    assert [value.name for value in result.model.ir.graph.inputs] == ["image"]
    assert not any(node.op_type in ("Exp", "Constant") for node in result.model.ir.graph)
    names = [node.name for node in result.model.ir.graph]
    assert all(names)
    assert len(set(names)) == len(names)
    assert {"EW102", "EW103", "EW104"} <= {finding.code for finding in result.findings}
    image = np.random.default_rng(0).random((1, 1, 4, 4), np.float32)
    y = ReferenceSession(result.model.data)({"image": image})["y"]
    assert np.allclose(y, np.concatenate([image * 4, image * 6], 1))


def test_a_dynamic_size_must_be_given() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,H,W] image) => (float[1,3,H,W] y) { y = Relu (image) }"""
    )
    with pytest.raises(ModelError, match="dynamic dimensions") as caught:
        prepared(model)
    assert "--input-shape image=1,3,?,?" in caught.value.todo
    assert prepared(model, shapes={"image": (1, 3, 4, 6)}).model.outputs[0].shape == (1, 3, 4, 6)
    with pytest.raises(UserError, match="does not fit"):
        prepared(model, shapes={"image": (1, 1, 4, 6)})
    with pytest.raises(UserError, match="no input picture"):
        prepared(model, shapes={"picture": (1, 3, 4, 6)})


def test_a_step_that_changes_the_result_is_undone_and_named(monkeypatch: pytest.MonkeyPatch, conv_model: Model) -> None:
    def spoil(model: Model, options: PrepareOptions) -> tuple[Model, str]:
        changed = model.clone()
        for node in changed.graph:
            if node.op_type == "Relu":
                node.op_type = "Abs"
        return Model(changed), "a wrong rewrite"

    monkeypatch.setitem(STEPS._entries, "simplify", Step("simplify", "a broken simplifier", spoil))
    result = prepared(conv_model)
    assert outcome(result, "simplify") == "undone"
    finding = next(finding for finding in result.findings if finding.code == "EW101")
    assert finding.where == "simplify"
    assert finding.evidence["difference"] > 1e-4
    assert any(node.op_type == "Relu" for node in result.model.ir.graph)


def test_a_step_that_crashes_is_left_out(monkeypatch: pytest.MonkeyPatch, conv_model: Model) -> None:
    def crash(model: Model, options: PrepareOptions) -> None:
        raise RuntimeError("boom")

    monkeypatch.setitem(STEPS._entries, "simplify", Step("simplify", "a crashing simplifier", crash))
    result = prepared(conv_model)
    assert outcome(result, "simplify") == "failed"
    assert "boom" in next(step.note for step in result.steps if step.name == "simplify")


def test_steps_can_be_skipped_by_name(conv_model: Model) -> None:
    assert outcome(prepared(conv_model, skip=("simplify",)), "simplify") == "skipped"
    with pytest.raises(UserError, match="cannot be skipped"):
        prepared(conv_model, skip=("name-nodes",))
    with pytest.raises(UserError, match="unknown preparation step") as caught:
        prepared(conv_model, skip=("simplfy",))
    assert "simplify" in caught.value.todo


def test_a_head_shared_by_two_levels_gets_weights_for_each() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,2,4,4] a, float[1,2,2,2] b) => (float[1,2,4,4] x, float[1,2,2,2] y) {
            x = Conv (a, w, bias)
            y = Conv (b, w, bias)
        }""",
        w=np.random.default_rng(0).normal(size=(2, 2, 1, 1)).astype(np.float32),
        bias=np.array([1.0, -1.0], np.float32),
    )
    result = prepared(model)
    assert outcome(result, "own-weights") == "changed"
    first, second = result.model.ir.graph
    assert {value.name for value in first.inputs[1:]}.isdisjoint(value.name for value in second.inputs[1:])
    assert outcome(prepared(result.model), "own-weights") == "nothing to do"
