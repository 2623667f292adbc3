"""Reductions over axes."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, constant_array
from edgewright.graph.adjoint.rules.elementwise import compare, mask


def _axes(step: Step) -> tuple[int, ...] | None:
    """The reduced axes, from the attribute (old opsets) or the second input; None where they are computed."""
    rank = len(step.shape())
    axes = step.numbers("axes", ())
    given = step.optional(1)
    if given is not None:
        array = constant_array(given)
        if array is None:
            return None
        axes = tuple(int(axis) for axis in array.reshape(-1))
    if not axes and step.number("noop_with_empty_axes", 0):
        return ()
    return tuple(sorted(axis % rank for axis in axes)) or tuple(range(rank))


def _kept(step: Step, build: Build, value: ir.Value, axes: tuple[int, ...]) -> ir.Value:
    """`value`, in the shape of the output, with the reduced axes kept as 1."""
    wanted = tuple(1 if axis in axes else size for axis, size in enumerate(step.shape()))
    return value if wanted == step.output_shape else build.reshape(value, wanted)


@RULES.register("ReduceSum")
def _reduce_sum(step: Step, build: Build) -> Gradients | None:
    axes = _axes(step)
    if axes is None:
        return None
    return {0: build.node("Expand", _kept(step, build, step.gradient, axes), build.integers(step.shape()))}


@RULES.register("ReduceMean")
def _reduce_mean(step: Step, build: Build) -> Gradients | None:
    axes = _axes(step)
    if axes is None:
        return None
    count = math.prod(step.shape()[axis] for axis in axes)
    share = build.node("Mul", step.gradient, build.constant(1 / count, step.gradient))
    return {0: build.node("Expand", _kept(step, build, share, axes), build.integers(step.shape()))}


def _reduce_extreme(step: Step, build: Build) -> Gradients | None:
    axes = _axes(step)
    if axes is None:
        return None
    # of equal winners each gets the gradient: any is a one-sided derivative
    winners = mask(build, compare(build, "Equal", step.x, _kept(step, build, step.y, axes)), step.x)
    return {0: build.node("Mul", winners, _kept(step, build, step.gradient, axes))}


RULES.add("ReduceMax", _reduce_extreme)
RULES.add("ReduceMin", _reduce_extreme)


@RULES.register("ReduceSumSquare")
def _reduce_sum_square(step: Step, build: Build) -> Gradients | None:
    axes = _axes(step)
    if axes is None:
        return None
    twice = build.node("Mul", step.x, build.constant(2, step.x))
    return {0: build.node("Mul", twice, _kept(step, build, step.gradient, axes))}


@RULES.register("ReduceL2")
def _reduce_l2(step: Step, build: Build) -> Gradients | None:
    axes = _axes(step)
    if axes is None:
        return None
    share = build.node("Div", step.gradient, step.y)
    return {0: build.node("Mul", step.x, _kept(step, build, share, axes))}


@RULES.register("ReduceL1")
def _reduce_l1(step: Step, build: Build) -> Gradients | None:
    axes = _axes(step)
    if axes is None:
        return None
    return {0: build.node("Mul", build.node("Sign", step.x), _kept(step, build, step.gradient, axes))}
