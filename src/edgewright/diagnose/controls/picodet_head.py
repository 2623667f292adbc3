"""A head of the PicoDet type: hard-swish, depthwise 5x5, one Conv for scores and distances, Softmax over rows.

Source: the PicoHead module of PaddleDetection, export form without NMS.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder, anchor_centres, anchor_strides
from edgewright.graph.model import Model
from edgewright.tensors import Part

_STRIDES, _SIZES = (8, 16, 32), (8, 4, 2)
_BINS, _CLASSES, _WIDTH = 8, 8, 32
_GAIN = 1.7
"""Keeps the mean square through hard-swish, which is SiLU in straight lines."""
_ANCHORS = sum(size * size for size in _SIZES)


def build() -> Model:
    """A detector of 3x64x64 pictures with 84 anchors."""
    net = GraphBuilder("picodet-head", (1, 3, 64, 64), seed=14)
    x = net.hard_swish(net.conv(net.input, 3, _WIDTH, stride=4, gain=_GAIN))
    scores, distances = [], []
    for size in _SIZES:
        x = _separable(net, x, stride=2)
        both = net.conv(_separable(net, x), _WIDTH, _CLASSES + 4 * _BINS, 1, gain=4.0)
        score, rows = net.ops("Split", both, net.integers(_CLASSES, 4 * _BINS), outputs=2, axis=1)
        logits = net.op("Sub", score, net.floats(2.0))
        scores.append(net.reshape(net.op("Sigmoid", logits), 1, _CLASSES, size * size))
        distances.append(_distances(net, rows))
    boxes = _boxes(net, net.op("Concat", *distances, axis=1))
    return net.finish({"boxes": boxes, "scores": net.op("Concat", *scores, axis=2)})


def _separable(net: GraphBuilder, x: ir.Value, stride: int = 1) -> ir.Value:
    x = net.hard_swish(net.conv(x, _WIDTH, _WIDTH, 5, stride=stride, groups=_WIDTH, gain=_GAIN))
    return net.hard_swish(net.conv(x, _WIDTH, _WIDTH, 1, gain=_GAIN))


def _distances(net: GraphBuilder, rows: ir.Value) -> ir.Value:
    """Distances in cells, shape (1, cells, 4)."""
    last = net.op("Transpose", rows, perm=[0, 2, 3, 1])
    shares = net.op("Softmax", net.reshape(last, -1, _BINS), axis=1)
    bins = net.constant(np.arange(_BINS, dtype=np.float32).reshape(_BINS, 1))
    return net.reshape(net.op("MatMul", shares, bins), 1, -1, 4)


def _boxes(net: GraphBuilder, distances: ir.Value) -> ir.Value:
    """Corners in pixels, shape (1, anchors, 4)."""
    centres = net.constant(anchor_centres(_SIZES).transpose(0, 2, 1).copy())
    left_top, right_bottom = net.ops("Split", distances, net.integers(2, 2), outputs=2, axis=2)
    corners = net.op("Concat", net.op("Sub", centres, left_top), net.op("Add", centres, right_bottom), axis=2)
    return net.op("Mul", corners, net.constant(anchor_strides(_SIZES, _STRIDES).reshape(1, _ANCHORS, 1)))


CONTROLS.add(
    "picodet-head",
    Control(
        "picodet-head",
        "hard-swish, depthwise 5x5, Split, Softmax over rows, MatMul, decode",
        build,
        (
            Part("boxes", "boxes", axis=2, kind="boxes", channel_axis=2),
            Part("scores", "scores", kind="probability"),
        ),
        heads=("ssd",),
    ),
)
