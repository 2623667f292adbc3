"""A head of the YOLOv8 type: distances as distributions, decoded in the graph, scores through a sigmoid.

Boxes and scores are two outputs. Users' models join them, and lose their scores at 8 bits for it; that is the model's
fault and found elsewhere, here the question is whether the toolchain computes these ops.

Source: the Detect and DFL modules of Ultralytics YOLOv8, export form.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder, anchor_centres, anchor_strides
from edgewright.graph.model import Model
from edgewright.tensors import Part

_STRIDES, _SIZES = (8, 16, 32), (8, 4, 2)
_BINS, _CLASSES = 16, 8
_ANCHORS = sum(size * size for size in _SIZES)
_GAIN = 1.7


def build() -> Model:
    """A detector of 3x64x64 pictures with 84 anchors."""
    net = GraphBuilder("yolov8-head", (1, 3, 64, 64), seed=13)
    x = net.silu(net.conv(net.input, 3, 16, stride=4, gain=_GAIN))
    channels, levels = 16, []
    for filters in (32, 48, 64):
        x = net.silu(net.conv(x, channels, filters, stride=2, gain=_GAIN))
        channels = filters
        levels.append(net.reshape(_level(net, x, filters), 1, 4 * _BINS + _CLASSES, -1))
    joined = net.op("Concat", *levels, axis=2)
    boxes, scores = net.ops("Split", joined, net.integers(4 * _BINS, _CLASSES), outputs=2, axis=1)
    return net.finish({"boxes": _boxes(net, boxes), "scores": net.op("Sigmoid", scores)})


def _level(net: GraphBuilder, x: ir.Value, channels: int) -> ir.Value:
    boxes = net.conv(net.silu(net.conv(x, channels, 32, gain=_GAIN)), 32, 4 * _BINS, 1, gain=3.0)
    scores = net.conv(net.silu(net.conv(x, channels, 32, gain=_GAIN)), 32, _CLASSES, 1, gain=3.0, bias=-2.0)
    return net.op("Concat", boxes, scores, axis=1)


def _boxes(net: GraphBuilder, distributions: ir.Value) -> ir.Value:
    """Centre, width and height in pixels, from distributions of the distances to the four sides."""
    bins = net.op("Transpose", net.reshape(distributions, 1, 4, _BINS, _ANCHORS), perm=[0, 2, 1, 3])
    weights = net.constant(np.arange(_BINS, dtype=np.float32).reshape(1, _BINS, 1, 1))
    mean = net.op("Conv", net.op("Softmax", bins, axis=1), weights, kernel_shape=[1, 1])
    left_top, right_bottom = net.ops("Split", net.reshape(mean, 1, 4, _ANCHORS), net.integers(2, 2), outputs=2, axis=1)
    centres = net.constant(anchor_centres(_SIZES))
    first, last = net.op("Sub", centres, left_top), net.op("Add", centres, right_bottom)
    middle = net.op("Div", net.op("Add", first, last), net.floats(2.0))
    cells = net.op("Concat", middle, net.op("Sub", last, first), axis=1)
    return net.op("Mul", cells, net.constant(anchor_strides(_SIZES, _STRIDES)))


CONTROLS.add(
    "yolov8-head",
    Control(
        "yolov8-head",
        "SiLU, distributions of distances, Softmax, Split, Concat, decode",
        build,
        (Part("boxes", "boxes", kind="boxes"), Part("scores", "scores", kind="probability")),
        heads=("yolov8", "yolov8-raw", "yolox"),
    ),
)
