"""Pairs of linear ops between which a scale per channel can move."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.rewrites.editor import constant_of, float_constant, readers

_CONVS = frozenset({"Conv", "ConvTranspose"})
_HOMOGENEOUS = frozenset(
    {"Relu", "LeakyRelu", "PRelu", "Identity", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
)
"""f(s x) = s f(x) for every s > 0, in each channel by itself."""
_GATES = frozenset({"Sigmoid", "HardSigmoid"})


@dataclass(frozen=True)
class Pair:
    """Two ops with constants, the channels of the first being those that the second reads.

    Attributes:
        first: its output channels are divided by the scales.
        second: its input channels are multiplied by them.
        between: ops between them, in order.
        tensors: values from the output of `first` to what `second` reads.
    """

    first: ir.Node
    second: ir.Node
    between: tuple[ir.Node, ...]
    tensors: tuple[ir.Value, ...]


def find_pairs(graph: ir.Graph) -> tuple[list[Pair], Counter[str]]:
    """All pairs of a graph, and how many were refused for which reason."""
    pairs: list[Pair] = []
    refused: Counter[str] = Counter()
    for node in graph:
        if not (_has_weight(node) or is_factor(node)):
            continue
        found = _follow(node)
        if isinstance(found, Pair):
            pairs.append(found)
        elif _has_weight(node) and found:
            refused[found] += 1
    return pairs, refused


def is_factor(node: ir.Node) -> bool:
    """Whether a node multiplies or divides a tensor by a constant that is one for all or one per channel."""
    if node.op_type not in ("Mul", "Div") or node.domain not in ("", "ai.onnx"):
        return False
    indices = factor_index(node)
    value = node.inputs[1 - indices] if indices is not None else None
    rank = len(value.shape) if value is not None and value.shape is not None else 0
    array = float_constant(node.inputs[indices]) if indices is not None else None
    if array is None or rank < 2 or array.ndim > rank:
        return False
    shape = (1,) * (rank - array.ndim) + array.shape
    return all(size == 1 for axis, size in enumerate(shape) if axis != 1)


def factor_index(node: ir.Node) -> int | None:
    """Which input of a Mul or Div is the constant."""
    if float_constant(node.inputs[1]) is not None:
        return 1 if constant_of(node.inputs[0]) is None else None
    return 0 if node.op_type == "Mul" and float_constant(node.inputs[0]) is not None else None


def output_channel(node: ir.Node, weight: NDArray[np.float32]) -> NDArray[np.intp]:
    """The output channel that each entry of a weight belongs to, in a shape that broadcasts with it."""
    if node.op_type == "Gemm":
        return _along(weight, 0 if node.attributes.get_int("transB", 0) else 1)
    if node.op_type == "Conv":
        return _along(weight, 0)
    return _in_group(weight, _groups(node))


def input_channel(node: ir.Node, weight: NDArray[np.float32]) -> NDArray[np.intp]:
    """The input channel that each entry of a weight is multiplied with, in a shape that broadcasts with it."""
    if node.op_type == "Gemm":
        return _along(weight, 1 if node.attributes.get_int("transB", 0) else 0)
    if node.op_type == "ConvTranspose":
        return _along(weight, 0)
    return _in_group(weight, _groups(node))


def _along(weight: NDArray[np.float32], axis: int) -> NDArray[np.intp]:
    shape = [1] * weight.ndim
    shape[axis] = weight.shape[axis]
    return np.arange(weight.shape[axis]).reshape(shape)


def _in_group(weight: NDArray[np.float32], groups: int) -> NDArray[np.intp]:
    """Axis 1 counts inside the group that axis 0 tells."""
    outer, inner = weight.shape[:2]
    group = np.arange(outer) // (outer // groups)
    index = group[:, None] * inner + np.arange(inner)[None]
    return np.asarray(index.reshape(outer, inner, *[1] * (weight.ndim - 2)), np.intp)


def _groups(node: ir.Node) -> int:
    return int(node.attributes.get_int("group", 1))


def _has_weight(node: ir.Node) -> bool:
    """An op with a constant weight, and a constant bias of one value per channel if any."""
    if node.domain not in ("", "ai.onnx") or len(node.inputs) < 2 or float_constant(node.inputs[1]) is None:
        return False
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    constant = float_constant(bias)
    if bias is not None and (constant is None or constant.ndim != 1):
        return False
    if node.op_type == "Gemm":
        channels = output_channel(node, np.asarray(float_constant(node.inputs[1]))).size
        return not node.attributes.get_int("transA", 0) and (constant is None or constant.size == channels)
    return node.op_type in _CONVS


def _follow(node: ir.Node) -> Pair | str:
    """The pair that starts at a node, or why there is none."""
    value = node.outputs[0]
    between: list[ir.Node] = []
    tensors: list[ir.Value] = []
    while True:
        uses = readers(value)
        if value.is_graph_output():
            return "an output of the model"
        if len(uses) != 1:
            return _gate(uses) or ("nothing reads it" if not uses else "several readers")
        reader = uses[0]
        tensors.append(value)
        if reader.inputs[0] is not value or reader.graph is not node.graph:
            return reader.op_type
        if _has_weight(reader):
            return Pair(node, reader, tuple(between), tuple(tensors))
        if not _keeps_scale(reader):
            return reader.op_type
        between.append(reader)
        value = reader.outputs[0]


def _keeps_scale(node: ir.Node) -> bool:
    if node.op_type == "Clip":
        # a bound that is neither 0 nor infinite would have to differ by channel
        return all(_is_scale_free(value) for value in node.inputs[1:3] if value is not None)
    return node.op_type in _HOMOGENEOUS and not any(value.uses() for value in node.outputs[1:])


def _is_scale_free(bound: ir.Value) -> bool:
    constant = constant_of(bound)
    largest = float(np.finfo(np.float32).max)
    return constant is not None and all(abs(float(x)) in (0.0, largest, np.inf) for x in constant.ravel())


def _gate(uses: list[ir.Node]) -> str:
    """The name of x * gate(x), which is not positively homogeneous, where these are the readers of x."""
    gate = next((node for node in uses if node.op_type in _GATES), None)
    product = next((node for node in uses if node.op_type == "Mul"), None)
    if gate is None or product is None or gate.outputs[0] not in product.inputs:
        return ""
    return "SiLU" if gate.op_type == "Sigmoid" else "HardSwish"
