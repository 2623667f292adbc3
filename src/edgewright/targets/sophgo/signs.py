"""Tensors that cannot be negative: TPU-MLIR puts them on unsigned codes, which doubles their resolution."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan

_MAKE = frozenset(
    {"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Abs", "Exp", "Sqrt", "ReduceL1", "ReduceL2"}
)
_KEEP = frozenset(
    {
        "AveragePool",
        "Concat",
        "DepthToSpace",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "Max",
        "MaxPool",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
    }
)
_BOTH = frozenset({"Add", "Mul"})


def never_negative(model: Model, plan: PrecisionPlan) -> frozenset[str]:
    """Names of tensors that hold no negative value, as far as structure and the inputs' codes in the plan tell."""
    found = {value.name or "" for value in model.ir.graph.inputs if _unsigned(plan, value.name or "")}
    for node in model.ir.graph:
        if _holds(node, found):
            found.update(value.name or "" for value in node.outputs)
    return frozenset(found)


def _holds(node: ir.Node, found: set[str]) -> bool:
    if node.op_type in _MAKE:
        return True
    if node.op_type == "Clip":
        low = node.inputs[1] if len(node.inputs) > 1 else None
        value = low.const_value if low is not None else None
        return value is not None and bool((value.numpy() >= 0).all())
    if node.op_type == "Resize":
        return node.attributes.get_string("mode", "nearest") != "cubic" and _positive(node.inputs[0], found)
    if node.op_type in _KEEP:
        data = node.inputs if node.op_type in ("Concat", "Max") else node.inputs[:1]
        return bool(data) and all(_positive(value, found) for value in data)
    return node.op_type in _BOTH and all(_positive(value, found) for value in node.inputs)


def _unsigned(plan: PrecisionPlan, name: str) -> bool:
    grid = plan.activations.get(name)
    return grid is not None and grid.dtype.startswith("u") and int(grid.zero_point.max()) == 0


def _positive(value: ir.Value | None, found: set[str]) -> bool:
    if value is None:
        return False
    if value.const_value is not None:
        return bool((value.const_value.numpy() >= 0).all())
    return (value.name or "") in found
