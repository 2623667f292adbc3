"""Multiply-accumulates of each op: the cost by which mixed precision is budgeted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.shapes import Shape

_Rule = Callable[[ir.Node, Shape, Shape, Shape], int]


def count_macs(model: Model) -> dict[str, int]:
    """Multiply-accumulates of each node for one run, by node name; 0 for ops that multiply no matrices.

    A Conv counts output elements times kernel elements times input channels of its group; elementwise ops, pooling and
    moves count nothing, as is usual. An op of unknown shape counts nothing either.
    """
    shapes = model.shapes
    return {node.name or "": _macs(node, shapes) for node in model.ir.graph}


def _macs(node: ir.Node, shapes: Mapping[str, Shape]) -> int:
    rule = _RULES.get(node.op_type)
    if rule is None or len(node.inputs) < 2:
        return 0
    found = [
        shapes.get((value.name or "") if value is not None else "") for value in (*node.inputs[:2], node.outputs[0])
    ]
    data, weight, result = found
    return 0 if data is None or weight is None or result is None else rule(node, data, weight, result)


def _conv(node: ir.Node, data: Shape, weight: Shape, result: Shape) -> int:
    del node, data  # the weight (out, in / groups, ...) already knows of groups
    return math.prod(result) * math.prod(weight[1:])


def _conv_transpose(node: ir.Node, data: Shape, weight: Shape, result: Shape) -> int:
    del node, result  # each input element meets every weight (in, out / groups, ...) of its channel once
    return math.prod(data) * math.prod(weight[1:])


def _gemm(node: ir.Node, data: Shape, weight: Shape, result: Shape) -> int:
    del weight
    return math.prod(result) * data[0 if node.attributes.get_int("transA", 0) else 1]


def _matmul(node: ir.Node, data: Shape, weight: Shape, result: Shape) -> int:
    del node, weight
    return math.prod(result) * data[-1]


_RULES: dict[str, _Rule] = {"Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _matmul}
