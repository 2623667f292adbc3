"""A copy of a graph that is being changed: new names, constants and nodes, and tidying up at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

from edgewright.graph.model import Model

Shape = tuple[int, ...]


class Editor:
    """A clone of `model` with shapes inferred, ready to be changed.

    Attributes:
        graph: the graph that changes.
        values: every value of the main graph by name, as they were at the start.
        uses: number of uses of each value at the start, graph outputs counted.
    """

    def __init__(self, model: Model) -> None:
        self._model, self._ir = model, model.clone()
        if any(value.shape is None or value.dtype is None for node in self._ir.graph for value in node.outputs):
            ShapeInferencePass()(self._ir)
        self.graph = self._ir.graph
        self.values = {value.name or "": value for value in _values(self.graph)}
        self.uses = {name: len(value.uses()) for name, value in self.values.items()}
        for value in self.graph.outputs:
            self.uses[value.name or ""] += 1
        self._names = {*self.values, *(node.name or "" for node in self._ir.graph.all_nodes())}
        for inner in self.graph.subgraphs():
            self._names.update(value.name or "" for value in _values(inner))
        self._copies: list[tuple[ir.Node, str]] = []

    def fresh(self, name: str) -> str:
        """`name`, or with a number behind it when a value or node has it already; taken from now on."""
        found, number = name, 2
        while found in self._names:
            found, number = f"{name}_{number}", number + 1
        self._names.add(found)
        return found

    def constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        """A new initialiser."""
        name = self.fresh(name)
        value = constant_value(name, array)
        self.graph.register_initializer(value)
        return value

    def output_like(self, value: ir.Value, suffix: str) -> ir.Value:
        """A value of the same type and shape under a name of its own."""
        return ir.Value(name=self.fresh(f"{value.name}{suffix}"), shape=value.shape, type=value.type)

    def add(
        self,
        op_type: str,
        name: str,
        inputs: Iterable[ir.Value],
        output: ir.Value,
        at: ir.Node | None,
        **attributes: Any,
    ) -> ir.Node:
        """A new node of the default domain, behind the node `at`, or before all where that is None."""
        node = ir.node(op_type, list(inputs), attributes, outputs=[output], name=self.fresh(name))
        if at is not None:
            at.append(node)
        else:
            self.graph.insert_before(self.graph[0], node)
        return node

    def copy(self, node: ir.Node, inputs: Mapping[int, ir.Value], suffix: str) -> ir.Node:
        """A copy of a node that reads `inputs` at the given places, behind all that it reads.

        It takes over the name of the node if that is gone at the end, for then it stands for it.
        """
        taken = [inputs.get(index, value) for index, value in enumerate(node.inputs)]
        copied = ir.node(
            node.op_type,
            taken,
            dict(node.attributes),
            domain=node.domain,
            overload=node.overload,
            outputs=[self.output_like(value, suffix) for value in node.outputs],
            name=self.fresh(f"{node.name}{suffix}"),
        )
        copied.metadata_props.update(node.metadata_props)
        node.append(copied)
        self.stand_in(copied, node)
        return copied

    def stand_in(self, made: ir.Node, node: ir.Node) -> None:
        """Let a new node take over the name of an old one if that is gone at the end."""
        self._copies.append((made, node.name or ""))

    def replace_constant(self, node: ir.Node, index: int, array: NDArray[Any], suffix: str) -> None:
        """Give a node another constant; other readers of the old one keep it."""
        old = node.inputs[index]
        node.replace_input_with(index, self.constant(f"{old.name if old is not None else node.name}{suffix}", array))

    def model(self) -> Model:
        """The changed model, without what nothing needs any more."""
        return finished(self._ir, self._copies, self._model)


def finished(changed: ir.Model, copies: Iterable[tuple[ir.Node, str]], source: Model) -> Model:
    """Drop unused nodes and initialisers; copies take over the names of nodes that are gone."""
    RemoveUnusedNodesPass()(changed)
    names = {node.name for node in changed.graph}
    for node, name in copies:
        if node.graph is changed.graph and name and name not in names:
            names.discard(node.name)
            node.name = name
            names.add(name)
    changed.graph.sort()
    return Model(changed, source.path)


def constant_value(name: str, array: NDArray[Any]) -> ir.Value:
    """A constant that belongs to no graph yet."""
    tensor = ir.tensor(np.array(array, order="C"), name=name)
    shape = ir.Shape(array.shape)
    return ir.Value(name=name, shape=shape, type=ir.TensorType(tensor.dtype), const_value=tensor)


def constant_of(value: ir.Value | None) -> NDArray[Any] | None:
    """The values of a constant; None for a computed or a missing one."""
    tensor = value.const_value if value is not None else None
    return None if tensor is None else tensor.numpy()


def float_constant(value: ir.Value | None) -> NDArray[np.float32] | None:
    """The values of a 32-bit float constant."""
    array = constant_of(value)
    return array if array is not None and array.dtype == np.float32 else None


def static_shape(value: ir.Value) -> Shape | None:
    """The shape of a value if every dimension is known."""
    if value.shape is None or not all(isinstance(n, int) for n in value.shape):
        return None
    return tuple(int(n) for n in value.shape if isinstance(n, int))


def readers(value: ir.Value) -> list[ir.Node]:
    """Nodes that read a value, once for each use."""
    return [usage.node for usage in value.uses()]


def all_inputs(node: ir.Node) -> list[ir.Value]:
    """What a node reads, and what the graphs inside it read from outside."""
    found = [value for value in node.inputs if value is not None]
    for attribute in node.attributes.values():
        graphs: list[ir.Graph] = []
        if attribute.type == ir.AttributeType.GRAPH:
            graphs = [attribute.as_graph()]
        elif attribute.type == ir.AttributeType.GRAPHS:
            graphs = list(attribute.as_graphs())
        for graph in graphs:
            own = set(_values(graph))
            found += [value for inner in graph for value in all_inputs(inner) if value not in own]
            found += [value for value in graph.outputs if value not in own]
    return found


def _values(graph: ir.Graph) -> Iterable[ir.Value]:
    yield from graph.inputs
    yield from graph.initializers.values()
    for node in graph:
        yield from node.outputs
