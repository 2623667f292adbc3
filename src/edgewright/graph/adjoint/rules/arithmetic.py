"""Operators of two or more operands that are broadcast to one shape."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, constant_array
from edgewright.graph.adjoint.rules.elementwise import above, compare, mask


def _to_operands(step: Step, build: Build, terms: dict[int, ir.Value]) -> dict[int, ir.Value]:
    """Sum each operand's term, in the shape of the output, over what was repeated."""
    return {index: build.sum_to(term, step.output_shape, step.shape(index)) for index, term in terms.items()}


@RULES.register("Add")
def _add(step: Step, build: Build) -> Gradients:
    return _to_operands(step, build, dict.fromkeys(step.active, step.gradient))


RULES.add("Sum", _add)


@RULES.register("Sub")
def _sub(step: Step, build: Build) -> Gradients:
    terms = {}
    if 0 in step.active:
        terms[0] = step.gradient
    if 1 in step.active:
        terms[1] = build.node("Neg", step.gradient)
    return _to_operands(step, build, terms)


@RULES.register("Mul")
def _mul(step: Step, build: Build) -> Gradients:
    terms = {index: build.node("Mul", step.gradient, step.input(1 - index)) for index in sorted(step.active)}
    return _to_operands(step, build, terms)


@RULES.register("Div")
def _div(step: Step, build: Build) -> Gradients:
    part = build.node("Div", step.gradient, step.input(1))
    terms = {}
    if 0 in step.active:
        terms[0] = part
    if 1 in step.active:
        terms[1] = build.node("Neg", build.node("Mul", part, step.y))
    return _to_operands(step, build, terms)


@RULES.register("Neg")
def _neg(step: Step, build: Build) -> Gradients:
    return {0: build.node("Neg", step.gradient)}


@RULES.register("Pow")
def _pow(step: Step, build: Build) -> Gradients | None:
    exponent = constant_array(step.optional(1))
    if exponent is None or 0 not in step.active:
        return None
    power = build.constant(exponent, step.x)
    lower = build.constant(power.const_value.numpy() - 1, step.x) if power.const_value is not None else power
    slope = build.node("Mul", build.node("Pow", step.x, lower), power)
    return _to_operands(step, build, {0: build.node("Mul", step.gradient, slope)})


@RULES.register("PRelu")
def _prelu(step: Step, build: Build) -> Gradients | None:
    if 0 not in step.active:
        return None
    x = step.x
    slope = build.node("Where", above(build, x, 0), build.constant(1, x), step.input(1), dtype=x.dtype)
    return {0: build.node("Mul", step.gradient, slope)}


@RULES.register("Where")
def _where(step: Step, build: Build) -> Gradients:
    chosen = mask(build, step.x, step.gradient)
    terms = {}
    if 1 in step.active:
        terms[1] = build.node("Mul", step.gradient, chosen)
    if 2 in step.active:
        other = build.node("Sub", build.constant(1, chosen), chosen)
        terms[2] = build.node("Mul", step.gradient, other)
    return _to_operands(step, build, terms)


def _extreme(step: Step, build: Build) -> Gradients:
    # equal operands both get the gradient: either derivative is one-sided
    terms = {
        index: build.node("Mul", step.gradient, mask(build, compare(build, "Equal", step.input(index), step.y), step.y))
        for index in sorted(step.active)
    }
    return _to_operands(step, build, terms)


RULES.add("Min", _extreme)
RULES.add("Max", _extreme)


@RULES.register("Mean")
def _mean(step: Step, build: Build) -> Gradients:
    share = build.constant(1 / len(step.node.inputs), step.gradient)
    return _to_operands(step, build, dict.fromkeys(step.active, build.node("Mul", step.gradient, share)))
