"""Operands of a join are brought to one size: boxes in pixels are divided by the size of the input.

The classical case is the last Concat of a detection head: boxes up to 640 beside scores up to 1 on one 8-bit grid of
step 2.5 leave no score. The strides that turn cells into pixels are a constant, which takes the factor up for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.divide import SUFFIX, Divider
from edgewright.graph.rewrites.editor import Editor, constant_value, static_shape
from edgewright.graph.rewrites.extract import extract
from edgewright.graph.rewrites.joins import MOVES, RATIO, Ranges, joined_leaves, magnitude

_PIXELS = (0.3, 1.6)
"""Largest coordinate, as a share of the input's longer side, of a tensor that looks like boxes in pixels."""
_LARGEST = 2.0**16
_FACTORS = "_factors"


@dataclass(frozen=True)
class _Output:
    """An output with the divisor of each tensor that it is joined from, and the factors that undo them."""

    output: ir.Value
    divisors: dict[ir.Value, float]
    factors: NDArray[np.float32]


class RescaleBoxes:
    """See `Rewrite`."""

    name = "rescale-boxes"
    requires = "an output that a Concat joins from tensors of which some are far larger than others"
    ensures = "the larger ones are divided by a constant, so that all fit one grid; the host multiplies back"
    cost = "nothing where the constant of an op before the join takes the factor up; else one Mul"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Rescale what enters every output that is joined from tensors of unlike ranges."""
        editor = Editor(model)
        pixels = _input_size(model)
        found = [
            one for output in editor.graph.outputs if (one := _plan(model, output, context.ranges, pixels)) is not None
        ]
        if not found:
            return None
        divider = Divider(editor)
        made = {one.output: _rebuilt(divider, one.output, one.divisors, {}) for one in found}
        old = list(editor.graph.outputs)
        editor.graph.outputs.clear()
        editor.graph.outputs.extend(made.get(value, value) for value in old)
        changed = editor.model()
        restore = _restoration(model, changed, old, {one.output: one.factors for one in found})
        return Rewritten(changed, restore, _facts(self.name, found, made, divider, context.ranges, changed))


def _plan(model: Model, output: ir.Value, ranges: Ranges, pixels: float) -> _Output | None:
    leaves = joined_leaves(output, ranges)
    sizes = {leaf: magnitude(leaf, ranges) for leaf in leaves}
    known = [size for size in sizes.values() if size]
    if not known or any(leaf.dtype not in (None, ir.DataType.FLOAT) for leaf in leaves):
        return None
    small = max(min(known), max(known) / _LARGEST)
    fit = max(size for size in known if size < RATIO * small)
    divisors = {leaf: _divisor(size, fit, pixels) for leaf, size in sizes.items() if size and size >= RATIO * small}
    factors = _pushed_through(model, output, leaves, divisors) if divisors else None
    return None if factors is None else _Output(output, divisors, factors)


def _divisor(size: float, fit: float, pixels: float) -> float:
    """The input's size for boxes in pixels beside probabilities, else the power of two that makes the tensor fit in."""
    if pixels and _PIXELS[0] <= size / pixels <= _PIXELS[1] and 1 / RATIO <= fit <= RATIO:
        return pixels
    return 2.0 ** math.ceil(math.log2(size / fit))


def _input_size(model: Model) -> float:
    """Longer side of the image input; 0 without one."""
    shapes = [spec.shape for spec in model.inputs if len(spec.shape) == 4]
    return float(max((side or 0 for shape in shapes for side in shape[1:]), default=0))


def _pushed_through(
    model: Model, output: ir.Value, leaves: Sequence[ir.Value], divisors: dict[ir.Value, float]
) -> NDArray[np.float32] | None:
    """The factor of each value of the output, in a shape that broadcasts: the divisors go the way that the values go.

    None where a shape is not known.
    """
    shapes = {leaf: static_shape(leaf) for leaf in leaves}
    piece = extract(model, [leaf.name or "" for leaf in leaves], [output.name or ""])
    if piece is None or any(shape is None for shape in shapes.values()):
        return None
    feeds = {
        leaf.name or "": np.full(shape, divisors.get(leaf, 1.0), np.float32)
        for leaf, shape in shapes.items()
        if shape is not None
    }
    (factors,) = ReferenceSession(piece.data)(feeds).values()
    for axis in range(factors.ndim):
        first = factors.take([0], axis)
        if np.array_equal(np.broadcast_to(first, factors.shape), factors):
            factors = first
    return np.asarray(factors, np.float32)


def _rebuilt(
    divider: Divider, value: ir.Value, divisors: dict[ir.Value, float], made: dict[ir.Value, ir.Value]
) -> ir.Value:
    """The same joins and moves over the divided tensors."""
    if value in made:
        return made[value]
    node = value.producer()
    if value in divisors:
        made[value] = divider.divided(value, divisors[value])
    elif node is None or not _leads_to(value, divisors):
        made[value] = value
    else:
        inputs = {
            index: _rebuilt(divider, operand, divisors, made)
            for index, operand in enumerate(node.inputs)
            if operand is not None
        }
        made[value] = divider.editor.copy(node, inputs, SUFFIX).outputs[node.outputs.index(value)]
    return made[value]


def _leads_to(value: ir.Value, divisors: dict[ir.Value, float]) -> bool:
    """Whether a way of joins and moves leads from one of the tensors to `value`."""
    node = value.producer()
    if value in divisors or node is None:
        return value in divisors
    operands = node.inputs if node.op_type == "Concat" else node.inputs[:1]
    return (node.op_type == "Concat" or node.op_type in MOVES) and any(
        operand is not None and _leads_to(operand, divisors) for operand in operands
    )


def _restoration(
    model: Model, changed: Model, old: Sequence[ir.Value], factors: dict[ir.Value, NDArray[np.float32]]
) -> Model:
    """Multiplies the factors back."""
    inputs = [ir.Value(name=value.name, shape=value.shape, type=value.type) for value in changed.ir.graph.outputs]
    outputs, nodes, constants = list(inputs), [], []
    for index, value in enumerate(old):
        if value not in factors:
            continue
        name = f"{value.name}{_FACTORS}"
        constants.append(constant_value(name, factors[value]))
        outputs[index] = ir.Value(name=value.name, shape=value.shape, type=value.type)
        producer = value.producer()
        label = f"{producer.name if producer is not None else value.name}_restored"
        nodes.append(ir.node("Mul", [inputs[index], constants[-1]], outputs=[outputs[index]], name=label))
    graph = ir.Graph(
        inputs,
        outputs,
        nodes=nodes,
        initializers=constants,
        opset_imports={"": model.opset},
        name=f"{model.ir.graph.name}_restored",
    )
    return Model(ir.Model(graph, ir_version=model.ir.ir_version))


def _facts(
    rewrite: str,
    found: Sequence[_Output],
    made: dict[ir.Value, ir.Value],
    divider: Divider,
    ranges: Ranges,
    changed: Model,
) -> dict[str, object]:
    kept = {value.name for node in changed.ir.graph for value in node.outputs}
    branches = [
        {"output": one.output.name, "tensor": leaf.name, "largest": magnitude(leaf, ranges), "divisor": divisor}
        for one in found
        for leaf, divisor in one.divisors.items()
    ]
    told = ", ".join(
        f"{branch['tensor']} (up to {branch['largest']:.4g}) by {branch['divisor']:g}" for branch in branches
    )
    by = f"absorbed by {', '.join(divider.absorbed)}" if divider.absorbed else ""
    new = f"new ops: {', '.join(divider.inserted)}" if divider.inserted else ""
    return {
        "rewrite": rewrite,
        "text": f"Divided before they are joined: {told} ({'; '.join(filter(None, (by, new)))}); "
        "the host multiplies back.",
        "tensors": {name: entry for name, entry in divider.tensors.items() if name in kept},
        "outputs": {one.output.name: made[one.output].name for one in found},
        "branches": branches,
        "absorbed": divider.absorbed,
        "inserted": divider.inserted,
    }


REWRITES.add(RescaleBoxes.name, RescaleBoxes())
