"""Every operator with learnt weights gets weights of its own.

A head that is shared between levels uses one weight and one bias in several Convs. The 32-bit codes of a bias depend on
the step of the Conv's input, which differs from level to level, so one set of codes can serve one Conv only; ONNX
Runtime runs the others in float without a word.
"""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Copy weights and biases that several nodes share."""
    del options
    if not any(_extra_uses(value) for value in model.ir.graph.initializers.values()):
        return None
    changed = model.clone()
    copies = 0
    for value in list(changed.graph.initializers.values()):
        for number, (node, index) in enumerate(_extra_uses(value), start=2):
            copy = ir.Value(
                name=f"{value.name}_copy_{number}", shape=value.shape, type=value.type, const_value=value.const_value
            )
            changed.graph.register_initializer(copy)
            node.replace_input_with(index, copy)
            copies += 1
    return Model(changed, model.path), f"{copies} shared weights were copied"


def _extra_uses(value: ir.Value) -> list[tuple[ir.Node, int]]:
    """Uses of a float initialiser but one, when an operator with learnt weights is among them."""
    uses = [(usage.node, usage.idx) for usage in value.uses()]
    weighted = any(node.op_type in _WEIGHTED for node, _ in uses)
    return uses[1:] if weighted and len(uses) > 1 and value.dtype == ir.DataType.FLOAT else []


STEPS.add("own-weights", Step("own-weights", "give every weighted operator weights of its own", run))
