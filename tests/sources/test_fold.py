"""What paddle2onnx wrote, brought to one image in and outputs in order."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.errors import ModelError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.sources.paddle.convert import image_input
from edgewright.sources.paddle.fold import folded
from edgewright.tasks.names import class_names
from tests.helpers import model_from_text

SCALE = {"scale_factor": np.array([[2.0, 4.0]], np.float32)}


def converted() -> Model:
    return model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[B,2] scale_factor, float[B,3,H,W] image) => (float[B,1] mean, float[B,3,H,W] double) {
            two = Constant <value = float[1] {2.0}> ()
            double = Mul (image, two)
            sum = ReduceSum <keepdims = 1> (image, axes)
            flat = Reshape (sum, one)
            by = ReduceSum <keepdims = 1> (scale_factor, last)
            mean = Div (flat, by)
        }""",
        axes=np.array([1, 2, 3]),
        one=np.array([-1, 1]),
        last=np.array([1]),
    )


def test_one_image_in_and_outputs_in_the_frameworks_order() -> None:
    found = folded(converted(), "image", (1, 3, 4, 6), ["double", "mean"], SCALE, ["a", "b"])
    assert [(spec.name, spec.shape) for spec in found.inputs] == [("image", (1, 3, 4, 6))]
    assert [spec.name for spec in found.outputs] == ["double", "mean"]
    image = np.ones((1, 3, 4, 6), np.float32)
    outputs = ReferenceSession(found.data)({"image": image})
    assert outputs["mean"].tolist() == [[72.0 / 6.0]]
    assert np.array_equal(outputs["double"], 2 * image)
    assert class_names(found, 2) == ("a", "b")


def test_open_dimensions_may_stay_open() -> None:
    found = folded(converted(), "image", (1, 3, None, 6), ["mean", "double"], SCALE)
    assert found.inputs[0].shape == (1, 3, None, 6)
    assert class_names(found, 2) == ()


def test_outputs_that_were_named_anew_keep_their_order() -> None:
    found = folded(converted(), "image", (1, 3, 4, 6), ["tmp_1", "tmp_0"], SCALE)
    assert [spec.name for spec in found.outputs] == ["mean", "double"]


@pytest.mark.parametrize(
    ("image", "outputs", "constants", "what"),
    [
        ("picture", ["mean", "double"], SCALE, "input 'picture'"),
        ("image", ["mean", "gone"], SCALE, "output 'gone'"),
        ("image", ["mean"], {}, "input 'scale_factor'"),
        ("image", ["gone"], SCALE, "output 'gone'"),
    ],
)
def test_what_the_converter_lost(image, outputs, constants, what) -> None:
    with pytest.raises(ModelError, match=what):
        folded(converted(), image, (1, 3, 4, 6), outputs, constants)


def test_the_image_is_found_by_its_shape() -> None:
    scale = {"name": "s", "dtype": "float32", "shape": [None, 2]}
    image = {"name": "x", "dtype": "float32", "shape": [None, 3, None, 320]}
    assert image_input([scale, image], (240, 999)) == ("x", (None, 3, 240, 320))
    wide = {"name": "x", "dtype": "float32", "shape": [1, None, None, 3]}
    assert image_input([wide], (240, 320)) == ("x", (1, 240, 320, 3))
    with pytest.raises(ModelError, match="one image input") as caught:
        image_input([image, {**image, "name": "y"}], (1, 1))
    assert "y [None, 3, None, 320]" in caught.value.why
