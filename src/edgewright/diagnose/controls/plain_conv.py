"""Plain convolutions, a residual sum, pooling, a fully connected layer: a toolchain that fails here can do nothing."""

from __future__ import annotations

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder
from edgewright.graph.model import Model
from edgewright.tensors import Part

_CLASSES = 10


def build() -> Model:
    """A classifier of 3x64x64 pictures."""
    net = GraphBuilder("plain-conv", (1, 3, 64, 64), seed=11)
    x = net.op("Relu", net.conv(net.input, 3, 16, stride=2))
    x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    side = net.conv(net.op("Relu", net.conv(x, 16, 16)), 16, 16, gain=1.0)
    x = net.op("Relu", net.op("Add", x, side))
    x = net.op("Relu", net.conv(x, 16, 32, stride=2))
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    weights, biases = net.normal((32, _CLASSES), 0.5), net.normal((_CLASSES,), 0.1)
    return net.finish({"logits": net.op("Gemm", x, weights, biases)})


CONTROLS.add(
    "plain-conv",
    Control("plain-conv", "Conv, ReLU, residual Add, pooling, Gemm", build, (Part("logits", "logits", kind="logits"),)),
)
