"""Regions are found by structure, whatever nodes are called."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.model import Model
from edgewright.graph.regions import count_regions, decode_tail, regions
from tests.helpers import model_from_text

NECKED = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,3,32,32] image) => (float[1,6,320] out) {
    s1 = Conv <strides = [2,2], pads = [1,1,1,1]> (image, w1)
    s1r = Relu (s1)
    s2 = Conv <strides = [2,2], pads = [1,1,1,1]> (s1r, w2)
    s2r = Relu (s2)
    s3 = Conv <strides = [2,2], pads = [1,1,1,1]> (s2r, w3)
    up = Resize <mode = "nearest"> (s3, , scales)
    joined = Concat <axis = 1> (up, s2r)
    fused = Conv (joined, w4)
    down = Conv <strides = [2,2], pads = [1,1,1,1]> (fused, w5)
    h1 = Conv (fused, wh)
    h2 = Conv (down, wh2)
    f1 = Reshape (h1, flat)
    f2 = Reshape (h2, flat)
    all = Concat <axis = 2> (f1, f2)
    soft = Sigmoid (all)
    dfl = Mul (soft, all)
    out = Mul (dfl, strides)
}
"""


@pytest.fixture
def necked() -> Model:
    def w(*shape: int) -> np.ndarray:
        return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)

    return model_from_text(
        NECKED,
        w1=w(4, 3, 3, 3),
        w2=w(4, 4, 3, 3),
        w3=w(4, 4, 3, 3),
        w4=w(4, 8, 1, 1),
        w5=w(4, 4, 3, 3),
        wh=w(6, 4, 1, 1),
        wh2=w(6, 4, 1, 1),
        scales=np.array([1, 1, 2, 2], np.float32),
        flat=np.array([1, 6, -1], np.int64),
        strides=np.array([8.0], np.float32),
    )


def by_output(model: Model) -> dict[str, str]:
    for node in model.ir.graph:
        node.name = f"x{id(node)}"  # names carry no information
    found = regions(model)
    return {node.outputs[0].name or "": found[node.name or ""] for node in model.ir.graph}


def test_regions_follow_the_structure(necked: Model) -> None:
    found = by_output(necked)
    assert found["s1"] == "stem"
    assert found["s2"] == found["s3"] == "backbone"
    assert found["up"] == found["joined"] == found["fused"] == found["down"] == "neck"
    assert found["h1"] == found["h2"] == "head"
    assert found["f1"] == found["all"] == found["soft"] == found["out"] == "tail"
    assert sum(count_regions(necked).values()) == len(list(necked.ir.graph))


def test_the_fixed_conv_of_dfl_belongs_to_the_tail() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,16,4,4] x) => (float[1,1,4,4] y) {
            a = Conv (x, learnt)
            p = Softmax <axis = 1> (a)
            y = Conv (p, bins)
        }""",
        learnt=np.random.default_rng(0).normal(size=(16, 16, 1, 1)).astype(np.float32),
        bins=np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1),
    )
    assert by_output(model) == {"a": "head", "p": "tail", "y": "tail"}


def test_an_activation_that_a_conv_absorbs_is_no_tail(conv_model: Model) -> None:
    for index, node in enumerate(conv_model.ir.graph):
        node.name = f"n{index}"
    assert decode_tail(conv_model) == {"n3"}


def test_a_model_that_ends_in_convs_has_no_tail() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,4,4] x) => (float[1,3,4,4] y) { y = Conv (x, w) }""",
        w=np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) * 1.5,
    )
    assert decode_tail(model) == set()
