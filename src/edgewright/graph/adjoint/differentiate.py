"""Reverse-mode derivatives as ONNX nodes behind the forward graph.

Source of the method: reverse accumulation, A. Griewank and A. Walther, Evaluating Derivatives, SIAM 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, has_shape, shape_of
from edgewright.graph.model import Model

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16})
_SHAPES_ONLY = frozenset({"Shape", "Size"})


@dataclass(frozen=True)
class Adjoint:
    """Derivatives of the sum of seed * value over the seeded values.

    Attributes:
        gradients: derivative with respect to each float value that a seed depends on, by name, in that value's shape.
            An initialiser has none.
        unknown: names of the nodes where the gradient stops, for want of a rule.
        incomplete: values that a seed depends on through such a node: they are not in `gradients`.
    """

    gradients: Mapping[str, ir.Value]
    unknown: tuple[str, ...]
    incomplete: frozenset[str]


def with_shapes(model: Model) -> ir.Model:
    """A copy of the model with the static shape and type of every value, as far as inference from the inputs can tell.

    Shapes written in the file are not believed: exporters leave stale ones behind.
    """
    copy = model.clone()
    outputs = {id(value) for value in copy.graph.outputs}
    for node in copy.graph:
        for value in node.outputs:
            if id(value) not in outputs:
                value.shape = None
    return ShapeInferencePass()(copy).model


def differentiate(
    graph: ir.Graph, seeds: Mapping[ir.Value, ir.Value], build: Build | None = None, *, first: int | None = None
) -> Adjoint:
    """Append to `graph` the nodes that compute the gradient of sum(seed * value).

    Operators with a discrete result (comparisons, arg-max, casts to integers) have derivative 0 almost everywhere and
    carry none. A value that reaches a seed through a node without a rule is told apart in `incomplete`.

    Args:
        graph: the graph, sorted, with static shapes and types (`with_shapes`).
        seeds: the seed of each value to start from, in its shape and type.
        build: what appended earlier gradients to this graph, so that they share nodes.
        first: how many nodes the forward graph has, where `build` has appended others; None: all that there are.

    Raises:
        ValueError: a seed's shape differs from its value's.
    """
    build = build or Build(graph)
    forward = list(graph)[:first]
    walk = _Walk(build, _active(graph, forward))
    for value, seed in seeds.items():
        if has_shape(seed) and has_shape(value) and shape_of(seed) != shape_of(value):
            raise ValueError(f"the seed of {value.name!r} must have shape {value.shape}, but got {seed.shape}")
        walk.give(value, seed)
    for node in reversed(forward):
        walk.back(node)
    return walk.result()


class _Walk:
    """The way back through the nodes: what is known of the gradient of each value so far."""

    def __init__(self, build: Build, active: set[ir.Value]) -> None:
        self._build = build
        self._active = active
        self._terms: dict[ir.Value, list[ir.Value]] = {}
        self._incomplete: set[ir.Value] = set()
        self._unknown: list[str] = []

    def give(self, value: ir.Value, gradient: ir.Value) -> None:
        """Add a term to the gradient of `value`."""
        self._terms.setdefault(value, []).append(gradient)

    def back(self, node: ir.Node) -> None:
        """Carry the gradient from the outputs of `node` to its inputs."""
        made = [(index, value) for index, value in enumerate(node.outputs) if value in self._active]
        gradients = {index: self._total(value) for index, value in made if value in self._terms}
        incomplete = any(value in self._incomplete for _, value in made)
        if not gradients and not incomplete:
            return
        active = frozenset(index for index, value in enumerate(node.inputs) if value in self._active)
        found = self._apply(Step(node, gradients, active)) if gradients else {}
        for index in active:
            value = node.inputs[index]
            if value is None:
                continue
            if found is not None and index in found:
                self.give(value, found[index])
            if incomplete or found is None or index not in found:
                self._incomplete.add(value)
        if found is None or (gradients and not active <= found.keys()):
            self._unknown.append(node.name or node.outputs[0].name or node.op_type)
            self._incomplete |= {value for value in captured(node) if value in self._active}

    def result(self) -> Adjoint:
        """What was found."""
        complete = [value for value in self._terms if value not in self._incomplete and value in self._active]
        return Adjoint(
            {value.name or "": self._total(value) for value in complete},
            tuple(reversed(self._unknown)),
            frozenset(value.name or "" for value in self._incomplete),
        )

    def _total(self, value: ir.Value) -> ir.Value:
        terms = self._terms[value]
        if len(terms) > 1:
            terms[:] = [self._build.add(terms)]
        return terms[0]

    def _apply(self, step: Step) -> Gradients | None:
        node = step.node
        values = [value for value in (*node.inputs, *node.outputs) if value is not None]
        if node.domain not in ("", "ai.onnx") or node.op_type not in RULES or not all(map(has_shape, values)):
            return None
        return RULES.get(node.op_type)(step, self._build)


def captured(node: ir.Node) -> Iterable[ir.Value]:
    """Values of the outer graph that the graphs inside `node` read."""
    for attribute in node.attributes.values():
        graphs = (
            [attribute.as_graph()]
            if attribute.type == ir.AttributeType.GRAPH
            else list(attribute.as_graphs())
            if attribute.type == ir.AttributeType.GRAPHS
            else []
        )
        for graph in graphs:
            yield from (value for value in graph.outputs)
            for inner in ir.traversal.RecursiveGraphIterator(graph):
                yield from (value for value in inner.inputs if value is not None)


def _active(graph: ir.Graph, forward: Iterable[ir.Node]) -> set[ir.Value]:
    """Float values that depend on an input of the graph by more than their shape."""
    depends = {value for value in graph.inputs if value.name not in graph.initializers}
    for node in forward:
        if node.op_type not in _SHAPES_ONLY and any(
            value in depends for value in (*node.inputs, *captured(node)) if value is not None
        ):
            depends.update(node.outputs)
    # a type that inference cannot tell is that of an operator without a rule: it may be a float
    return {value for value in depends if value.dtype is None or value.dtype in FLOATS}
