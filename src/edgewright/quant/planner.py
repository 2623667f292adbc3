"""From what calibration saw to a precision plan: one grid for each tensor that needs one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.quant.grids import activation_grid, bias_grid, weight_grid
from edgewright.quant.layout import Layout, layout
from edgewright.quant.observers import Observer, parse_observer
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.statistics import TensorStatistics
from edgewright.tensors import QUANTISED_DTYPES, Grid

_WHOLE_RANGE = parse_observer("minmax")
_BIAS_LIMIT = 2.0**30
"""Largest bias code: half of int32, so that the sum of products still fits beside it."""


@dataclass(frozen=True)
class QuantOptions:
    """How grids are chosen.

    Attributes:
        observer: how a range is taken from statistics.
        symmetric: activations have zero point 0 (of a signed type) or the middle (of an unsigned one).
        activation_dtype: code type at 8 bits ("uint8" or "int8"); empty takes the target's.
        per_channel: weights have a grid per output channel, where the target can.
        unclipped: activations that keep their whole range, whatever the observer would cut off.
    """

    observer: Observer
    symmetric: bool = False
    activation_dtype: str = ""
    per_channel: bool = True
    unclipped: frozenset[str] = frozenset()


def make_plan(
    model: Model,
    profile: FusionProfile,
    statistics: Mapping[str, TensorStatistics],
    precisions: Mapping[str, Precision],
    options: QuantOptions,
    reasons: Mapping[str, str] | None = None,
) -> PrecisionPlan:
    """The plan for `precisions`.

    Args:
        model: the prepared model.
        profile: the target's fusions.
        statistics: what calibration saw, for at least `layout(...).observed`.
        precisions: precision of each op, by node name; ops that are missing run in float.
        options: observer and form of grids.
        reasons: why an op is not in the default precision, by node name.
    """
    profile = _narrowed(profile, options)
    plan_layout = layout(model, profile, precisions)
    activations = _activation_grids(plan_layout, profile, statistics, options)
    weights = _operand_grids(model, plan_layout, profile, activations, precisions, options)
    return PrecisionPlan(
        model_digest=model.digest,
        activations=activations,
        weights=weights,
        ops=dict(precisions),
        reasons=dict(reasons or {}),
        origin={
            "observer": options.observer.name,
            "symmetric": options.symmetric,
            "per_channel": profile.per_channel_weights,
        },
    )


def _narrowed(profile: FusionProfile, options: QuantOptions) -> FusionProfile:
    dtypes = dict(profile.activation_dtypes)
    if options.activation_dtype:
        dtypes["int8"] = options.activation_dtype
    per_channel = profile.per_channel_weights and options.per_channel
    return replace(profile, activation_dtypes=dtypes, per_channel_weights=per_channel)


def _activation_grids(
    plan_layout: Layout, profile: FusionProfile, statistics: Mapping[str, TensorStatistics], options: QuantOptions
) -> dict[str, Grid]:
    owned: dict[str, Grid] = {}
    for name in plan_layout.observed:
        dtype = profile.activation_dtypes[plan_layout.precision[name]]
        low_code, high_code = QUANTISED_DTYPES[dtype]
        observer = _WHOLE_RANGE if name in options.unclipped else options.observer
        low, high = observer.range(statistics[name], high_code - low_code + 1, options.symmetric)
        owned[name] = activation_grid(low, high, dtype, options.symmetric)
    return {name: owned[leader] for name, leader in sorted(plan_layout.leaders.items())}


def _operand_grids(
    model: Model,
    plan_layout: Layout,
    profile: FusionProfile,
    activations: Mapping[str, Grid],
    precisions: Mapping[str, Precision],
    options: QuantOptions,
) -> dict[str, Grid]:
    nodes = {node.name or "": node for node in model.ir.graph}
    grids: dict[str, Grid] = {}
    for operand in plan_layout.operands:
        precision = precisions[operand.node]
        values = _values(model, operand.name)
        if operand.role == "weight":
            dtype = profile.weight_dtypes[precision]
            grid = weight_grid(values, dtype, operand.axis)
            grids[operand.name] = _roomy(grid, nodes[operand.node], activations, model)
        elif operand.role == "constant":
            low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
            dtype = profile.activation_dtypes[precision]
            grids[operand.name] = activation_grid(low, high, dtype, options.symmetric)
    for operand in plan_layout.operands:
        source, weight = ((value.name or "") if value else "" for value in nodes[operand.node].inputs[:2])
        if operand.role == "bias" and source in activations and weight in grids:
            grids[operand.name] = bias_grid(activations[source], grids[weight])
    return grids


def _roomy(grid: Grid, node: ir.Node, activations: Mapping[str, Grid], model: Model) -> Grid:
    """Widen weight steps so that the bias fits 32 bits.

    A channel with tiny weights and a normal bias (a dead channel behind a folded BatchNorm) has a step so small that
    bias / (input step * weight step) overflows int32, and the channel turns to garbage.
    """
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    source = node.inputs[0]
    if bias is None or bias.const_value is None or source is None or (source.name or "") not in activations:
        return grid
    values = np.abs(_values(model, bias.name or "")).astype(np.float64)
    least = values / (float(activations[source.name or ""].scale) * _BIAS_LIMIT)
    if grid.axis is None:
        least = least.max(keepdims=False) if least.size else np.float64(0)
    elif least.shape != grid.scale.shape:
        return grid
    return replace(grid, scale=np.maximum(grid.scale, least.astype(np.float32)))


def _values(model: Model, name: str) -> NDArray[Any]:
    tensor = model.ir.graph.initializers[name].const_value
    if tensor is None:
        raise ValueError(f"initialiser {name!r} has no value")
    return tensor.numpy()
