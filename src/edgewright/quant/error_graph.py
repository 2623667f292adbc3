"""The measuring graph: float network, quantised network and each op by itself, their errors reduced inside.

Three things stand side by side. F, the float network. Q, the network as `write_qdq` writes it. And for every op that
the plan has in integers a copy of it as Q computes it, fed from F through the grids that this op sees: what it does
wrong by itself. The codes of a tensor of F are made once for all its readers and for the error of its own grid.

Sums of squared errors are taken over differences, never as |q|^2 - 2 q.f + |f|^2: in float32 an error below a
thousandth would drown in that. Within an image they are float32, over images float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.error_chain import Link, cut
from edgewright.quant.error_nodes import Nodes, move_into
from edgewright.quant.error_ops import absorbed_input, made_values, on_codes
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import NARROWED, write_qdq


@dataclass(frozen=True)
class ErrorGraph:
    """A chain of graphs whose results are sums.

    Attributes:
        links: the graphs.
        columns: tensor and meaning of each number that they give, by the name of the output that holds the numbers; the
            meaning is as in `error_sums.RunningSums.add`.
        channels: output with sums by channel, float32 (2, channels), by tensor.
    """

    links: Sequence[Link]
    columns: Mapping[str, Sequence[tuple[str, str]]]
    channels: Mapping[str, str]


def error_graph(model: Model, plan: PrecisionPlan, sized: Mapping[str, bool], ranks: Mapping[str, int]) -> ErrorGraph:
    """The graph that measures some tensors, each of which has a grid in the plan.

    Args:
        model: the float network, its inner types known; it stays as it is.
        plan: grids and precisions.
        sized: the tensors, and whether each is known to have axes and elements. Their order should be that of
            execution: ONNX Runtime computes them in this order, and can then forget each in time.
        ranks: number of axes, at least two, of those that are told apart by channel.
    """
    changed = model.clone()
    builder = _Builder(changed, write_qdq(model, plan).ir, plan)
    sums = Sums(builder.nodes)
    for name, known in sized.items():
        sums.add(name, builder.measure(name, known), builder.by_channel(name, ranks[name]) if name in ranks else None)
    return sums.graph(changed)


class Sums:
    """The numbers of tensors, on their way into a chain."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._wanted: list[list[ir.Value]] = []
        self._columns: dict[str, list[tuple[str, str]]] = {}
        self._channels: dict[str, str] = {}

    def add(self, name: str, numbers: Mapping[str, ir.Value], channels: ir.Value | None = None) -> None:
        """Add the numbers, (1, 1) each, of one tensor by meaning, and its sums by channel."""
        joined = self._nodes.make("Concat", numbers.values(), axis=0)
        self._columns[joined.name or ""] = [(name, meaning) for meaning in numbers]
        self._wanted.append([joined])
        if channels is not None:
            self._wanted[-1].append(channels)
            self._channels[name] = channels.name or ""

    def graph(self, model: ir.Model) -> ErrorGraph:
        """The chain that computes them all."""
        return ErrorGraph(cut(model, self._wanted), self._columns, self._channels)


class _Builder:
    def __init__(self, model: ir.Model, quantised: ir.Model, plan: PrecisionPlan) -> None:
        self._plan = plan
        self._float = made_values(model.graph)
        made = made_values(quantised.graph)
        # a graph output that is made on codes has the plain name behind its grid
        self._planned = {name: made.get(_seen(name), made[name]) for name in plan.activations}
        self._narrow = {name: made[_seen(name + NARROWED)] for name in plan.narrowed}
        self._weights = {name: made[_seen(name)] for name in plan.weights}
        self.nodes = Nodes(model.graph, int(model.opset_imports.get("", 0)))
        model.opset_imports.update(quantised.opset_imports)
        move_into(model.graph, quantised.graph, self.nodes.prefix)
        self._gridded: dict[tuple[str, bool], ir.Value] = {}
        self._copies: dict[ir.Node, tuple[ir.Value, ...]] = {}

    def measure(self, name: str, sized: bool) -> dict[str, ir.Value]:
        """The sums of one tensor. One that may be empty or a scalar becomes a row whose last value changes no sum."""
        nodes, value, grid = self.nodes, self._float[name], self._plan.activations[name]

        def whole(tensor: ir.Value, end: float = 0.0) -> ir.Value:
            return tensor if sized else nodes.row(tensor, end)

        def error(tensor: ir.Value) -> ir.Value:
            return nodes.squares(whole(nodes.make("Sub", [tensor, value])))

        low = nodes.make("ReduceMin", [whole(value, float("inf"))], keepdims=1)
        high = nodes.make("ReduceMax", [whole(value, float("-inf"))], keepdims=1)
        numbers = {
            "reference": nodes.squares(whole(value)),
            "minimum": low,
            "maximum": high,
            "saturated": nodes.count_outside(
                whole(value), low, high, grid.low - grid.step / 2, grid.high + grid.step / 2
            ),
            "accumulated": error(self._planned[name]),
            "planned": nodes.squares(whole(self._planned[name])),
            "grid": error(self._on_grid(name)),
        }
        if not sized:
            size = nodes.make("Size", [value])
            numbers["elements"] = nodes.row(nodes.make("Cast", [size], to=ir.DataType.FLOAT))
        producer = value.producer()
        if producer is not None and on_codes(producer, self._plan):
            raw = self._isolated(producer)[producer.outputs.index(value)]
            numbers["isolated"] = error(self._through(self._planned[name], raw))
        return numbers

    def by_channel(self, name: str, rank: int) -> ir.Value:
        """Sums of squares of the accumulated error and of F, (2, channels)."""
        nodes, value = self.nodes, self._float[name]
        error = nodes.make("Sub", [self._planned[name], value])
        return nodes.make("Concat", [nodes.channel_squares(part, rank) for part in (error, value)], axis=0)

    def _on_grid(self, name: str, narrow: bool = False) -> ir.Value:
        """A tensor of F behind its own or its narrower grid."""
        if (name, narrow) not in self._gridded:
            raw = self._on_grid(name) if narrow else self._float[name]
            self._gridded[name, narrow] = self._through((self._narrow if narrow else self._planned)[name], raw)
        return self._gridded[name, narrow]

    def _through(self, seen: ir.Value, raw: ir.Value) -> ir.Value:
        """`raw` behind the grid that makes `seen` in Q: copies of its QuantizeLinear and DequantizeLinear."""
        dequantise = _producer(seen)
        quantise = _producer(dequantise.inputs[0])
        codes = self.nodes.copy(quantise, [raw, *quantise.inputs[1:]])
        return self.nodes.copy(dequantise, [codes[0], *dequantise.inputs[1:]])[0]

    def _isolated(self, node: ir.Node) -> tuple[ir.Value, ...]:
        """Outputs of a node of F as Q computes it, from what F has in front of the nodes that are one op with it."""
        if node not in self._copies:
            inputs = [self._input(node, value) for value in node.inputs]
            self._copies[node] = self.nodes.copy(node, inputs)
        return self._copies[node]

    def _input(self, node: ir.Node, value: ir.Value | None) -> ir.Value | None:
        if value is None:
            return None
        name = value.name or ""
        if name in self._weights:
            return self._weights[name]
        if name in self._plan.activations:
            return self._on_grid(name, narrow=name in self._narrow and self._plan.ops[node.name or ""] == "int8")
        absorbed = absorbed_input(value, node, self._plan)
        return value if absorbed is None else self._isolated(absorbed)[absorbed.outputs.index(value)]


def _seen(name: str) -> str:
    return f"{name}_dequantised"


def _producer(value: ir.Value | None) -> ir.Node:
    node = None if value is None else value.producer()
    if node is None:
        raise ValueError("a grid of the quantised network has no node in front of it")
    return node
