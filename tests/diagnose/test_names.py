"""Names of the user's file, through what preparation does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.diagnose.names import source_names
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.prepare import prepare
from edgewright.graph.reference import random_feeds
from edgewright.graph.steps import PrepareOptions
from tests.helpers import model_from_text, normal

DEMO = Path(__file__).resolve().parents[2] / "demo" / "detector.onnx"
BLOCK = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,3,8,8] image) => (float[1,4,16] out) {
    [stem_conv] c = Conv <pads = [1,1,1,1]> (image, w)
    [stem_bn] n = BatchNormalization (c, gain, shift, mean, variance)
    [stem_sig] s = Sigmoid (n)
    [stem_mul] m = Mul (n, s)
    [shape] d = Shape (m)
    [first] one = Gather (d, zero)
    [row] r = Unsqueeze (one, axis)
    [all] to = Concat <axis = 0> (r, tail)
    [pool] p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (m)
    [view] out = Reshape (p, to)
}
"""


def prepared(model: Model) -> Model:
    return prepare(model, PrepareOptions(), lambda fixed: [random_feeds(fixed.inputs)]).model


def block() -> Model:
    return model_from_text(
        BLOCK,
        w=normal(4, 3, 3, 3),
        gain=normal(4) + 2,
        shift=normal(4, seed=1),
        mean=normal(4, seed=2),
        variance=np.ones(4, np.float32),
        zero=np.array(0, np.int64),
        axis=np.array([0], np.int64),
        tail=np.array([4, 16], np.int64),
    )


def test_folded_nodes_stand_for_all_that_went_into_them() -> None:
    source = block()
    model = prepared(source)
    found = source_names(source, model)
    by_type = {node.op_type: found[node.name or ""] for node in model.ir.graph}
    assert by_type == {
        "Conv": ("stem_conv", "stem_bn"),
        "Sigmoid": ("stem_sig",),
        "Mul": ("stem_mul",),
        "MaxPool": ("pool",),
        "Reshape": ("view",),  # the four nodes that only compute its shape are a constant now
    }


def test_a_renamed_node_is_found_by_its_tensors() -> None:
    source = block()
    changed = prepared(source).clone()
    for node in changed.graph:
        node.name = f"unlike_{node.op_type}"
    assert source_names(source, Model(changed))["unlike_MaxPool"] == ("pool",)


def test_nodes_between_the_same_tensors_share_their_names() -> None:
    source = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4] image) => (float[1,4] out) {
            [a] t = Relu (image)
            [b] u = Neg (t)
            [c] out = Exp (u)
        }
        """
    )
    other = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4] image) => (float[1,4] out) {
            [x] v = Neg (image)
            [y] out = Exp (v)
        }
        """
    )
    assert source_names(source, other) == {"x": ("a", "b", "c"), "y": ("a", "b", "c")}


def test_a_node_that_no_source_node_matches_keeps_its_name() -> None:
    source = model_from_text(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1] image) => (float[1] out) { [a] out = Relu (image) }'
    )
    other = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1] image) => (float[1] out, float[1] more) {
            [a] out = Relu (image)
            [new] more = Neg (image)
        }
        """
    )
    assert source_names(source, other) == {"a": ("a",), "new": ("new",)}


def test_a_node_without_a_name_is_called_as_preparation_calls_it() -> None:
    source = model_from_text(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1] image) => (float[1] out) { out = Relu (image) }'
    )
    assert source_names(source, prepared(source)) == {"Relu_out": ("Relu_out",)}


def test_every_node_of_the_demo_is_named_as_in_its_file() -> None:
    source = load_model(DEMO)
    model = prepared(source)
    found = source_names(source, model)
    known = {node.name for node in source.ir.graph}
    assert set(found) == {node.name for node in model.ir.graph}
    assert all(set(names) <= known for names in found.values())
    convs = [node.name for node in source.ir.graph if node.op_type == "Conv"]
    assert [
        names[0] for node in model.ir.graph if node.op_type == "Conv" for names in [found[node.name or ""]]
    ] == convs
