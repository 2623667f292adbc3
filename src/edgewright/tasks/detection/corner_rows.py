"""Boxes that a graph has decoded to corners, with scores of their own: how PaddleDetection exports without NMS.

A distance to each side is taken from a point: (left, top) = point - d[0:2], (right, bottom) = point + d[2:4], then
times the stride. Source: PaddleDetection, `batch_distance2bbox`. In the graph each half of a box depends on its own
half of the distances; in boxes of centre and size (YOLOv8) each half depends on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.rewrites.extract import depends_on_inputs
from edgewright.tasks.detection.anchor_rows import STRIDE_SETS
from edgewright.tasks.structure import PROBABILITY_OPS, Segment, anchors, image_input

_SCALED = frozenset({"Mul", "Div", "Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"})
_ARITHMETIC = frozenset({"Mul", "Div", "Add", "Sub", "Neg", "Identity", "Cast"})
_JOINED_SCORE = frozenset({"Mul", "Sqrt", "Add", "Identity", "Cast", "Clip"})
_DEEPEST = 12  # ops between a box or score and what it was computed from; a head has less


@dataclass(frozen=True)
class CornerRows:
    """Boxes (1, anchors, 4) and scores (1, classes, anchors), for the cells of `strides`."""

    boxes: str
    scores: str
    classes: int
    anchors: int
    strides: tuple[int, ...]


def corner_rows(model: Model) -> CornerRows | None:
    """The layout of the model's two outputs, by their shapes alone."""
    image = image_input(model)
    if image is None or len(model.outputs) != 2:
        return None
    for boxes, scores in (model.outputs, model.outputs[::-1]):
        if len(boxes.shape) != 3 or len(scores.shape) != 3 or boxes.shape[0] != 1 or scores.shape[0] != 1:
            continue
        cells, classes = boxes.shape[1], scores.shape[1]
        if boxes.shape[2] != 4 or cells is None or not classes or scores.shape[2] != cells:
            continue
        for strides in STRIDE_SETS:
            if cells == anchors(image, strides):
                return CornerRows(boxes.name, scores.name, classes, cells, strides)
    return None


def are_corners(model: Model, value: ir.Value) -> bool:
    """Whether boxes in the last axis are joined from two halves that each depend on their own half of distances."""
    computed = depends_on_inputs(model.ir.graph)
    joined = _behind(value, computed)
    if joined is None or joined.op_type != "Concat" or len(joined.inputs) != 2:
        return False
    roots = [_roots(half, computed) for half in joined.inputs if half is not None]
    return len(roots) == 2 and all(len(found) == 1 for found in roots) and roots[0] != roots[1]


def are_scores(found: tuple[Segment, ...]) -> bool:
    """Whether every value is a probability, or a product or root of probabilities."""
    return bool(found) and all(_is_score(source, _DEEPEST) for segment in found for source in segment.sources)


def value_named(model: Model, name: str) -> ir.Value:
    """The output of this name."""
    return next(value for value in model.ir.graph.outputs if value.name == name)


def _behind(value: ir.Value, computed: set[ir.Value]) -> ir.Node | None:
    """The op that computed a value, seen through scaling: strides, and the scale of the image."""
    for _ in range(_DEEPEST):
        node = value.producer()
        if node is None or node.op_type not in _SCALED or node.inputs[0] is None:
            return node
        first, second = node.inputs[0], node.inputs[1] if len(node.inputs) > 1 else None
        turned = node.op_type == "Mul" and first not in computed and second is not None
        value = second if turned and second is not None else first
    return None


def _roots(value: ir.Value, computed: set[ir.Value]) -> frozenset[ir.Value]:
    """What a value was computed from by arithmetic with constants."""
    stack, found = [(value, _DEEPEST)], set()
    while stack:
        entry, left = stack.pop()
        node = entry.producer()
        if node is None or node.op_type not in _ARITHMETIC or not left:
            found.add(entry)
        else:
            stack += [(one, left - 1) for one in node.inputs if one is not None and one in computed]
    return frozenset(found)


def _is_score(value: ir.Value, left: int) -> bool:
    node = value.producer()
    if node is None or not left:
        return value.const_value is not None
    if node.op_type in PROBABILITY_OPS:
        return True
    if node.op_type == "Constant":
        return True
    inputs = [one for one in node.inputs if one is not None]
    return node.op_type in _JOINED_SCORE and all(_is_score(one, left - 1) for one in inputs)
