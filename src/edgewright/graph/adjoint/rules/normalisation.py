"""Normalisations at inference."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build


@RULES.register("BatchNormalization")
def _batch(step: Step, build: Build) -> Gradients | None:
    # one factor a channel: scale / sqrt(variance + epsilon)
    if step.number("training_mode", 0) or 0 not in step.active:
        return None
    scale, variance = step.input(1), step.input(4)
    epsilon = build.constant(step.real("epsilon", 1e-5), variance)
    factor = build.node("Div", scale, build.node("Sqrt", build.node("Add", variance, epsilon)))
    shape = [-1 if axis == 1 else 1 for axis in range(len(step.shape()))]
    return {0: build.node("Mul", step.gradient, build.reshape(factor, shape))}


@RULES.register("LayerNormalization")
def _layer(step: Step, build: Build) -> Gradients | None:
    rank = len(step.shape())
    axis = step.number("axis", -1) % rank
    if 0 not in step.gradients:
        return None
    scaled = build.node("Mul", step.gradient, step.input(1))
    return {0: _to_normalised(step, build, scaled, list(range(axis, rank)))}


@RULES.register("InstanceNormalization")
def _instance(step: Step, build: Build) -> Gradients:
    rank = len(step.shape())
    shape = [-1 if axis == 1 else 1 for axis in range(rank)]
    scaled = build.node("Mul", step.gradient, build.reshape(step.input(1), shape))
    return {0: _to_normalised(step, build, scaled, list(range(2, rank)))}


def _to_normalised(step: Step, build: Build, gradient: ir.Value, axes: list[int]) -> ir.Value:
    """Back through n = (x - mean) / deviation: (g - mean(g) - n * mean(g * n)) / deviation.

    Source: J. L. Ba, J. R. Kiros and G. E. Hinton, Layer Normalization, arXiv:1607.06450, supplement.
    """
    x, where = step.x, build.integers(axes)
    share = build.constant(1 / math.prod(step.shape()[axis] for axis in axes), x)

    def mean(value: ir.Value) -> ir.Value:
        return build.node("Mul", build.node("ReduceSum", value, where, keepdims=1), share)

    centred = build.node("Sub", x, mean(x))
    variance = mean(build.node("Mul", centred, centred))
    epsilon = build.constant(step.real("epsilon", 1e-5), x)
    deviation = build.node("Sqrt", build.node("Add", variance, epsilon))
    normal = build.node("Div", centred, deviation)
    along = build.node("Mul", normal, mean(build.node("Mul", gradient, normal)))
    rest = build.node("Sub", build.node("Sub", gradient, mean(gradient)), along)
    return build.node("Div", rest, deviation)
