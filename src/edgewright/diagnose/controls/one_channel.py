"""A one-channel input with the two outputs of a keypoint network: scores of cells, descriptors of length one.

Source of the form: SuperPoint (DeTone, Malisiewicz, Rabinovich 2018).
"""

from __future__ import annotations

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder
from edgewright.graph.model import Model
from edgewright.tensors import Part


def build() -> Model:
    """Keypoints of 1x64x64 pictures."""
    net = GraphBuilder("one-channel", (1, 1, 64, 64), seed=17)
    x = net.op("Relu", net.conv(net.input, 1, 16))
    for channels, filters in ((16, 24), (24, 32), (32, 32)):
        x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        x = net.op("Relu", net.conv(x, channels, filters))
    scores = net.op("Softmax", net.conv(net.op("Relu", net.conv(x, 32, 32)), 32, 65, 1, gain=6.0), axis=1)
    descriptors = net.conv(net.op("Relu", net.conv(x, 32, 32)), 32, 64, 1, gain=1.0)
    length = net.op("ReduceL2", descriptors, axes=[1], keepdims=1)
    return net.finish({"scores": scores, "descriptors": net.op("Div", descriptors, length)})


CONTROLS.add(
    "one-channel",
    Control(
        "one-channel",
        "one-channel input, MaxPool, Softmax, ReduceL2",
        build,
        (Part("scores", "scores", kind="probability"), Part("descriptors", "descriptors", kind="features")),
        heads=("superpoint",),
    ),
)
