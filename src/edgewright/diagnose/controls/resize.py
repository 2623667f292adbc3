"""Resize as necks have it: nearest and linear, joined with what they are resized to."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder
from edgewright.graph.model import Model
from edgewright.tensors import Part


def build() -> Model:
    """Two steps up of a pyramid on 3x64x64 pictures, and a ConvTranspose."""
    net = GraphBuilder("resize", (1, 3, 64, 64), seed=16)
    fine = net.op("Relu", net.conv(net.input, 3, 16, stride=4))
    middle = net.op("Relu", net.conv(fine, 16, 16, stride=2))
    coarse = net.op("Relu", net.conv(middle, 16, 16, stride=2))
    up = _resized(net, coarse, mode="nearest", transform="asymmetric", nearest_mode="floor")
    joined = net.op("Relu", net.conv(net.op("Concat", up, middle, axis=1), 32, 16))
    up = _resized(net, joined, mode="linear", transform="half_pixel")
    joined = net.op("Relu", net.conv(net.op("Concat", up, fine, axis=1), 32, 16))
    weights = net.normal((16, 8, 2, 2), 0.25)
    wide = net.op("ConvTranspose", joined, weights, kernel_shape=[2, 2], strides=[2, 2])
    return net.finish({"pyramid": net.conv(joined, 16, 8, 1, gain=1.0), "mask": wide})


def _resized(net: GraphBuilder, x: ir.Value, *, mode: str, transform: str, **attributes: str) -> ir.Value:
    scales = net.floats(1.0, 1.0, 2.0, 2.0)
    return net.op("Resize", x, None, scales, mode=mode, coordinate_transformation_mode=transform, **attributes)


CONTROLS.add(
    "resize",
    Control(
        "resize",
        "Resize nearest and linear, Concat, ConvTranspose",
        build,
        (Part("pyramid", "pyramid", kind="features"), Part("mask", "mask", kind="features")),
    ),
)
