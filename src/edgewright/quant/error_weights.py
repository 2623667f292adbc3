"""What the grids of weights do by themselves: each op with its weights on their grid, everything else in float.

A graph of its own, for it hardly depends on the image and need not be run for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.error_graph import ErrorGraph, Sums
from edgewright.quant.error_nodes import Nodes, add_initialiser
from edgewright.quant.error_ops import absorbed_input, fused_nodes, made_values, on_codes
from edgewright.quant.plan import PrecisionPlan


def weighted_tensors(model: Model, plan: PrecisionPlan) -> list[str]:
    """Gridded tensors whose op has weights, biases or constants on grids, in the order of execution."""
    return [
        name
        for name, value in made_values(model.ir.graph).items()
        if name in plan.activations and _has_weights(value.producer(), plan)
    ]


def weight_error_graph(model: Model, plan: PrecisionPlan, tensors: Sequence[str]) -> ErrorGraph:
    """The graph that measures "weight" and "weight_reference" of `tensors`, which come from `weighted_tensors`."""
    changed = model.clone()
    builder = _Builder(changed, plan)
    sums = Sums(builder.nodes)
    for name in tensors:
        sums.add(name, builder.measure(name))
    return sums.graph(changed)


class _Builder:
    def __init__(self, model: ir.Model, plan: PrecisionPlan) -> None:
        self._plan, self._graph = plan, model.graph
        self._values = made_values(model.graph)
        self.nodes = Nodes(model.graph, int(model.opset_imports.get("", 0)))
        self._weights: dict[str, ir.Value] = {}
        self._copies: dict[ir.Node, tuple[ir.Value, ...]] = {}

    def measure(self, name: str) -> dict[str, ir.Value]:
        """The sums of one tensor; a sum over nothing is 0."""
        nodes, value = self.nodes, self._values[name]
        producer = value.producer()
        if producer is None:
            raise ValueError(f"nothing makes {name!r}")
        other = self._copy(producer)[producer.outputs.index(value)]
        error = nodes.row(nodes.make("Sub", [other, value]))
        return {"weight": nodes.squares(error), "weight_reference": nodes.squares(nodes.row(value))}

    def _copy(self, node: ir.Node) -> tuple[ir.Value, ...]:
        if node not in self._copies:
            self._copies[node] = self.nodes.copy(node, [self._input(node, value) for value in node.inputs])
        return self._copies[node]

    def _input(self, node: ir.Node, value: ir.Value | None) -> ir.Value | None:
        if value is None:
            return None
        if value.name in self._plan.weights:
            return self._on_grid(value)
        absorbed = absorbed_input(value, node, self._plan)
        return value if absorbed is None else self._copy(absorbed)[absorbed.outputs.index(value)]

    def _on_grid(self, value: ir.Value) -> ir.Value:
        """An initialiser with the values that its codes stand for; ONNX Runtime packs it for Conv."""
        name = value.name or ""
        if name not in self._weights:
            tensor = value.const_value
            if tensor is None:
                raise ValueError(f"initialiser {name!r} has no value")
            grid = self._plan.weights[name]
            values = grid.dequantise(grid.quantise(tensor.numpy()))
            self._weights[name] = add_initialiser(self._graph, f"{self.nodes.prefix}_w_{name}", ir.Tensor(values))
        return self._weights[name]


def _has_weights(node: ir.Node | None, plan: PrecisionPlan) -> bool:
    if node is None or not on_codes(node, plan):
        return False
    inputs = [value.name for part in fused_nodes(node, plan) for value in part.inputs if value is not None]
    return any(name in plan.weights for name in inputs)
