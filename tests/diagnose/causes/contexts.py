"""Contexts of small nets with really measured errors, for the tests of causes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgewright.diagnose.causes import CauseContext, run_causes
from edgewright.diagnose.causes.weights import weighted_node
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.qdq import write_qdq
from edgewright.targets.registry import get_backend

Feeds = Mapping[str, np.ndarray]
Tensors = dict[str, list[np.ndarray]]


def context(
    model: Model,
    feeds: Sequence[Feeds],
    *,
    seen: Sequence[Feeds] = (),
    observer: str = "minmax",
    fuse_silu: bool = False,
    per_channel: bool = True,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    histogram: bool = True,
) -> CauseContext:
    """All ops in 8 bits; errors as measured on `feeds`, statistics of `seen` (the same where it is empty)."""
    profile = replace(get_backend("onnxruntime/cpu").capabilities().fusion, fuse_silu=fuse_silu)
    chosen = default_precisions(model, profile, "int8")
    made_by = [value for node in model.ir.graph for value in node.outputs]
    names = [value.name or "" for value in (*model.ir.graph.inputs, *made_by)]  # float ops too
    statistics = collect_statistics(model, names, seen or feeds, histogram=histogram)
    options = QuantOptions(parse_observer(observer), per_channel=per_channel, ranges=ranges or {})
    plan = make_plan(model, profile, statistics, chosen, options)
    made = CauseContext(model, profile, plan, statistics, {}, layout(model, profile, chosen).leaders)
    return replace(made, errors=_errors(made, feeds))


def found(made: CauseContext, name: str) -> list[Finding]:
    """Findings of one cause."""
    return run_causes(made, [name])


def with_effects(made: CauseContext, effects: Mapping[str, Mapping[str, float]]) -> CauseContext:
    """The context with effects on parts: those given, and none at all for the other tensors."""
    parts = {part: 0.0 for known in effects.values() for part in known}
    errors = {name: replace(error, effects=effects.get(name, parts)) for name, error in made.errors.items()}
    return replace(made, errors=errors)


def _errors(made: CauseContext, feeds: Sequence[Feeds]) -> dict[str, TensorError]:
    names = list(made.plan.activations)
    reference = _values(made.model, names, feeds)
    quantised = _values(write_qdq(made.model, made.plan), [f"{name}_dequantised" for name in names], feeds)
    rounded = _values(_with_rounded_weights(made), names, feeds)
    depths = {value.name: depth for depth, node in enumerate(made.model.ir.graph, 1) for value in node.outputs}
    found = {}
    for name in names:
        node, grid, values = made.producer(name), made.plan.activations[name], reference[name]
        own = _relative([grid.dequantise(grid.quantise(one)) for one in values], values)
        error = TensorError(
            tensor=name,
            op="" if node is None else node.name or "",
            op_type="Input" if node is None else node.op_type,
            source_ops=(),
            region="head",
            depth=depths.get(name, 0),
            bits=8,
            elements=values[0].size,
            minimum=min(float(one.min()) for one in values),
            maximum=max(float(one.max()) for one in values),
            isolated=own,
            grid=own,
            weight=None,
            accumulated=_relative(quantised.get(f"{name}_dequantised") or quantised[name], values),
            cosine=1.0,
            saturated=float(np.mean([((one < grid.low) | (one > grid.high)).mean() for one in values])),
        )
        if weighted_node(made, error) is not None:
            # weights of all layers are rounded, so only a net with one layer gets an exact figure
            weight = _relative(rounded[name], values)
            error = replace(error, weight=weight, isolated=math.hypot(own, weight))
        found[name] = error
    return found


def _with_rounded_weights(made: CauseContext) -> Model:
    changed = made.model.clone()
    for name, grid in made.plan.weights.items():
        tensor = changed.graph.initializers[name].const_value
        if tensor is not None and grid.bits == 8:
            values = grid.dequantise(grid.quantise(tensor.numpy()))
            changed.graph.initializers[name].const_value = ir.tensor(values, name=name)
    return Model(changed)


def _values(model: Model, names: Sequence[str], feeds: Sequence[Feeds]) -> Tensors:
    changed = model.clone()
    outputs = {value.name for value in changed.graph.outputs}
    for node in changed.graph:
        for value in node.outputs:
            if value.name in names and value.name not in outputs:
                value.dtype = ir.DataType.FLOAT
                changed.graph.outputs.append(value)
    session = ReferenceSession(Model(changed).data, name="test")
    result: Tensors = {}
    for sample in feeds:
        for name, value in {**sample, **session(sample)}.items():
            result.setdefault(name, []).append(value)
    return result


def _relative(values: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    error = sum(float(((a.astype(np.float64) - b) ** 2).sum()) for a, b in zip(values, reference, strict=True))
    return math.sqrt(error / sum(float((b.astype(np.float64) ** 2).sum()) for b in reference))
