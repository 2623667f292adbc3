"""The model as the toolkit gets it."""

from __future__ import annotations

import numpy as np
import onnx

from edgewright.graph.reference import ReferenceSession
from edgewright.targets.rockchip.handover import model_for_toolkit
from tests.helpers import model_from_text

TEXT = """
<ir_version: 8, opset_import: ["" : 14]> g (float[1,4] x) => (float[1,4] y)
{
  a = HardSigmoid (x)
  b = HardSigmoid <alpha=0.1> (a)
  y = Relu (b)
}
"""


def test_defaults_are_written_out_and_the_function_stays() -> None:
    model = model_from_text(TEXT)
    data = model_for_toolkit(model)
    first, second, _ = onnx.ModelProto.FromString(data).graph.node
    found = [{one.name: round(one.f, 6) for one in node.attribute} for node in (first, second)]
    assert found == [{"alpha": 0.2, "beta": 0.5}, {"alpha": 0.1, "beta": 0.5}]
    feeds = {"x": np.array([[-3, -0.5, 0.5, 3]], np.float32)}
    assert np.array_equal(ReferenceSession(data)(feeds)["y"], ReferenceSession(model.data)(feeds)["y"])


def test_other_models_are_handed_over_as_they_are() -> None:
    model = model_from_text('<ir_version: 8, opset_import: ["" : 14]> g (float[4] x) => (float[4] y) { y = Relu (x) }')
    assert model_for_toolkit(model) == model.data
