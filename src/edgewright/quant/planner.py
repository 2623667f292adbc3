"""From what calibration saw to a precision plan: one grid for each tensor that needs one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from edgewright.quant.statistics import Range, TensorStatistics
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
        ranges: ranges that were chosen for activations one by one; they go before the observer.
    """

    observer: Observer
    symmetric: bool = False
    activation_dtype: str = ""
    per_channel: bool = True
    unclipped: frozenset[str] = frozenset()
    ranges: Mapping[str, Range] = field(default_factory=dict)


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
    profile = _restricted(profile, options)
    plan_layout = layout(model, profile, precisions)
    ranges = _Ranges(statistics, options, _unsigned(model, profile, statistics, options))
    activations = {
        name: ranges.grid(leader, profile.activation_dtypes[plan_layout.precision[name]])
        for name, leader in sorted(plan_layout.leaders.items())
    }
    plan = PrecisionPlan(
        model_digest=model.digest,
        activations=activations,
        weights={},
        ops=dict(plan_layout.ops),
        reasons=dict(reasons or {}),
        origin={
            "observer": options.observer.name,
            "symmetric": options.symmetric,
            "per_channel": profile.per_channel_weights,
        },
        narrowed={
            name: ranges.grid(plan_layout.leaders[name], profile.activation_dtypes["int8"])
            for name in sorted(plan_layout.narrowed)
        },
    )
    return replace(plan, weights=_operand_grids(model, plan_layout, profile, plan, options))


def _unsigned(
    model: Model, profile: FusionProfile, statistics: Mapping[str, TensorStatistics], options: QuantOptions
) -> frozenset[str]:
    """Inputs that get unsigned codes: half of the signed ones would never be used."""
    if not (profile.unsigned_inputs and options.symmetric):
        return frozenset()
    names = (value.name or "" for value in model.ir.graph.inputs)
    return frozenset(name for name in names if name in statistics and statistics[name].minimum >= 0)


def _restricted(profile: FusionProfile, options: QuantOptions) -> FusionProfile:
    dtypes = dict(profile.activation_dtypes)
    if options.activation_dtype:
        dtypes["int8"] = options.activation_dtype
    per_channel = profile.per_channel_weights and options.per_channel
    return replace(profile, activation_dtypes=dtypes, per_channel_weights=per_channel)


class _Ranges:
    """Grids of activations, the range of each taken once."""

    def __init__(
        self, statistics: Mapping[str, TensorStatistics], options: QuantOptions, unsigned: frozenset[str]
    ) -> None:
        self._statistics, self._options, self._unsigned = statistics, options, unsigned
        self._grids: dict[tuple[str, str], Grid] = {}

    def grid(self, name: str, dtype: str) -> Grid:
        """Grid of the activation `name`."""
        if (name, dtype) not in self._grids:
            low, high = self._range(name, dtype)
            if name in self._unsigned and dtype == "int8":
                self._grids[name, dtype] = activation_grid(0.0, high, "uint8", symmetric=False)
            else:
                self._grids[name, dtype] = activation_grid(low, high, dtype, self._options.symmetric)
        return self._grids[name, dtype]

    def _range(self, name: str, dtype: str) -> Range:
        options = self._options
        if name in options.ranges and _bits(dtype) == 8:
            return options.ranges[name]
        low_code, high_code = QUANTISED_DTYPES[dtype]
        # 16 bits have steps to spare: nothing is won by cutting off what is rare
        whole = name in options.unclipped or _bits(dtype) == 16
        observer = _WHOLE_RANGE if whole else options.observer
        return observer.range(self._statistics[name], high_code - low_code + 1, options.symmetric)


def _operand_grids(
    model: Model,
    plan_layout: Layout,
    profile: FusionProfile,
    plan: PrecisionPlan,
    options: QuantOptions,
) -> dict[str, Grid]:
    nodes = {node.name or "": node for node in model.ir.graph}
    grids: dict[str, Grid] = {}
    for operand in plan_layout.operands:
        precision = plan.ops[operand.node]
        values = _values(model, operand.name)
        if operand.role == "weight":
            dtype = profile.weight_dtypes[precision]
            grid = weight_grid(values, dtype, operand.axis, symmetric=not profile.asymmetric_weights)
            grids[operand.name] = _roomy(grid, nodes[operand.node], plan, model)
        elif operand.role == "constant":
            low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
            dtype = profile.activation_dtypes[precision]
            grids[operand.name] = activation_grid(low, high, dtype, options.symmetric)
    for operand in plan_layout.operands:
        source, weight = ((value.name or "") if value else "" for value in nodes[operand.node].inputs[:2])
        seen = plan.grid_seen(source, operand.node)
        if operand.role == "bias" and seen is not None and weight in grids:
            grids[operand.name] = bias_grid(seen, grids[weight])
    return grids


def _roomy(grid: Grid, node: ir.Node, plan: PrecisionPlan, model: Model) -> Grid:
    """Widen weight steps so that the bias fits 32 bits.

    A channel with tiny weights and a normal bias (a dead channel behind a folded BatchNorm) has a step so small that
    bias / (input step * weight step) overflows int32, and the channel turns to garbage.
    """
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    source = node.inputs[0]
    seen = plan.grid_seen(source.name or "", node.name or "") if source is not None else None
    if bias is None or bias.const_value is None or seen is None:
        return grid
    values = np.abs(_values(model, bias.name or "")).astype(np.float64)
    least = values / (float(seen.scale) * _BIAS_LIMIT)
    if grid.axis is None:
        least = least.max(keepdims=False) if least.size else np.float64(0)
    elif least.shape != grid.scale.shape:
        return grid
    return replace(grid, scale=np.maximum(grid.scale, least.astype(np.float32)))


def _bits(dtype: str) -> int:
    return int(np.dtype(dtype).itemsize) * 8


def _values(model: Model, name: str) -> NDArray[Any]:
    tensor = model.ir.graph.initializers[name].const_value
    if tensor is None:
        raise ValueError(f"initialiser {name!r} has no value")
    return tensor.numpy()
