"""Functions of one value: the gradient is multiplied by the derivative at that value.

The derivative does not depend on the seed, so gradients for several seeds share it. At a kink it is one of the two
one-sided derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build

Derivative = Callable[[Step, Build], ir.Value]
"""dy/dx at each value, in the shape of x."""


def _register(kind: str, derivative: Derivative) -> None:
    def rule(step: Step, build: Build) -> Gradients:
        return {0: build.node("Mul", step.gradient, derivative(step, build))}

    RULES.add(kind, rule)


def mask(build: Build, condition: ir.Value, like: ir.Value) -> ir.Value:
    """1 where `condition` holds, else 0."""
    dtype = like.dtype or ir.DataType.FLOAT
    return build.node("Cast", condition, dtype=dtype, to=int(dtype))


def compare(build: Build, kind: str, left: ir.Value, right: ir.Value) -> ir.Value:
    """A comparison of two values."""
    return build.node(kind, left, right, dtype=ir.DataType.BOOL)


def above(build: Build, value: ir.Value, bound: float) -> ir.Value:
    """Whether each value exceeds `bound`."""
    return compare(build, "Greater", value, build.constant(bound, value))


def _sigmoid(step: Step, build: Build) -> ir.Value:
    return build.node("Sub", step.y, build.node("Mul", step.y, step.y))


def _hard_sigmoid(step: Step, build: Build) -> ir.Value:
    below = compare(build, "Less", step.y, build.constant(1, step.y))
    inside = build.node("And", above(build, step.y, 0), below, dtype=ir.DataType.BOOL)
    return build.node("Mul", mask(build, inside, step.x), build.constant(step.real("alpha", 0.2), step.x))


def _hard_swish(step: Step, build: Build) -> ir.Value:
    # x * min(max(x/6 + 1/2, 0), 1): slope x/3 + 1/2 between -3 and 3, 0 below, 1 above
    x = step.x
    slope = build.node("Add", build.node("Mul", x, build.constant(1 / 3, x)), build.constant(0.5, x))
    upper = build.node("Where", above(build, x, 3), build.constant(1, x), slope, dtype=x.dtype)
    return build.node("Where", above(build, x, -3), upper, build.constant(0, x), dtype=x.dtype)


def _tanh(step: Step, build: Build) -> ir.Value:
    return build.node("Sub", build.constant(1, step.y), build.node("Mul", step.y, step.y))


def _relu(step: Step, build: Build) -> ir.Value:
    return mask(build, above(build, step.y, 0), step.x)


def _leaky(step: Step, build: Build) -> ir.Value:
    slope = build.constant(step.real("alpha", 0.01), step.x)
    return build.node("Where", above(build, step.x, 0), build.constant(1, step.x), slope, dtype=step.x.dtype)


def _elu(step: Step, build: Build) -> ir.Value:
    # alpha * exp(x) = y + alpha on the negative side
    negative = build.node("Add", step.y, build.constant(step.real("alpha", 1.0), step.y))
    return build.node("Where", above(build, step.x, 0), build.constant(1, step.x), negative, dtype=step.x.dtype)


def _exp(step: Step, build: Build) -> ir.Value:
    del build
    return step.y


def _log(step: Step, build: Build) -> ir.Value:
    return build.node("Reciprocal", step.x)


def _sqrt(step: Step, build: Build) -> ir.Value:
    return build.node("Div", build.constant(0.5, step.y), step.y)


def _reciprocal(step: Step, build: Build) -> ir.Value:
    return build.node("Neg", build.node("Mul", step.y, step.y))


def _softsign(step: Step, build: Build) -> ir.Value:
    size = build.node("Add", build.node("Abs", step.x), build.constant(1, step.x))
    return build.node("Reciprocal", build.node("Mul", size, size))


def _bell(build: Build, x: ir.Value, steepness: float, height: float) -> ir.Value:
    """height * exp(-steepness * x^2)."""
    power = build.node("Mul", build.node("Mul", x, x), build.constant(-steepness, x))
    return build.node("Mul", build.node("Exp", power), build.constant(height, x))


def _erf(step: Step, build: Build) -> ir.Value:
    return _bell(build, step.x, 1.0, 2 / math.sqrt(math.pi))


def _gelu(step: Step, build: Build) -> ir.Value:
    if step.text("approximate", "none") == "tanh":
        return _gelu_tanh(step.x, build)
    # Phi(x) + x * phi(x), with the normal distribution and its density
    x = step.x
    erf = build.node("Erf", build.node("Mul", x, build.constant(math.sqrt(0.5), x)))
    share = build.node("Mul", build.node("Add", erf, build.constant(1, x)), build.constant(0.5, x))
    return build.node("Add", share, build.node("Mul", x, _bell(build, x, 0.5, 1 / math.sqrt(2 * math.pi))))


def _gelu_tanh(x: ir.Value, build: Build) -> ir.Value:
    # y = x/2 * (1 + t), t = tanh(a * (x + b * x^3)): slope (1 + t)/2 + x/2 * (1 - t^2) * a * (1 + 3 * b * x^2)
    a, b = math.sqrt(2 / math.pi), 0.044715
    one, half, square = build.constant(1, x), build.constant(0.5, x), build.node("Mul", x, x)
    bend = build.node("Add", one, build.node("Mul", square, build.constant(b, x)))
    t = build.node("Tanh", build.node("Mul", build.node("Mul", x, bend), build.constant(a, x)))
    inner = build.node("Add", one, build.node("Mul", square, build.constant(3 * b, x)))
    rise = build.node("Sub", one, build.node("Mul", t, t))
    tail = build.node("Mul", build.node("Mul", x, rise), build.node("Mul", inner, build.constant(a, x)))
    return build.node("Mul", build.node("Add", build.node("Add", one, t), tail), half)


def _mish(step: Step, build: Build) -> ir.Value:
    # t + x * (1 - t^2) * sigmoid(x), with t = tanh(softplus(x))
    x = step.x
    t = build.node("Tanh", build.node("Softplus", x))
    rise = build.node("Sub", build.constant(1, x), build.node("Mul", t, t))
    return build.node("Add", t, build.node("Mul", build.node("Mul", x, rise), build.node("Sigmoid", x)))


def _clip(step: Step, build: Build) -> ir.Value:
    # whatever bounds there are, a value that stayed as it was is inside them
    return mask(build, compare(build, "Equal", step.x, step.y), step.x)


_register("Sigmoid", _sigmoid)
_register("HardSigmoid", _hard_sigmoid)
_register("HardSwish", _hard_swish)
_register("Tanh", _tanh)
_register("Relu", _relu)
_register("LeakyRelu", _leaky)
_register("Elu", _elu)
_register("Exp", _exp)
_register("Log", _log)
_register("Sqrt", _sqrt)
_register("Reciprocal", _reciprocal)
_register("Abs", lambda step, build: build.node("Sign", step.x))
_register("Softplus", lambda step, build: build.node("Sigmoid", step.x))
_register("Softsign", _softsign)
_register("Sin", lambda step, build: build.node("Cos", step.x))
_register("Cos", lambda step, build: build.node("Neg", build.node("Sin", step.x)))
_register("Erf", _erf)
_register("Gelu", _gelu)
_register("Mish", _mish)
_register("Clip", _clip)
