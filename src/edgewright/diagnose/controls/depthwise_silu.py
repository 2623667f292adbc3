"""Depthwise convolutions and SiLU with squeeze-and-excitation, as light backbones have them."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder
from edgewright.graph.model import Model
from edgewright.tensors import Part

_SILU_GAIN = 1.7
"""Keeps the mean square through SiLU: E[silu(x)^2] = 0.356 for a normal variable x."""


def build() -> Model:
    """Three inverted bottlenecks on 3x64x64 pictures."""
    net = GraphBuilder("depthwise-silu", (1, 3, 64, 64), seed=12)
    x = net.silu(net.conv(net.input, 3, 16, stride=2, gain=_SILU_GAIN))
    for stride in (1, 2, 1):
        y = _bottleneck(net, x, stride)
        x = net.op("Add", x, y) if stride == 1 else y
    return net.finish({"features": net.conv(x, 16, 24, 1, gain=1.0)})


def _bottleneck(net: GraphBuilder, x: ir.Value, stride: int) -> ir.Value:
    wide = net.silu(net.conv(x, 16, 48, 1, gain=_SILU_GAIN))
    wide = net.silu(net.conv(wide, 48, 48, 5, stride=stride, groups=48, gain=_SILU_GAIN))
    squeezed = net.op("Relu", net.conv(net.op("GlobalAveragePool", wide), 48, 12, 1))
    wide = net.op("Mul", wide, net.op("Sigmoid", net.conv(squeezed, 12, 48, 1)))
    return net.conv(wide, 48, 16, 1, gain=2.0)


CONTROLS.add(
    "depthwise-silu",
    Control(
        "depthwise-silu",
        "depthwise Conv, SiLU, squeeze-and-excitation",
        build,
        (Part("features", "features", kind="features"),),
        heads=("fastestdet",),
    ),
)
