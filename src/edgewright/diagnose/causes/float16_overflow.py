"""Values that float16 cannot hold, in results and in sums on the way to them.

float16 ends at 65504 (IEEE 754 binary16). What is measured in 32 bits does not show it, so damage is no condition here:
a result beyond the end is infinite, and what follows from it is NaN.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_of
from edgewright.diagnose.causes.say import cause, user_name
from edgewright.diagnose.causes.weights import output_channels
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.graph.regions import WEIGHTED_OPS
from edgewright.quant.observed_graph import tensor_elements

LARGEST = 65504.0
_SQUARING = frozenset(
    {"LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization", "ReduceL2"}
)
_AVERAGING = frozenset({"ReduceMean", "GlobalAveragePool", "AveragePool"})


@CAUSES.register("float16-overflow")
def float16_overflow(context: CauseContext) -> list[Finding]:
    """Report tensors, and sums inside ops, that grow beyond what float16 holds."""
    if not context.has_float16:
        return []
    found = []
    for name in sorted(context.float16_tensors):
        node, size = context.producer(name), _size(context, name)
        error = context.errors.get(name) or _unmeasured(context, name, node)
        if size > LARGEST:
            found.append(_overflow(context, error, size))
        elif node is not None:
            reached, how = _inside(context, node)
            if reached > LARGEST:
                found.append(_growth(context, error, reached, how))
    return found


def _size(context: CauseContext, tensor: str) -> float:
    found = context.range_of(tensor)
    return 0.0 if found is None else max(abs(found[0]), abs(found[1]))


def _inside(context: CauseContext, node: ir.Node) -> tuple[float, str]:
    """An upper bound of what a node adds up on the way to its result, and in which form."""
    if node.inputs[0] is None:
        return 0.0, ""
    output = node.outputs[0]
    x = _size(context, node.inputs[0].name or "")
    if node.op_type in WEIGHTED_OPS:
        return _products(context, node), "sum of |weight| * largest |input| + |bias|"
    if node.op_type in _SQUARING:
        norm = _size(context, output.name or "") if node.op_type == "ReduceL2" else 0.0
        return max(x, norm) ** 2, "squares"
    if node.op_type in _AVERAGING:
        return _summed(context, node) * _size(context, output.name or ""), "sum before the division"
    return 0.0, ""


def _products(context: CauseContext, node: ir.Node) -> float:
    """Largest over output channels of sum(|w|) * max|x| + |b|: the worst partial sum that any order can reach."""
    for index, value in enumerate(node.inputs[:2]):
        tensor = value.const_value if value is not None else None
        other = node.inputs[1 - index]
        if tensor is None or other is None or not tensor.size:
            continue
        channels = np.abs(output_channels(node, index, tensor.numpy().astype(np.float64))).sum(axis=1)
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        shift = np.zeros(1) if bias is None or bias.const_value is None else np.abs(bias.const_value.numpy())
        return float(channels.max() * _size(context, other.name or "") + shift.max(initial=0.0))
    return 0.0


def _summed(context: CauseContext, node: ir.Node) -> float:
    """How many values an averaging op adds for each result; 0 where shapes do not tell."""
    if node.op_type == "AveragePool":
        return float(math.prod(node.attributes.get_ints("kernel_shape", [])))
    source, output = (value.name or "" for value in (node.inputs[0], node.outputs[0]) if value is not None)
    elements = tensor_elements(context.model, [source, output])
    return (elements[source] or 0) / (elements[output] or 1)


def _unmeasured(context: CauseContext, tensor: str, node: ir.Node | None) -> TensorError:
    """A tensor of which only the range is known: float ops have no grid, so nobody measured their error."""
    low, high = context.range_of(tensor) or (0.0, 0.0)
    name, kind = ("", "Input") if node is None else (node.name or "", node.op_type)
    region = "tail" if name in context.tail else ""
    return TensorError(
        tensor=tensor,
        op=name,
        op_type=kind,
        source_ops=(),
        region=region,
        depth=0,
        bits=16,
        elements=0,
        minimum=low,
        maximum=high,
        isolated=0.0,
        grid=None,
        weight=None,
        accumulated=None,
        cosine=1.0,
        saturated=0.0,
    )


def _overflow(context: CauseContext, error: TensorError, size: float) -> Finding:
    return cause(
        "EW318",
        error,
        f"{user_name(error)} reaches {size:.5g} in size, and float16 ends at {LARGEST:.0f}: the target gives Inf "
        "there, and NaN behind it.",
        {"largest": size, "form": "result", "limit": LARGEST},
        _remedies(context, error),
        math.inf,
    )


def _growth(context: CauseContext, error: TensorError, reached: float, how: str) -> Finding:
    return cause(
        "EW318",
        error,
        f"The result of {user_name(error)} fits float16, but what it adds up may reach {reached:.5g} ({how}), and "
        f"float16 ends at {LARGEST:.0f}: it overflows on a target that also adds in 16 bits.",
        {"largest": reached, "form": how, "limit": LARGEST},
        _remedies(context, error),
        damage_of(error),
    )


def _remedies(context: CauseContext, error: TensorError) -> list[str]:
    """A 16-bit integer grid has no end to run over: its range is calibrated."""
    return [*(["rescale-boxes", "cut-tail"] if error.op in context.tail else []), "16bit"]
