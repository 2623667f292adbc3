"""Dividing a tensor by a constant, for nothing where an op before it can absorb the factor."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import onnx_ir as ir

from edgewright.graph.rewrites.editor import Editor, float_constant

_MAX_DEPTH = 16

SUFFIX = "_rescaled"


class Divider:
    """Makes tensors that are others divided by a constant; the originals stay for those who read them besides.

    Attributes:
        absorbed: names of the ops whose constants took a factor up.
        inserted: names of new Mul nodes, where none could.
        tensors: of each new tensor, the name of the old one and the divisor.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.absorbed: list[str] = []
        self.inserted: list[str] = []
        self.tensors: dict[str, dict[str, str | float]] = {}

    def divided(self, value: ir.Value, divisor: float) -> ir.Value:
        """`value / divisor`: exact for a power of two, to the rounding of floats otherwise."""
        taken = len(self.absorbed)
        found = self.fold(value, divisor, 0)
        if found is not None:
            return found
        del self.absorbed[taken:]
        return self._insert(value, divisor)

    def fold(self, value: ir.Value, divisor: float, depth: int) -> ir.Value | None:
        """`value / divisor` without another op; None where no constant can take the factor up."""
        constant = float_constant(value)
        if constant is not None:
            return self.editor.constant(f"{value.name}{SUFFIX}", constant / np.float32(divisor))
        node = value.producer()
        if node is None or len(node.outputs) != 1 or depth > _MAX_DEPTH or node.domain not in ("", "ai.onnx"):
            return None
        # another reader would keep the original op alive: worth it for a Mul or Div, which an inserted one would equal
        if self.editor.uses.get(value.name or "", 2) > 1 and node.op_type not in ("Mul", "Div"):
            return None
        absorb = _ABSORB.get(node.op_type)
        inputs = absorb(self, node, divisor, depth + 1) if absorb is not None else None
        return None if inputs is None else self._told(self.editor.copy(node, inputs, SUFFIX).outputs[0], value, divisor)

    def scale(self, node: ir.Node, indices: Iterable[int], factor: float) -> dict[int, ir.Value] | None:
        """Constant inputs times a factor, missing ones left out; None when one of them is computed."""
        found: dict[int, ir.Value] = {}
        for index in indices:
            value = node.inputs[index] if index < len(node.inputs) else None
            if value is None:
                continue
            constant = float_constant(value)
            if constant is None:
                return None
            found[index] = self.editor.constant(f"{value.name}{SUFFIX}", constant * np.float32(factor))
        if found:
            self.absorbed.append(node.name or "")
        return found

    def _insert(self, value: ir.Value, divisor: float) -> ir.Value:
        output = self.editor.output_like(value, SUFFIX)
        factor = self.editor.constant(f"{value.name}_factor", np.array([1.0 / divisor], np.float32))
        producer = value.producer()
        name = f"{producer.name if producer is not None else value.name}{SUFFIX}"
        node = self.editor.add("Mul", name, [value, factor], output, producer)
        self.inserted.append(node.name or "")
        return self._told(output, value, divisor)

    def _told(self, made: ir.Value, source: ir.Value, divisor: float) -> ir.Value:
        self.tensors[made.name or ""] = {"source": source.name or "", "divisor": divisor}
        return made


def _multiply(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    """One factor takes it up: a constant if there is one."""
    for index, value in enumerate(node.inputs):
        if float_constant(value) is not None:
            return divider.scale(node, [index], 1.0 / divisor)
    for index, value in enumerate(node.inputs):
        folded = divider.fold(value, divisor, depth) if value is not None else None
        if folded is not None:
            return {index: folded}
    return None


def _quotient(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    if float_constant(node.inputs[1]) is not None:
        return divider.scale(node, [1], divisor)
    return _first(divider, node, divisor, depth)


def _first(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    """Ops that move values, and those for which op(x / s) = op(x) / s for every s > 0."""
    value = node.inputs[0]
    folded = divider.fold(value, divisor, depth) if value is not None else None
    return None if folded is None else {0: folded}


def _every(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    """Sums and joins: all operands must take it up."""
    found: dict[int, ir.Value] = {}
    for index, value in enumerate(node.inputs):
        folded = divider.fold(value, divisor, depth) if value is not None else None
        if folded is None:
            return None
        found[index] = folded
    return found


def _affine(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    del depth
    return divider.scale(node, [1, 2], 1.0 / divisor)


def _matmul(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    del depth
    return divider.scale(node, [1 if float_constant(node.inputs[1]) is not None else 0], 1.0 / divisor)


def _clip(divider: Divider, node: ir.Node, divisor: float, depth: int) -> dict[int, ir.Value] | None:
    bounds = divider.scale(node, [1, 2], 1.0 / divisor)
    inner = _first(divider, node, divisor, depth)
    return None if bounds is None or inner is None else {**bounds, **inner}


_ABSORB: dict[str, Callable[[Divider, ir.Node, float, int], dict[int, ir.Value] | None]] = {
    "Mul": _multiply,
    "Div": _quotient,
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), _affine),
    "MatMul": _matmul,
    "Clip": _clip,
    **dict.fromkeys(("Add", "Sub", "Sum", "Concat"), _every),
    **dict.fromkeys(("Reshape", "Transpose", "Identity", "Flatten", "Squeeze", "Unsqueeze", "Slice"), _first),
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu"), _first),
}
