"""Joins of unlike ranges: which tensors share an output, or a Concat, with others that are far larger or smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgewright.graph.rewrites.editor import constant_of

RATIO = 8.0
"""Ranges this far apart leave the smaller one 5 of 8 bits on a common grid."""
MOVES = frozenset({"Reshape", "Transpose", "Identity", "Flatten", "Squeeze", "Unsqueeze"})
"""Ops that give every value of their first input another place, and nothing else."""

Ranges = Mapping[str, tuple[float, float]]


def magnitude(value: ir.Value, ranges: Ranges) -> float | None:
    """Largest absolute value of a tensor, from its range or that of what was moved into it; None if it is unknown."""
    constant = constant_of(value)
    if constant is not None:
        return float(np.abs(constant).max(initial=0.0)) if constant.dtype.kind == "f" else None
    seen = ranges.get(value.name or "")
    if seen is not None:
        return max(abs(seen[0]), abs(seen[1]))
    node = value.producer()
    if node is None or node.op_type not in MOVES or node.inputs[0] is None:
        return None
    return magnitude(node.inputs[0], ranges)


def unlike(magnitudes: Sequence[float | None]) -> bool:
    """Whether the known magnitudes differ so much that one grid cannot serve all; nothing but zeros has none."""
    known = [size for size in magnitudes if size]
    return bool(known) and max(known) >= RATIO * min(known)


def joined_leaves(output: ir.Value, ranges: Ranges) -> list[ir.Value]:
    """The tensors that an output is joined from where their ranges are unlike, in order; empty where they are alike.

    The walk goes back through moves and Concats. A Concat is taken apart when its own operands are unlike or when one
    of them is to be taken apart itself: levels of like ranges may each join boxes with scores. Then its other operands
    are taken apart too, for a level whose scores happen to be large is no other than its neighbours.
    """
    return list(dict.fromkeys(_leaves(output, ranges) or ()))


def _leaves(value: ir.Value, ranges: Ranges) -> list[ir.Value] | None:
    node = value.producer()
    if node is None or not node.inputs:
        return None
    if node.op_type in MOVES:
        return _leaves(node.inputs[0], ranges) if node.inputs[0] is not None else None
    operands = _operands(node)
    inner = [_leaves(operand, ranges) for operand in operands]
    if any(inner):
        inner = [leaves or _joined(operand) for operand, leaves in zip(operands, inner, strict=True)]
    elif not unlike([magnitude(operand, ranges) for operand in operands]):
        return None
    return [leaf for operand, leaves in zip(operands, inner, strict=True) for leaf in (leaves or [operand])]


def _joined(value: ir.Value) -> list[ir.Value]:
    """What the nearest Concat behind moves joins."""
    node = value.producer()
    while node is not None and node.op_type in MOVES and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return _operands(node) if node is not None else []


def _operands(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None] if node.op_type == "Concat" else []
