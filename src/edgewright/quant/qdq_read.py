"""A plan read back from a QDQ model: which grids the file really holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.qdq import NARROWED, OWN
from edgewright.tensors import Grid


def read_qdq(model: Model) -> PrecisionPlan:
    """Grids and precisions as the QuantizeLinear / DequantizeLinear pairs of a model say.

    The digest of the prepared model is not in the file; `model_digest` is empty.
    """
    activations: dict[str, Grid] = {}
    narrowed: dict[str, Grid] = {}
    weights: dict[str, Grid] = {}
    for node in model.ir.graph:
        if node.op_type == "DequantizeLinear" and node.inputs[0] is not None:
            grid, source = _grid(node), node.inputs[0]
            name = (source.name or "").removesuffix(OWN)
            if source.const_value is not None:
                weights[name] = grid
            elif _reads_codes(source):
                narrowed[name.removesuffix(NARROWED)] = grid
            else:
                activations[name] = grid
    ops: dict[str, Precision] = {
        node.name or "": _precision(node) for node in model.ir.graph if node.op_type not in _PAIR and _on_codes(node)
    }
    return PrecisionPlan("", activations, weights, ops, narrowed=narrowed)


_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})


def _reads_codes(codes: ir.Value) -> bool:
    """Whether codes were made from a tensor that came from codes itself: the second grid of a 16-bit tensor."""
    quantise = codes.producer()
    value = quantise.inputs[0] if quantise is not None else None
    maker = value.producer() if value is not None else None
    return maker is not None and maker.op_type == "DequantizeLinear"


def _grid(node: ir.Node) -> Grid:
    scale = _constant(node, 1)
    zero = _constant(node, 2)
    axis = node.attributes.get_int("axis", 1) if scale.ndim else None
    return Grid(str(zero.dtype), scale, zero.astype(np.int64), axis)


def _constant(node: ir.Node, index: int) -> NDArray[Any]:
    value = node.inputs[index]
    if value is None or value.const_value is None:
        raise ValueError(f"{node.name}: input {index} is not constant")
    return value.const_value.numpy()


def _on_codes(node: ir.Node) -> bool:
    """An op runs on codes when all its float inputs come from grids and its outputs go to grids."""
    producers = [value.producer() for value in node.inputs if value is not None and value.const_value is None]
    if not producers or not all(p is not None and p.op_type == "DequantizeLinear" for p in producers):
        return False
    readers = [usage.node for value in node.outputs for usage in value.uses()]
    return bool(readers) and all(
        reader.op_type == "QuantizeLinear" or reader.op_type in ("Relu", "Clip") for reader in readers
    )


def _precision(node: ir.Node) -> Precision:
    for value in node.inputs:
        producer = value.producer() if value is not None else None
        if (
            producer is not None
            and producer.op_type == "DequantizeLinear"
            and _constant(producer, 2).dtype.itemsize == 2
        ):
            return "int16"
    return "int8"
