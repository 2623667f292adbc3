"""Ops that have no 16-bit integer form on the NPU: planned so, they kill the compiler, and are built in float16."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.plan import Precision, PrecisionPlan


def widened(model: Model, plan: PrecisionPlan, precisions: Collection[str]) -> PrecisionPlan:
    """The plan with such ops in float.

    A constant minus a tensor is one: SIGILL with 2.3.2 and 2.5.0 on rk3588, 2.3.2 on rk3576, rk3568 and rk3562, while a
    tensor minus a constant, and Add, Mul and Div in either order are built. rv1106, which has no float, takes it.

    Args:
        precisions: that the chip has.
    """
    if "float" not in precisions:
        return plan
    ops: dict[str, Precision] = {
        node.name or "": "float"
        for node in model.ir.graph
        if plan.ops.get(node.name or "") == "int16" and _constant_minus_tensor(node)
    }
    return replace(plan, ops={**plan.ops, **ops}) if ops else plan


def _constant_minus_tensor(node: ir.Node) -> bool:
    first = node.inputs[0] if node.op_type == "Sub" else None
    return first is not None and (first.is_initializer() or first.const_value is not None)
