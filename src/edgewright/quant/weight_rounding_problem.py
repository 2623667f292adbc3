"""One weight to round: what was seen of its input, and the problem that this makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.weight_layers import constant_values, quantised_weight_nodes
from edgewright.quant.weight_rounding_samples import CONVOLUTIONS, from_matrix, input_rows, to_matrix
from edgewright.quant.weight_rounding_solve import RoundingProblem, Wide
from edgewright.tensors import QUANTISED_DTYPES, Grid

_DAMPING = 0.01
"""Added to the diagonal of the second moments, as a share of its mean (GPTQ's figure): what was never seen together is
not relied on, and inputs that are always 0 do not make the matrix singular."""
_LARGEST = 4608
"""Inputs of one output (512 channels under 3 x 3). More would take gigabytes and minutes."""
_NO_CHOICE = 1e-3
"""A weight this near to a whole code, in steps, stays there. So the largest weight of a channel keeps its code, and the
step that a plan made anew takes from it stays the same."""


class RoundingLayer:
    """A weight, the nodes that read it, and the second moments of what they multiply it with.

    Args:
        weight: name of the weight.
        nodes: nodes that read it, all in the same way.
        grid: its grid.
    """

    def __init__(self, weight: str, nodes: list[ir.Node], grid: Grid) -> None:
        self.weight = weight
        self.nodes = tuple(node.name or "" for node in nodes)
        self.rows = 0
        self._nodes, self._grid = nodes, grid
        values = constant_values(nodes[0].inputs[1])
        self._shape = values.shape
        self._step = _along(grid.scale, grid.axis, values.ndim) * np.ones(values.shape)
        self._zero = _along(grid.zero_point, grid.axis, values.ndim) * np.ones(values.shape)
        first, last = QUANTISED_DTYPES[grid.dtype]
        # signed weights leave the least code unused (`weight_grid`)
        self._low = self._matrix((first if first == 0 else -last) - self._zero)
        self._high = self._matrix(last - self._zero)
        self._exact = self._matrix(values / self._step)
        self.nearest: Wide = np.clip(np.rint(self._exact), self._low, self._high)
        groups, _, inputs = self._exact.shape
        self._moments = np.zeros((groups, inputs, inputs))
        self._sum = np.zeros((groups, inputs))

    @property
    def bytes(self) -> int:
        """Size of the second moments."""
        return int(self._moments.nbytes)

    @property
    def work(self) -> float:
        """Operations that a solution takes, about."""
        groups, rows, inputs = self._exact.shape
        return float(groups * inputs**2 * (3 * inputs + 20 * rows)) + 1e5

    def look(self, inputs: Mapping[str, NDArray[Any]], count: int, generator: np.random.Generator) -> None:
        """Add rows of one image; `inputs` is the first input of each node, by node name."""
        for node in self._nodes:
            rows = input_rows(node, self._shape, inputs[node.name or ""], count, generator)
            self._moments += np.swapaxes(rows, 1, 2) @ rows
            self._sum += rows.sum(axis=1)
            self.rows += rows.shape[1]

    def close(self, centred: bool) -> None:
        """No more rows come: divide by their number, and take the mean out if asked to."""
        self._moments /= self.rows
        mean = self._sum / self.rows
        if centred:
            self._moments -= mean[:, :, None] * mean[:, None, :]

    def solve(self) -> Wide:
        """Codes with which no output channel is further off, on the rows seen, than with the nearest."""
        found = self._problem().fit(self.nearest)
        better = self._errors(found) < self._errors(self.nearest)  # without the damping that `fit` goes by
        return np.where(better[:, :, None], found, self.nearest)

    def _errors(self, codes: Wide) -> Wide:
        away = codes - self._exact
        return np.asarray(np.einsum("grk,grk->gr", away @ self._moments, away))

    def _problem(self) -> RoundingProblem:
        """The codes to choose: up or down, where there is a choice."""
        inputs = self._moments.shape[1]
        mean = np.trace(self._moments, axis1=1, axis2=2) / inputs
        damping = np.where(mean > 0, _DAMPING * mean, 1.0)
        return RoundingProblem(
            self._moments + damping[:, None, None] * np.eye(inputs),
            self._exact,
            np.clip(np.floor(self._exact + _NO_CHOICE), self._low, self._high),
            np.clip(np.ceil(self._exact - _NO_CHOICE), self._low, self._high),
        )

    def error(self, codes: Wide) -> float:
        """Relative L2 error of the layer's output with these codes; 0 where the output is."""
        if not self.rows:
            return 0.0
        steps = self._matrix(self._step)
        power = self._power(self._exact * steps)
        return float(np.sqrt(self._power((codes - self._exact) * steps) / power)) if power > 0 else 0.0

    def weights(self, codes: Wide) -> NDArray[np.float32]:
        """The weight that has these codes."""
        whole = from_matrix(self._nodes[0], codes, self._shape) + self._zero
        return self._grid.dequantise(whole)

    def _power(self, matrix: Wide) -> float:
        """Mean square of the output that a weight gives, summed over channels."""
        return max(0.0, float(np.vdot(matrix @ self._moments, matrix)))

    def _matrix(self, values: NDArray[Any]) -> Wide:
        return to_matrix(self._nodes[0], values).astype(np.float64)


def rounding_layers(model: Model, plan: PrecisionPlan) -> tuple[list[RoundingLayer], dict[str, str]]:
    """The weights that can be rounded, and why others cannot, by name."""
    readers: dict[str, list[ir.Node]] = {}
    for node in quantised_weight_nodes(model, plan):
        weight = node.inputs[1]
        readers.setdefault((weight.name or "") if weight is not None else "", []).append(node)
    layers, skipped = [], {}
    for name, nodes in readers.items():
        reason = _unfit(model.ir.graph.initializers[name], nodes, plan.weights[name])
        if reason:
            skipped[name] = reason
        else:
            layers.append(RoundingLayer(name, nodes, plan.weights[name]))
    return layers, skipped


def _unfit(weight: ir.Value, nodes: list[ir.Node], grid: Grid) -> str:
    values = constant_values(weight)
    first = nodes[0]
    if len(nodes) != len(list(weight.uses())) or weight.is_graph_output():
        return "its values are used by another op as they are"
    if any(_way(node) != _way(first) for node in nodes):
        return "ops read it in different ways"
    if first.op_type not in CONVOLUTIONS and values.ndim != 2:
        return "it is no matrix"
    matrix = to_matrix(first, _along(grid.scale, grid.axis, values.ndim) * np.ones(values.shape))
    if matrix.shape[2] > _LARGEST:
        return f"an output has {matrix.shape[2]} inputs, more than {_LARGEST}"
    if (matrix != matrix[:, :, :1]).any():
        return "its grid changes along the inputs of one output"
    return ""


def _way(node: ir.Node) -> tuple[object, ...]:
    """How a node lays out its weight."""
    get = node.attributes.get_int
    return node.op_type, get("group", 1), bool(get("transB", 0))


def _along(values: NDArray[Any], axis: int | None, rank: int) -> NDArray[np.float64]:
    shape = [1] * rank
    if axis is not None:
        shape[axis] = -1
    return values.astype(np.float64).reshape(shape)
