"""Weights channel by channel: what their grid costs each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.diagnose.causes.base import CauseContext
from edgewright.diagnose.tensor_error import TensorError
from edgewright.quant.fusion import absorbed
from edgewright.tensors import Grid

_STARVED = 0.025
"""Three times what 8 bits cost a channel of normally distributed weights (3.5 sigma over 127 steps: 0.8 %)."""
_UNEVEN = 8.0
"""Three bits between the largest channel and a starved one: more than bad luck within one distribution."""
_OUTLIER = 4.0
"""Two bits lost to the largest 1 % of a channel's weights."""


@dataclass(frozen=True)
class WeightLoss:
    """What a weight's grid costs, where it is more than it should.

    Attributes:
        tensor: the initialiser.
        kind: "uneven" (channels of unlike size on one step) or "outliers" (a few weights set their channel's step).
        depthwise: whether each output channel sees one input channel only.
        ratio: largest over smallest channel, or largest weight over the rest of its channel.
        worst: relative L2 of the channel that loses most.
        channels: output channels that lose more than 2.5 %, by loss, worst first.
        count: number of output channels.
        steps: steps that the largest weight of the worst channel ("uneven") or the rest of it ("outliers") spans.
    """

    tensor: str
    kind: str
    depthwise: bool
    ratio: float
    worst: float
    channels: tuple[int, ...]
    count: int
    steps: float


def weighted_node(context: CauseContext, error: TensorError) -> ir.Node | None:
    """The op with weights that makes a tensor, alone or with an activation that the target fuses into it."""
    stack = [context.producer(error.tensor)]
    while stack:
        node = stack.pop()
        if node is None:
            continue
        if node.op_type in context.profile.weight_ops:
            return node
        inner = (value for value in node.inputs if value is not None)
        stack += [value.producer() for value in inner if absorbed(value, context.profile, context.plan.ops)]
    return None


def weight_loss(context: CauseContext, node: ir.Node) -> WeightLoss | None:
    """The weight of a node whose grid costs some channels too much; None where every channel is served well."""
    for index, value in enumerate(node.inputs[:2]):
        tensor = value.const_value if value is not None else None
        grid = context.plan.weights.get((value.name if value is not None else "") or "")
        if value is None or tensor is None or grid is None or not tensor.size:
            continue
        loss = _loss(value.name or "", node, index, tensor.numpy(), grid)
        if loss is not None:
            return loss
    return None


def output_channels(node: ir.Node, index: int, values: NDArray[Any]) -> NDArray[Any]:
    """The weight as (output channels, values of each).

    Args:
        node: Conv, ConvTranspose, Gemm or MatMul.
        index: which of its inputs the weight is.
        values: the weight, as ONNX lays it out for the operator.
    """
    if values.ndim < 2:
        return values.reshape(1, -1)
    rows: NDArray[Any] = values
    if node.op_type == "Conv":
        return rows.reshape(values.shape[0], -1)
    if node.op_type == "ConvTranspose":
        group = node.attributes.get_int("group", 1)
        apart: NDArray[Any] = rows.reshape(group, values.shape[0] // group, values.shape[1], -1)
        rows = np.swapaxes(apart, 1, 2)
        return rows.reshape(group * values.shape[1], -1)
    if node.op_type == "Gemm":
        transposed = bool(node.attributes.get_int("transB" if index else "transA", 0))
        return rows if transposed == bool(index) else rows.T
    axis = -1 if index else -2
    return np.moveaxis(rows, axis, 0).reshape(values.shape[axis], -1)


def _loss(name: str, node: ir.Node, index: int, values: NDArray[Any], grid: Grid) -> WeightLoss | None:
    weights = output_channels(node, index, values.astype(np.float64))
    errors = output_channels(node, index, grid.dequantise(grid.quantise(values)) - values.astype(np.float64))
    norms = np.linalg.norm(weights, axis=1)
    losses = np.divide(np.linalg.norm(errors, axis=1), norms, out=np.zeros_like(norms), where=norms > 0)
    starved = np.flatnonzero(losses > _STARVED)
    if not starved.size:
        return None
    starved = starved[np.argsort(-losses[starved], kind="stable")]
    worst = int(starved[0])
    largest = np.abs(weights).max(axis=1)
    if grid.axis is None and largest.max() >= _UNEVEN * largest[worst]:
        kind, ratio, span = "uneven", float(largest.max() / largest[worst]), float(largest[worst])
    else:
        rest = _rest(weights[worst])
        if rest <= 0 or largest[worst] < _OUTLIER * rest:
            return None
        kind, ratio, span = "outliers", float(largest[worst] / rest), rest
    return WeightLoss(
        tensor=name,
        kind=kind,
        depthwise=node.op_type == "Conv" and values.shape[1] == 1 and values.shape[0] > 1,
        ratio=ratio,
        worst=float(losses[worst]),
        channels=tuple(int(channel) for channel in starved),
        count=len(weights),
        steps=span / grid.step if grid.axis is None else span / float(grid.scale[worst]),
    )


def _rest(channel: NDArray[Any]) -> float:
    """Largest weight of a channel without its largest 1 % (at least one)."""
    sizes = np.sort(np.abs(channel))
    return float(sizes[-1 - max(1, sizes.size // 100)]) if sizes.size > 1 else 0.0
