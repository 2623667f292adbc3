"""Which tensor of the prepared model each tensor of TPU-MLIR is, and which nodes each of its ops computes.

TPU-MLIR calls a tensor `<ONNX tensor>_<op type>`; the graph's inputs keep their names. Where it fuses ops, only the
last one's tensor is left; where it splits one or inserts something, the name gets one more ending. So a name is matched
to the longest tensor name that it begins with, and an op computes every node from its own tensor backwards to the next
ones that TPU-MLIR knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.targets.sophgo.lowered import Lookup
from edgewright.targets.sophgo.mlir import MlirOp, computed, tensor_types

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_LEAVE_WEIGHTS = frozenset({"Clip", "Relu"})
"""Ops that TPU-MLIR computes with the one before it without changing that one's weights, as it does to fold a Mul."""


@dataclass(frozen=True)
class Names:
    """How the two sides' names belong together.

    Attributes:
        tensors: tensor of the model by name in TPU-MLIR, where it is that very tensor.
        derived: the same where TPU-MLIR made something of its own out of or on the way to it.
        nodes: nodes of the model that an op of TPU-MLIR computes, by the op's name; empty for what it inserted.
        strange: names in TPU-MLIR that belong to no tensor of the model.
    """

    tensors: dict[str, str]
    derived: dict[str, str]
    nodes: dict[str, tuple[str, ...]]
    strange: tuple[str, ...]

    def tensor_of(self, name: str) -> str | None:
        """Tensor of the model that a name of TPU-MLIR belongs to."""
        return self.tensors.get(name, self.derived.get(name))

    @property
    def by_tensor(self) -> dict[str, str]:
        """Name in TPU-MLIR of each tensor of the model that it kept."""
        return {tensor: name for name, tensor in self.tensors.items()}


def match_names(model: Model, top: Sequence[MlirOp]) -> Names:
    """Match the tensors of a module that TPU-MLIR made of `model` (before quantisation)."""
    values = {value.name or "": value for value in _values(model)}
    inputs = [name for op in top if op.kind == "top.Input" for name in op.names]
    tensors: dict[str, str] = {}
    derived: dict[str, str] = {}
    strange: list[str] = []
    ordered = sorted(values, key=len, reverse=True)
    for name in [*inputs, *(name for op in computed(top) for name in op.names)]:
        if _is_itself(name, values):
            tensors[name] = name if name in values else name.rpartition("_")[0]
            continue
        near = next((tensor for tensor in ordered if tensor and name.startswith(f"{tensor}_")), None)
        if near is None:
            strange.append(name)
        else:
            derived[name] = near
    shapes = {name: kind.shape for name, kind in tensor_types(top).items()}
    _adopt(tensors, derived, values, shapes)
    return Names(tensors, derived, _nodes(values, tensors), tuple(strange))


def _values(model: Model) -> Iterable[ir.Value]:
    yield from model.ir.graph.inputs
    for node in model.ir.graph:
        yield from node.outputs


def _is_itself(name: str, values: dict[str, ir.Value]) -> bool:
    if name in values:
        return True
    stem, _, ending = name.rpartition("_")
    producer = values[stem].producer() if stem in values else None
    return producer is not None and producer.op_type == ending


def _adopt(
    tensors: dict[str, str],
    derived: dict[str, str],
    values: dict[str, ir.Value],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    """A tensor whose only trace has an unusual ending (a Gather that became a slice) is that trace, if its shape is."""
    kept = set(tensors.values())
    traces: dict[str, list[str]] = {}
    for name, tensor in derived.items():
        traces.setdefault(tensor, []).append(name)
    for tensor, found in traces.items():
        shape = values[tensor].shape
        same = shape is not None and tuple(shape) == shapes.get(found[0])
        if tensor not in kept and len(found) == 1 and same:
            tensors[found[0]] = tensor
            del derived[found[0]]


def _nodes(values: dict[str, ir.Value], tensors: dict[str, str]) -> dict[str, tuple[str, ...]]:
    known = set(tensors.values())
    found: dict[str, tuple[str, ...]] = {}
    for name, tensor in tensors.items():
        producer = values[tensor].producer()
        if producer is not None:
            found[name] = tuple(_behind(producer, known))
    return found


def _behind(node: ir.Node, known: set[str]) -> list[str]:
    """A node and those before it whose results TPU-MLIR does not know."""
    seen: list[str] = []
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if (current.name or "") in seen:
            continue
        seen.append(current.name or "")
        for value in current.inputs:
            before = value.producer() if value is not None else None
            if before is not None and value is not None and (value.name or "") not in known:
                waiting.append(before)
    return seen


def lookup_of(model: Model, names: Names) -> Lookup:
    """What reading a lowered module back needs to know of the model."""
    nodes = {node.name or "": node for node in model.ir.graph}
    weights: dict[str, tuple[str, str]] = {}
    axes: dict[str, int | None] = {}
    for name, covered in names.nodes.items():
        heavy = [nodes[node] for node in covered if nodes[node].op_type in _WEIGHTED]
        others = {nodes[node].op_type for node in covered} - set(_WEIGHTED)
        if len(heavy) == 1 and others <= _LEAVE_WEIGHTS:
            weight, bias = (_constant(heavy[0], index) for index in (1, 2))
            if weight:
                weights[name] = (weight, bias)
                axes[name] = _channel_axis(heavy[0])
    return Lookup(model.digest, names.tensors, names.nodes, weights, axes)


def _constant(node: ir.Node, index: int) -> str:
    value = node.inputs[index] if index < len(node.inputs) else None
    return (value.name or "") if value is not None and value.const_value is not None else ""


def _channel_axis(node: ir.Node) -> int | None:
    """Axis of the output channels in the weight; of matrix products TPU-MLIR has one step for all."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose" and node.attributes.get_int("group", 1) == 1:
        return 1
    return None
