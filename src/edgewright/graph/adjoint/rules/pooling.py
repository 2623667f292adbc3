"""Pooling."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build
from edgewright.graph.adjoint.rules.convolution import transposed
from edgewright.graph.adjoint.rules.elementwise import compare, mask
from edgewright.graph.adjoint.windows import Windows, windows

_SCATTER_OPSET = 16
"""First opset in which ScatterElements adds."""


@RULES.register("MaxPool")
def _max_pool(step: Step, build: Build) -> Gradients | None:
    if 0 not in step.gradients:
        return None
    shape = step.shape()
    where = windows(step, step.numbers("kernel_shape", ()), shape[2:], step.output_shape[2:])
    places = build.reshape(_indices(step, build), [1, 1, -1])
    values = build.reshape(step.gradient, [1, 1, -1])
    size = math.prod(shape)
    if not where.overlap:
        # each entry wins once at most; in one line, for MaxUnpool refuses windows that reach over the end
        line = build.node("MaxUnpool", values, places, build.integers([1, 1, size]), kernel_shape=[1], strides=[1])
        return {0: build.reshape(line, shape)}
    if not raise_opset(build.graph, _SCATTER_OPSET):
        return None
    # an entry that wins in several windows gets the gradient of each
    nothing = build.zeros([1, 1, size], values)
    line = build.node("ScatterElements", nothing, places, values, axis=2, reduction="add")
    return {0: build.reshape(line, shape)}


def _indices(step: Step, build: Build) -> ir.Value:
    """Which entry won in each window, counted in the flat input, by a pooling of its own."""
    kept = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")
    attributes = {name: step.node.attributes[name].value for name in kept if name in step.node.attributes}
    indices = build.nodes("MaxPool", step.x, outputs=2, **attributes)[1]
    indices.dtype = ir.DataType.INT64
    return indices


def raise_opset(graph: ir.Graph, opset: int) -> bool:
    """Let the graph's opset be at least `opset` (up to 16); False where that would change what a node computes."""
    now = graph.opset_imports.get("", graph.opset_imports.get("ai.onnx", 0))
    if now >= opset:
        return True
    # from 13 to 16 RoiAlign alone got another default; below 13 many operators took their axes elsewhere
    if now < 13 or any(node.op_type in ("RoiAlign", "If", "Loop", "Scan") for node in graph):
        return False
    graph.opset_imports.pop("ai.onnx", None)
    graph.opset_imports[""] = opset
    return True


@RULES.register("AveragePool")
def _average_pool(step: Step, build: Build) -> Gradients:
    shape = step.shape()
    where = windows(step, step.numbers("kernel_shape", ()), shape[2:], step.output_shape[2:])
    share = build.node("Mul", step.gradient, build.constant(1 / _members(step, where), step.gradient))
    # channels become images, so that one kernel of ones serves all
    apart = build.reshape(share, (shape[0] * shape[1], 1, *step.output_shape[2:]))
    ones = build.constant(np.ones((1, 1, *where.kernel)), step.gradient)
    return {0: build.reshape(transposed(build, apart, ones, where, 1), shape)}


def _members(step: Step, where: Windows) -> NDArray[np.float64]:
    """How many entries each window is divided by, shape (1, 1, *counts)."""
    rank = len(where.kernel)
    if step.number("count_include_pad", 0):
        pads = step.numbers("pads", (0,) * (2 * rank))
        if step.text("auto_pad", "NOTSET") != "NOTSET":
            pads = (*where.pads, *(max(0, after) for after in where.after))
        ends = [size + after for size, after in zip(where.sizes, pads[rank:], strict=True)]
        bounds = [(-before, end) for before, end in zip(where.pads, ends, strict=True)]
    else:
        bounds = [(0, size) for size in where.sizes]
    members = np.ones((1,) * (rank + 2))
    for axis, (low, high) in enumerate(bounds):
        starts = np.arange(where.counts[axis]) * where.strides[axis] - where.pads[axis]
        entries = starts[:, None] + np.arange(where.kernel[axis]) * where.dilations[axis]
        count = ((entries >= low) & (entries < high)).sum(axis=1).astype(np.float64)
        members = members * np.maximum(count, 1).reshape([-1 if i == axis + 2 else 1 for i in range(rank + 2)])
    return members


@RULES.register("GlobalAveragePool")
def _global_average(step: Step, build: Build) -> Gradients:
    shape = step.shape()
    share = build.node("Mul", step.gradient, build.constant(1 / math.prod(shape[2:]), step.gradient))
    return {0: build.node("Expand", share, build.integers(shape))}


@RULES.register("GlobalMaxPool")
def _global_max(step: Step, build: Build) -> Gradients:
    winners = mask(build, compare(build, "Equal", step.x, step.y), step.x)
    return {0: build.node("Mul", winners, step.gradient)}
