"""Static shapes, by inference."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.shapes import static_shapes
from tests.helpers import model_from_text, normal


def test_every_tensor_with_known_dimensions(conv_model: Model) -> None:
    assert static_shapes(conv_model) == {
        "image": (1, 3, 8, 8),
        "w1": (4, 3, 3, 3),
        "b1": (4,),
        "w2": (2, 4, 1, 1),
        "a": (1, 4, 8, 8),
        "r": (1, 4, 8, 8),
        "logits": (1, 2, 8, 8),
        "scores": (1, 2, 8, 8),
    }


def test_shapes_in_the_file_are_not_believed(conv_model: Model) -> None:
    changed = conv_model.clone()
    stale = next(value for node in changed.graph for value in node.outputs if value.name == "r")
    stale.shape = ir.Shape((7, 7))
    assert static_shapes(Model(changed))["r"] == (1, 4, 8, 8)


def test_the_model_is_left_as_it_is(conv_model: Model) -> None:
    before = conv_model.digest
    static_shapes(conv_model)
    assert Model(conv_model.ir).digest == before


def test_what_is_not_static_is_missing() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n,2,4,4] x) => (float[n,3,4,4] y, int64[4] s) {
            y = Conv (x, w)
            s = Shape (y)
        }
        """,
        w=normal(3, 2, 1, 1),
    )
    found = static_shapes(model)
    assert "x" not in found
    assert "y" not in found
    assert found["s"] == (4,)


def test_shapes_that_are_computed_in_the_graph_are_followed() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x) => (float[1,2,16] y, float[1,1,4,4] left)
        <int64[3] target = {1, 2, -1}>
        {
            y = Reshape (x, target)
            left, right = Split <axis = 1> (x)
        }
        """
    )
    found = static_shapes(model)
    assert found["y"] == (1, 2, 16)
    assert found["left"] == found["right"] == (1, 1, 4, 4)


def test_an_op_that_nobody_knows_has_no_shape_and_harms_no_other() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17, "vendor" : 1]>
        g (float[1,2,4,4] x) => (strange, y) {
            strange = vendor.Magic (x)
            y = Relu (x)
        }
        """
    )
    found = static_shapes(model)
    assert "strange" not in found
    assert found["y"] == (1, 2, 4, 4)
