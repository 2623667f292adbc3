"""A long graph cut into a chain of short ones, each of which hands on the few tensors that later ones read.

ONNX Runtime's work to load a graph grows faster than its number of nodes: 0.1 s for a thousand, 4 s for eight thousand.
A chain costs no second run of what stands in front, and holds the weights once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from edgewright.quant.error_ops import read_values

NODES = 400
"""Nodes of a link, about; a link ends only between two wanted groups of values."""
_CHEAP = frozenset({"DequantizeLinear", "Flatten"})
"""Ops that are rather computed again than handed on: a DequantizeLinear belongs beside the op that reads it, for only
then does ONNX Runtime compute that op in integers."""


@dataclass(frozen=True)
class Link:
    """One graph of a chain.

    Attributes:
        data: serialised ONNX model.
        inputs: what it reads of the network's inputs and of earlier links.
        handed: outputs that later links read.
        results: outputs that were wanted.
    """

    data: bytes
    inputs: tuple[str, ...]
    handed: tuple[str, ...]
    results: tuple[str, ...]


def cut(model: ir.Model, wanted: Sequence[Sequence[ir.Value]], nodes: int = NODES) -> list[Link]:
    """The chain that computes groups of values, group by group, and nothing that none of them needs.

    Args:
        model: a graph that holds all of them; its own outputs do not count.
        wanted: float32 values, those that belong together in one group.
        nodes: about how many nodes a link has.
    """
    made: dict[ir.Node, None] = {}
    blocks: list[tuple[list[ir.Node], list[str]]] = []
    for group in wanted:
        if not blocks or len(blocks[-1][0]) >= nodes:
            blocks.append(([], []))
        fresh = _needed(group, model.graph, made)
        made.update(dict.fromkeys(fresh))
        blocks[-1][0].extend(fresh)
        blocks[-1][1].extend(value.name or "" for value in group)
    return _Links(model, _joined(blocks)).links()


class _Links:
    """Serialises blocks of nodes as graphs."""

    def __init__(self, model: ir.Model, blocks: Sequence[tuple[list[ir.Node], list[str]]]) -> None:
        self._model, self._blocks = model, blocks
        self._fed = {value.name or "": value for value in model.graph.inputs}
        self._producers = {value.name or "": node for nodes, _ in blocks for node in nodes for value in node.outputs}
        self._values = {value.name or "": value for nodes, _ in blocks for node in nodes for value in node.outputs}
        self._reads = {node: _reads(node) for nodes, _ in blocks for node in nodes}
        self._functions = ir.to_proto(model).functions if model.functions else []

    def links(self) -> list[Link]:
        parts = [self._part(nodes) for nodes, _ in self._blocks]
        found = []
        for index, (nodes, reads) in enumerate(parts):
            later = {name for _, others in parts[index + 1 :] for name in others}
            made = dict.fromkeys(value.name or "" for node in nodes for value in node.outputs)
            # a name that two links make is made from the same values, so any of them may hand it on
            handed = tuple(name for name in made if name in later and not self._cheap(name))
            results = tuple(dict.fromkeys(self._blocks[index][1]))
            found.append(self._link(nodes, reads, tuple(name for name in handed if name not in results), results))
        return found

    def _part(self, nodes: Sequence[ir.Node]) -> tuple[list[ir.Node], list[str]]:
        """The nodes of a block with those that it computes again, and what it reads from outside."""
        own = {value.name for node in nodes for value in node.outputs}
        again: dict[ir.Node, None] = {}
        reads: dict[str, None] = {}

        def visit(names: Iterable[str]) -> None:
            for name in names:
                if name in own or name in self._model.graph.initializers:
                    continue
                if name in self._producers and self._cheap(name):
                    node = self._producers[name]
                    visit(self._reads[node])
                    again[node] = None
                elif name in self._producers or name in self._fed:
                    reads[name] = None

        for node in nodes:
            visit(self._reads[node])
        return [*again, *nodes], list(reads)

    def _cheap(self, name: str) -> bool:
        return self._producers[name].op_type in _CHEAP

    def _link(
        self, nodes: Sequence[ir.Node], reads: Sequence[str], handed: tuple[str, ...], results: tuple[str, ...]
    ) -> Link:
        constants = self._model.graph.initializers
        used = dict.fromkeys(name for node in nodes for name in self._reads[node] if name in constants)
        graph = onnx.GraphProto(
            name="link",
            node=[ir.serde.serialize_node(node) for node in nodes],
            initializer=[_constant(constants[name]) for name in used],
            input=[self._info(name) for name in reads],
            output=[onnx.ValueInfoProto(name=name) for name in (*handed, *results)],
        )
        opsets = [onnx.OperatorSetIdProto(domain=key, version=at) for key, at in self._model.opset_imports.items()]
        proto = onnx.ModelProto(
            ir_version=self._model.ir_version, graph=graph, opset_import=opsets, functions=self._functions
        )
        return Link(proto.SerializeToString(deterministic=True), tuple(reads), handed, results)

    def _info(self, name: str) -> onnx.ValueInfoProto:
        info = onnx.ValueInfoProto(name=name)
        value = self._fed.get(name) or self._values[name]
        info.type.tensor_type.elem_type = int(dtype_of(value) or ir.DataType.FLOAT)
        return info


def dtype_of(value: ir.Value) -> ir.DataType | None:
    """Element type of a value; codes have that of their zero point."""
    producer = value.producer()
    if value.dtype is not None or producer is None or producer.op_type != "QuantizeLinear":
        return value.dtype
    zero = producer.inputs[2] if len(producer.inputs) > 2 else None
    return ir.DataType.UINT8 if zero is None else zero.dtype


def _joined(blocks: Sequence[tuple[list[ir.Node], list[str]]]) -> list[tuple[list[ir.Node], list[str]]]:
    """Blocks without a cut through a value of unknown type, which could not be an input."""
    found: list[tuple[list[ir.Node], list[str]]] = []
    unknown: set[str] = set()
    for nodes, names in blocks:
        if found and any(name in unknown for node in nodes for name in _reads(node)):
            found = [([*(n for block in found for n in block[0]), *nodes], [*(n for b in found for n in b[1]), *names])]
        else:
            found.append((nodes, names))
        unknown |= {
            value.name or ""
            for node in nodes
            for value in node.outputs
            if dtype_of(value) is None and node.op_type not in _CHEAP
        }
    return found


def _needed(group: Sequence[ir.Value], graph: ir.Graph, made: Mapping[ir.Node, None]) -> list[ir.Node]:
    """Nodes that a group needs and that are not made yet, depth first.

    ONNX Runtime sorts nodes dozens of times while it loads a graph, with a list of those that are ready: with observers
    behind the network instead of beside their tensors that list would be long.
    """
    order: dict[ir.Node, None] = {}
    stack = [(value.producer(), False) for value in reversed(group)]
    while stack:
        node, ready = stack.pop()
        if node is None or node.graph is not graph or node in order or node in made:
            continue
        if ready:
            order[node] = None
        else:
            stack.append((node, True))
            stack += [(value.producer(), False) for value in reversed(list(read_values(node)))]
    return list(order)


def _reads(node: ir.Node) -> list[str]:
    return [value.name for value in read_values(node) if value.name]


def _constant(value: ir.Value) -> onnx.TensorProto:
    tensor = value.const_value
    if tensor is None:
        raise ValueError(f"initialiser {value.name!r} has no value")
    proto = ir.serde.serialize_tensor(tensor)
    proto.name = value.name or ""
    return proto
