"""Graphs that choose detections by themselves are cut before they do, and the cut is proven on numbers."""

import dataclasses

import numpy as np
import onnx_ir as ir
import pytest

from edgewright.graph.endings.proof import _has_form, largest_gap
from edgewright.graph.endings.scale import fold_scale
from edgewright.graph.endings.selection import cut_selection, holds_selection
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.steps import PrepareOptions, static_shapes
from edgewright.tasks import recognise
from tests.tasks import paddle_models as paddle
from tests.tasks import task_models as tiny


def image(seed=0):
    return {"x": np.random.default_rng(seed).normal(0, 1, (1, 3, 64, 64)).astype(np.float32)}


def with_nms(seed=0):
    model = paddle.randomised(paddle.corner_rows(nc=3, end="nms", scaled=True), seed)
    folded = fold_scale(model)
    assert folded is not None
    return folded.model


def static(model):
    changed = static_shapes.run(model, PrepareOptions())
    return model if changed is None else changed[0]


def test_nms_is_cut_at_its_boxes_and_scores():
    whole = with_nms()
    cut = cut_selection(whole)
    assert cut is not None
    assert (cut.by, cut.dropped) == ("nms", ("rows", "number"))
    assert not holds_selection(cut.model)
    assert holds_selection(whole)
    assert recognise(static(cut.model)).family == "ppyoloe"
    assert largest_gap(whole, cut, [image(seed) for seed in range(3)]) < 1e-6


def test_the_best_of_queries_are_cut_at_their_sigmoids():
    folded = fold_scale(paddle.randomised(paddle.queries(end="rows"), 3))
    assert folded is not None
    cut = cut_selection(folded.model)
    assert cut is not None
    assert (cut.by, cut.dropped) == ("topk", ("rows", "number"))
    head = recognise(static(cut.model))
    assert (head.family, head.params["sigmoid"]) == ("rtdetr", True)
    assert largest_gap(folded.model, cut, [image(seed) for seed in range(3)]) < 1e-5


def test_a_cut_at_other_tensors_is_found_out():
    whole = with_nms()
    cut = cut_selection(whole)
    assert cut is not None
    other = cut_selection(with_nms(seed=1))  # other weights: other boxes
    assert other is not None
    assert largest_gap(whole, dataclasses.replace(cut, model=other.model), [image()]) > 0.01


def test_other_outputs_stay():
    model = paddle.randomised(paddle.corner_rows(end="nms"))
    changed = model.clone()
    distances = next(value for node in changed.graph for value in node.outputs if value.name == "alldist")
    changed.graph.outputs.append(distances)
    cut = cut_selection(type(model)(changed))
    assert cut is not None
    assert [spec.name for spec in cut.model.outputs][2:] == ["alldist"]
    assert cut.dropped == ("rows", "number")


@pytest.mark.parametrize("model", [paddle.corner_rows(), paddle.queries(), tiny.yolov8(), tiny.ssd()])
def test_models_without_selection_are_left_alone(model):
    assert cut_selection(model) is None
    assert not holds_selection(model)


def test_queries_that_choose_places_are_no_selection():
    """RT-DETR has a TopK inside the network, which must not be cut."""
    model = paddle.queries(activation="Sigmoid")
    assert any(node.op_type == "TopK" for node in model.ir.graph)
    assert cut_selection(model) is None


def test_scale_is_folded_to_ones_and_size_to_that_of_the_network():
    model = paddle.randomised(paddle.queries(end="rows"), 3)
    folded = fold_scale(model)
    assert folded is not None
    assert {name: value.tolist() for name, value in folded.constants.items()} == {
        "a": [[64.0, 64.0]],
        "z": [[1.0, 1.0]],
    }
    assert [spec.name for spec in folded.model.inputs] == ["x"]
    fed = {**image(), "a": np.full((1, 2), 64, np.float32), "z": np.ones((1, 2), np.float32)}
    before = ReferenceSession(model.data)(fed)
    after = ReferenceSession(folded.model.data)(image())
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_a_pair_that_is_no_scale_is_not_folded():
    text = "g (float[1,3,4,4] x, float[1,2] z) => (float[1,2] y) { m = ReduceMean<axes=[1,2,3], keepdims=0>(x)\n %s }"
    assert fold_scale(tiny.parse(text % "y = Mul(m, z)")) is None
    assert fold_scale(tiny.parse(text % "y = Div(z, m)")) is None
    assert fold_scale(tiny.parse(text % "y = Div(m, z)")) is not None


def test_models_with_one_input_have_nothing_to_fold():
    assert fold_scale(tiny.yolov8()) is None


def test_a_row_without_a_counterpart_is_no_missing_row():
    """A class that the cut does not know, and a cut that computes NaN: both are found out, not taken for no row."""
    whole = with_nms()
    cut = cut_selection(whole)
    assert cut is not None
    fewer = cut_selection(fold_scale(paddle.randomised(paddle.corner_rows(nc=1, end="nms", scaled=True))).model)
    assert fewer is not None
    assert largest_gap(whole, dataclasses.replace(cut, model=fewer.model), [image()]) == float("inf")
    changed = cut.model.clone()
    weights = changed.graph.initializers
    for name, value in weights.items():
        array = value.const_value.numpy()
        if array.dtype == np.float32:
            weights[name].const_value = ir.tensor(np.full_like(array, np.nan), name=name)
    broken = dataclasses.replace(cut, model=type(whole)(changed))
    assert largest_gap(whole, broken, [image()]) == float("inf")


def test_rows_of_another_form_tell_nothing():
    assert _has_form(np.array([[1.0, 0.5, 3.0, 4.0, 5.0, 6.0]]))
    assert not _has_form(np.array([[10.3, 20.1, 30.0, 40.0, 0.5, 1.0]])), "corners first, as Ultralytics has them"
