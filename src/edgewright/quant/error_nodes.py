"""Nodes that reduce tensors to numbers, appended to a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.quant.error_ops import made_values

_DTYPES = {
    **dict.fromkeys(("Equal", "Not", "Less", "Greater", "Or"), ir.DataType.BOOL),
    "Size": ir.DataType.INT64,
}
"""What nodes that are made here give, where it is not float."""


class Nodes:
    """Appends nodes to a graph, under names that it has not.

    Args:
        graph: the graph; its nodes are in the order of execution and what is appended reads only what stands before.
        opset: version of the default operator set.
    """

    def __init__(self, graph: ir.Graph, opset: int) -> None:
        self.graph = graph
        self.prefix = "edgewright_error"
        while any(name.startswith(self.prefix) for name in (*made_values(graph), *graph.initializers)):
            self.prefix += "_"
        self._opset = opset
        self._made = 0
        self._constants: dict[tuple[str, bytes], ir.Value] = {}

    def make(self, kind: str, inputs: Iterable[ir.Value], **attributes: int | list[int]) -> ir.Value:
        """The only output of a new node of the default domain."""
        result = self._node(kind, inputs, **attributes)
        self.graph.append(_producer(result))
        return result

    def copy(self, node: ir.Node, inputs: Sequence[ir.Value | None]) -> tuple[ir.Value, ...]:
        """The outputs of a copy of `node` that reads `inputs`; nodes with subgraphs cannot be copied so."""
        twin = ir.Node(
            node.domain,
            node.op_type,
            inputs,
            list(node.attributes.values()),
            overload=node.overload,
            num_outputs=len(node.outputs),
            version=node.version,
        )
        for mine, theirs in zip(twin.outputs, node.outputs, strict=True):
            if theirs.dtype is not None:
                mine.dtype = theirs.dtype
        return self._append(twin)

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> ir.Value:
        """An initialiser; the same values give the same one."""
        key = (f"{values.dtype}{values.shape}", values.tobytes())
        if key not in self._constants:
            self._constants[key] = add_initialiser(self.graph, self._name(), ir.Tensor(values))
        return self._constants[key]

    def row(self, value: ir.Value, end: float | None = None) -> ir.Value:
        """A tensor as one row, (1, n), with `end` behind it where one is given."""
        row = self.make("Flatten", [value], axis=0)
        if end is None:
            return row
        return self.make("Concat", [row, self.constant(np.array([[end]], np.float32))], axis=1)

    def squares(self, value: ir.Value) -> ir.Value:
        """Sum of squares; as many axes as `value`, of one entry each."""
        return self.make("ReduceSumSquare", [value], keepdims=1)

    def count_outside(self, value: ir.Value, least: ir.Value, most: ir.Value, low: float, high: float) -> ir.Value:
        """Number of values that lie outside low..high, shaped as `least`; `least` and `most` are their extremes.

        Counted only where the extremes lie outside: five passes over the tensor are a sixth of all the work.
        """
        bounds = [self.constant(np.asarray(bound, np.float32)) for bound in (low, high)]
        outside = [self.make("Less", [least, bounds[0]]), self.make("Greater", [most, bounds[1]])]
        some = self.make("Or", outside)
        inside = self._node("Equal", [self._node("Clip", [value, *bounds]), value])
        ones = self._node("Cast", [self._node("Not", [inside])], to=ir.DataType.FLOAT)
        counted = self._node("ReduceSum", [ones], keepdims=1)
        none = self._node("Sub", [least, least])
        branches = {"then_branch": counted, "else_branch": none}
        attributes = [ir.AttrGraph(name, _branch(result)) for name, result in branches.items()]
        return self._append(ir.Node("", "If", [some], attributes))[0]

    def channel_squares(self, value: ir.Value, rank: int) -> ir.Value:
        """Sums of squares along axis 1, (1, channels)."""
        axes = [axis for axis in range(rank) if axis != 1]
        if self._opset >= 18:  # axes became an input
            sums = self.make("ReduceSumSquare", [value, self.constant(np.array(axes, np.int64))], keepdims=0)
        else:
            sums = self.make("ReduceSumSquare", [value], axes=axes, keepdims=0)
        return self.make("Reshape", [sums, self.constant(np.array([1, -1], np.int64))])

    def _append(self, node: ir.Node) -> tuple[ir.Value, ...]:
        self.graph.append(self._named(node))
        return tuple(node.outputs)

    def _node(self, kind: str, inputs: Iterable[ir.Value], **attributes: int | list[int]) -> ir.Value:
        """The output of a node that stands in no graph yet."""
        written = [
            ir.AttrInt64s(name, value) if isinstance(value, list) else ir.AttrInt64(name, value)
            for name, value in attributes.items()
        ]
        node = self._named(ir.Node("", kind, list(inputs), written))
        node.outputs[0].dtype = _DTYPES.get(kind, ir.DataType.FLOAT)
        return node.outputs[0]

    def _named(self, node: ir.Node) -> ir.Node:
        node.name = self._name()
        for index, value in enumerate(node.outputs):
            value.name = f"{node.name}_{index}"
        return node

    def _name(self) -> str:
        self._made += 1
        return f"{self.prefix}_{self._made}"


def _branch(result: ir.Value) -> ir.Graph:
    """A subgraph of what `result` needs and no graph has yet."""
    nodes: dict[ir.Node, None] = {}

    def visit(node: ir.Node | None) -> None:
        if node is None or node.graph is not None or node in nodes:
            return
        for value in node.inputs:
            visit(value.producer() if value is not None else None)
        nodes[node] = None

    visit(_producer(result))
    return ir.Graph([], [result], nodes=nodes, name=f"{result.name}_branch")


def _producer(value: ir.Value) -> ir.Node:
    node = value.producer()
    if node is None:
        raise ValueError(f"nothing makes {value.name!r}")
    return node


def add_initialiser(graph: ir.Graph, name: str, tensor: ir.TensorProtocol) -> ir.Value:
    """A new initialiser of a graph."""
    value = ir.Value(
        name=name, shape=ir.Shape(tensor.numpy().shape), type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    graph.register_initializer(value)
    return value


def move_into(graph: ir.Graph, other: ir.Graph, prefix: str) -> None:
    """Move the nodes of `other` behind those of `graph`; the two share inputs and initialisers of the same name.

    Every name that an outer graph gives is prefixed; `other` is used up.
    """
    for value in list(other.inputs):
        if value.name not in other.initializers:
            twin = next(mine for mine in graph.inputs if mine.name == value.name)
            _read_instead(value, twin)
    for name, value in list(other.initializers.items()):
        tensor = value.const_value
        if name in graph.initializers:
            _read_instead(value, graph.initializers[name])
        elif tensor is not None:
            _read_instead(value, add_initialiser(graph, f"{prefix}_q_{name}", tensor))
    nodes = list(other)
    for node in nodes:
        node.name = f"{prefix}_q_{node.name}"
        for value in node.outputs:
            if value.name:
                value.name = f"{prefix}_q_{value.name}"
    del other.outputs[:]
    other.remove(nodes)
    graph.extend(nodes)


def _read_instead(value: ir.Value, other: ir.Value) -> None:
    for usage in list(value.uses()):
        usage.node.replace_input_with(usage.idx, other)
