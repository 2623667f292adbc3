"""Softmax and LogSoftmax along an axis (as they are since opset 13)."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build


def _total(step: Step, build: Build, value: ir.Value) -> ir.Value:
    axis = step.number("axis", -1) % len(step.shape())
    return build.node("ReduceSum", value, build.integers([axis]), keepdims=1)


@RULES.register("Softmax")
def _softmax(step: Step, build: Build) -> Gradients:
    # y * (g - sum(g * y))
    mean = _total(step, build, build.node("Mul", step.gradient, step.y))
    return {0: build.node("Mul", step.y, build.node("Sub", step.gradient, mean))}


@RULES.register("LogSoftmax")
def _log_softmax(step: Step, build: Build) -> Gradients:
    # g - softmax * sum(g)
    share = build.node("Mul", build.node("Exp", step.y), _total(step, build, step.gradient))
    return {0: build.node("Sub", step.gradient, share)}
