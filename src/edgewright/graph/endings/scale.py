"""Inputs that only undo the resizing of the image: folded, so that boxes stay in pixels of the network's input.

PaddleDetection's exports take `scale_factor`, network size by image size along y and x, which boxes are divided by, and
`im_shape`, the size of the network's input, which RT-DETR divides by it. The host places boxes in the image by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgewright.graph.model import Model

_MOVES = frozenset({"Split", "Slice", "Concat", "Gather", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_COPIES = frozenset({"Identity", "Cast", "Tile", "Expand", "Transpose"})


@dataclass(frozen=True)
class Folded:
    """A model whose only input is the image, and the constants that its other inputs became."""

    model: Model
    constants: Mapping[str, NDArray[np.float32]]


def fold_scale(model: Model) -> Folded | None:
    """Fold the inputs that undo the resizing of the image.

    An input (batch, 2) that is used as a divisor and as nothing else is a scale: ones. One that is divided by a scale
    and used for nothing else is the size of the network's input.

    Returns:
        None where the model has no such input, or another input that cannot be told.
    """
    image = [value for value in _inputs(model.ir.graph) if value.shape is not None and len(value.shape) == 4]
    others = [value for value in _inputs(model.ir.graph) if value not in image]
    if len(image) != 1 or not others or any(not _is_pair(value) for value in others):
        return None
    scales = [value for value in others if _is_scale(value)]
    sizes = [value for value in others if value not in scales]
    height, width = _size(image[0])
    if any(not _is_divided_by(value, scales) for value in sizes) or (sizes and not height * width):
        return None
    constants = {value.name or "": np.ones((1, 2), np.float32) for value in scales}
    constants.update({value.name or "": np.array([[height, width]], np.float32) for value in sizes})
    return Folded(_folded(model, constants), constants)


def _folded(model: Model, constants: Mapping[str, NDArray[np.float32]]) -> Model:
    changed = model.clone()
    for value in list(changed.graph.inputs):
        if value.name in constants:
            changed.graph.inputs.remove(value)
            value.const_value = ir.tensor(constants[value.name or ""], name=value.name)
            value.shape = ir.Shape((1, 2))
            changed.graph.register_initializer(value)
    return Model(RemoveUnusedNodesPass()(changed).model, model.path)


def _inputs(graph: ir.Graph) -> list[ir.Value]:
    return [value for value in graph.inputs if value.name not in graph.initializers]


def _is_pair(value: ir.Value) -> bool:
    shape = value.shape
    return (
        shape is not None
        and len(shape) == 2
        and shape[1] == 2
        and (shape[0] == 1 or not isinstance(shape[0], int))
        and value.dtype == ir.DataType.FLOAT
    )


def _size(image: ir.Value) -> tuple[int, int]:
    """Height and width of the image input; 0 where they are open."""
    sizes = [size if isinstance(size, int) else 0 for size in image.shape or ()]
    return (sizes[2], sizes[3]) if sizes[1] in (1, 3) else (sizes[1], sizes[2])


def _is_scale(value: ir.Value) -> bool:
    ends = list(_arithmetic(value))
    return bool(ends) and all(node.op_type == "Div" and place == 1 for node, place in ends)


def _is_divided_by(value: ir.Value, scales: list[ir.Value]) -> bool:
    ends = list(_arithmetic(value))
    divisors = {id(node) for scale in scales for node, place in _arithmetic(scale) if place == 1}
    return bool(ends) and all(place == 0 and id(node) in divisors for node, place in ends)


def _arithmetic(value: ir.Value) -> Iterator[tuple[ir.Node, int]]:
    """Ops that compute with the numbers of `value`, and as which operand, seen through ops that only move them."""
    stack, seen = [value], {value}
    while stack:
        for usage in stack.pop().uses():
            if usage.node.op_type == "Shape":
                continue  # how many there are, not what they are
            if usage.node.op_type in _MOVES | _COPIES:
                new = [output for output in usage.node.outputs if output not in seen]
                seen.update(new)
                stack += new
            else:
                yield usage.node, usage.idx
