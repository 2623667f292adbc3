"""Bias correction: take back what rounding does to the mean of each output channel of a weighted op.

Rounded weights, and inputs rounded to a coarse grid (the tail of a SiLU, most of which becomes 0), move the mean of an
output channel. Its bias takes the difference back, at no cost on any integer target.

Only what the op itself does is measured: from its float inputs, with rounded weights and rounded inputs. Two things
that also move the mean are left alone, because both were measured to do harm on detectors. What clipping cuts off is
large in few places, and a bias spreads it over all of them. A shift that comes from ops before is corrected there;
correcting it again further on doubles it, and correcting op after op behind corrected ones takes one run of the network
for each and was still no better.

Sources: Nagel et al. 2019, "Data-Free Quantization through Weight Equalization and Bias Correction"
(arXiv:1906.04721), section 4.2: the mean of (W_q - W) x; here taken over images, with the rounding of x in it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.errors import DataError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.weight_layers import Beside, add_constant, constant_values, quantised_weight_nodes
from edgewright.tensors import Grid


def correct_biases(
    model: Model,
    plan: PrecisionPlan,
    feeds: Iterable[Feeds],
    *,
    reference: Model | None = None,
    add_missing: bool = True,
    threads: int = 0,
) -> Model:
    """The model with biases that take back the shift of mean that rounding causes under `plan`.

    The mean is that of the op's own output, before an activation that the target computes together with it.

    Args:
        model: the model whose biases are corrected.
        plan: a precision plan for it, or for one with the same names and grids. Ops that it leaves in float keep
            their biases.
        feeds: inputs by name, one mapping a call of the network; taken once, one by one.
        reference: the model as it was trained, where `model` has weights that were rounded already; it must have the
            same nodes and tensors.
        add_missing: give ops without a bias one.
        threads: threads to use; 0 takes every core that this process may use.

    Returns:
        A new model: biases keep their names, except those that several ops shared and those that were missing. Make
        the plan anew for it; statistics of the old one stay good.

    Raises:
        DataError: there are no images.
        ModelError: ONNX Runtime does not accept the graph.
        ToolchainError: ONNX Runtime failed on an image.
    """
    trained = reference or model
    rounded = {node.name or "": node for node in quantised_weight_nodes(model, plan) if _takes(node, add_missing)}
    shifts = _mean_errors(trained, rounded, plan, feeds, threads)
    changed = model.clone()
    for node in changed.graph:
        if node.name in shifts:
            _subtract(changed.graph, node, shifts[node.name])
    return Model(changed, model.path)


def _takes(node: ir.Node, add_missing: bool) -> bool:
    """Whether the op can be given another bias."""
    if node.op_type == "MatMul":
        return False
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        return add_missing
    ignored = node.op_type == "Gemm" and _factor(node) == 0
    return bias.const_value is not None and not ignored


def _mean_errors(
    trained: Model, nodes: Mapping[str, ir.Node], plan: PrecisionPlan, feeds: Iterable[Feeds], threads: int
) -> dict[str, NDArray[np.float64]]:
    """Mean over images and space of what rounding adds to each output channel, (channels,), by node name."""
    graph = _ErrorGraph(trained, plan)
    for node in nodes.values():
        graph.add(node)
    session = graph.beside.session(threads) if nodes else None
    sums = {name: np.zeros(()) for name in nodes}
    images = 0
    for image in feeds:
        images += 1
        made = session(image) if session is not None else {}
        for name, output in graph.beside.outputs.items():
            values = made[output]  # (batch, channels) or (batch, channels, 1, 1)
            sums[name] = sums[name] + values.reshape(values.shape[:2]).mean(axis=0, dtype=np.float64)
    if not images:
        raise DataError("there are no images to correct biases with", todo="name a folder with images of your use")
    return {name: np.asarray(total / images) for name, total in sums.items()}


class _ErrorGraph:
    """The trained graph with each op's own rounding error beside it: op(Q(x) - x, W_q) + op(x, W_q - W)."""

    def __init__(self, trained: Model, plan: PrecisionPlan) -> None:
        self.beside = Beside(trained)
        self._plan = plan
        self._errors: dict[str, ir.Value] = {}

    def add(self, rounded: ir.Node) -> None:
        """Hand out the mean error of an op; `rounded` is the node with the weights that the plan rounds."""
        name = rounded.name or ""
        node = self.beside.nodes[name]
        source, weight = node.inputs[0], rounded.inputs[1]
        assert source is not None  # noqa: S101 - quantised_weight_nodes has looked
        assert weight is not None  # noqa: S101
        grid = self._plan.weights[weight.name or ""]
        seen = self._plan.grid_seen(source.name or "", name)
        exact = constant_values(node.inputs[1])
        codes = grid.dequantise(grid.quantise(constant_values(weight)))
        attributes = list(node.attributes.values())
        error = self.beside.make(node.op_type, [source, self.beside.constant(codes - exact)], attributes)
        if seen is not None and seen.bits == 8:  # what 16 bits round off is nothing beside what 8 bits do
            inputs = [self._rounding(source, seen), self.beside.constant(codes)]
            error = self.beside.make("Add", [error, self.beside.make(node.op_type, inputs, attributes)])
        self.beside.hand_out(name, error if node.op_type == "Gemm" else self.beside.make("GlobalAveragePool", [error]))

    def _rounding(self, value: ir.Value, grid: Grid) -> ir.Value:
        """What the grid rounds off, and nothing of what it clips. A tensor has one grid of 8 bits at most."""
        name = value.name or ""
        if name in self._errors:
            return self._errors[name]
        make, constant = self.beside.make, self.beside.constant
        step, zero = constant(grid.scale), constant(grid.zero_point.astype(grid.dtype))
        bounds = [constant(np.asarray(bound, np.float32)) for bound in (grid.low, grid.high)]
        read = make("DequantizeLinear", [make("QuantizeLinear", [value, step, zero]), step, zero])
        self._errors[name] = make("Sub", [read, make("Clip", [value, *bounds])])
        return self._errors[name]


def _factor(node: ir.Node) -> float:
    """What an op multiplies its bias with."""
    return node.attributes.get_float("beta", 1.0) if node.op_type == "Gemm" else 1.0


def _subtract(graph: ir.Graph, node: ir.Node, shift: NDArray[np.float64]) -> None:
    old = node.inputs[2] if len(node.inputs) > 2 else None
    values: NDArray[Any] = -shift / _factor(node)
    if old is not None:
        values = constant_values(old) + values
    values = values.astype(np.float32)
    if old is not None and len(list(old.uses())) == 1 and not old.is_graph_output():
        old.const_value, old.shape = ir.tensor(values, name=old.name), ir.Shape(values.shape)
        return
    name = f"{node.name}_bias"
    taken = {value.name for other in graph for value in other.outputs} | set(graph.initializers)
    while name in taken:
        name += "_"
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    node.replace_input_with(2, add_constant(graph, name, values))
