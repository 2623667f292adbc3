"""BM1684's own rounding, written into the QDQ form of a plan.

QuantizeLinear rounds ties to even, and adds before it rounds. BM1684 rounds ties up: of a sum that is shifted by one
bit every other value is a tie, so a layer with a small shift makes a quarter of a step too much on average. And what an
Add reads is put on the grid of the result first, each operand by a multiplier of 7 bits and a shift of its own.

Source: AddLowering::LoweringINT8 in lib/Conversion/TopToTpu/BM1684/Add.cpp, tpu::AddOp::inference and
tpu::Conv2DOp::inference (ROUNDING_HALF_UP) of TPU-MLIR; the tests compare with lowered modules.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.rewrites.editor import Editor, float_constant
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.tensors import Grid

_LAST_CODE, _MOST_SHIFT = 127, 31
_HAIR = 2.0**-14
"""Less than a unit behind a shift, and more than a real number's last digits: a tie stays one."""
_QUARTER = 0.25
"""Of the unit of a sum: lifts a tie, and nothing else, over the middle between two codes."""


def shifting_emulation(model: Model, plan: PrecisionPlan) -> Model:
    """The QDQ form of a plan as BM1684 rounds.

    Args:
        plan: as the chip is expected to compute it, see `settle`.
    """
    editor = Editor(write_qdq(model, plan))
    for node in list(editor.graph):
        if plan.ops.get(node.name or "") != "int8":
            continue
        if node.op_type in ("Conv", "ConvTranspose", "Gemm"):
            _lift_ties(editor, node, plan, model)
        elif node.op_type == "Add":
            _round_operands(editor, node, plan)
    return editor.model()


def multiplier(source: float, result: float) -> tuple[int, int] | None:
    """Multiplier and shift that take codes of one step to those of another; None where the op is computed in float.

    Args:
        source, result: steps.
    """
    factor = source / result
    shift, largest = -1, factor
    while largest < _LAST_CODE and shift < _MOST_SHIFT:
        largest, shift = 2 * largest, shift + 1
    shift = max(shift, 0)
    found = round(factor * 2.0**shift)
    return (found, shift) if found <= _LAST_CODE else None


def _lift_ties(editor: Editor, node: ir.Node, plan: PrecisionPlan, model: Model) -> None:
    """Add a quarter of the sum's unit to what a layer makes."""
    weight = _original(node.inputs[1])
    source = plan.activations.get(_original(node.inputs[0]))
    grid = plan.weights.get(weight)
    if grid is None or source is None or weight not in model.ir.graph.initializers:
        return
    unit = np.asarray(grid.scale, np.float64) * float(source.scale)
    output = node.outputs[0]
    shape = [1, -1, *([1] * (len(output.shape or ()) - 2))]
    lifted = editor.output_like(output, "_lifted")
    quarter = editor.constant(f"{output.name}_quarter", (_QUARTER * unit).astype(np.float32).reshape(shape))
    users = tuple(output.uses())
    editor.add("Add", f"{node.name}_lift", [output, quarter], lifted, node)
    for usage in users:
        usage.node.replace_input_with(usage.idx, lifted)


def _round_operands(editor: Editor, node: ir.Node, plan: PrecisionPlan) -> None:
    made = node.outputs[0].name or ""  # a graph's output has lost its name to the value behind its grid
    result = plan.activations.get(made, plan.activations.get(made.removesuffix("_float")))
    sources = [plan.activations.get(_original(value)) for value in node.inputs]
    if result is None or any(source is None for source in sources):
        return
    for index, source in enumerate(sources):
        taken = multiplier(float(source.scale), float(result.scale)) if source is not None else None
        if taken is not None and source is not None:
            _round_operand(editor, node, index, source, result, taken)


def _round_operand(
    editor: Editor, node: ir.Node, index: int, source: Grid, result: Grid, taken: tuple[int, int]
) -> None:
    """Operand codes times the multiplier, over a power of two, rounded half up: floor(x + 1/2)."""
    value = node.inputs[index]
    assert value is not None  # noqa: S101 - an Add has both operands
    factor = taken[0] / 2.0 ** taken[1] / float(source.scale)
    steps: list[tuple[str, np.float32 | None]] = [
        ("Mul", np.float32(factor)),
        ("Add", np.float32(0.5 + _HAIR)),
        ("Floor", None),
        ("Mul", np.float32(result.scale)),
    ]
    for number, (op_type, constant) in enumerate(steps):
        made = editor.output_like(value, f"_operand_{number}")
        name = f"{node.name}_operand_{index}_{number}"
        inputs = [value] if constant is None else [value, editor.constant(name, np.asarray(constant))]
        maker = value.producer()
        editor.add(op_type, name, inputs, made, maker)
        value = made
    node.replace_input_with(index, value)


def _original(value: ir.Value | None) -> str:
    """The name in the plan of what a node of the QDQ form reads."""
    producer = value.producer() if value is not None else None
    if value is None or producer is None or producer.op_type != "DequantizeLinear":
        return (value.name or "") if value is not None and float_constant(value) is None else ""
    return (value.name or "").removesuffix("_dequantised")
