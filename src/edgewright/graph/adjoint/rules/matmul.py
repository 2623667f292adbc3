"""Products of matrices."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build


@RULES.register("Gemm")
def _gemm(step: Step, build: Build) -> Gradients:
    alpha, beta = step.real("alpha", 1.0), step.real("beta", 1.0)
    trans_a, trans_b = step.number("transA", 0), step.number("transB", 0)
    g, found = step.gradient, {}
    if 0 in step.active:
        b = step.input(1)
        # for y = op(a) op(b): d op(a) = g op(b)^T, and where a is transposed the whole product is
        found[0] = (
            build.node("Gemm", b, g, alpha=alpha, transA=trans_b, transB=1)
            if trans_a
            else build.node("Gemm", g, b, alpha=alpha, transA=0, transB=1 - trans_b)
        )
    if 1 in step.active:
        a = step.x
        found[1] = (
            build.node("Gemm", g, a, alpha=alpha, transA=1, transB=trans_a)
            if trans_b
            else build.node("Gemm", a, g, alpha=alpha, transA=1 - trans_a, transB=0)
        )
    if 2 in step.active:
        scaled = build.node("Mul", g, build.constant(beta, g))
        found[2] = build.sum_to(scaled, step.output_shape, step.shape(2))
    return found


@RULES.register("MatMul")
def _matmul(step: Step, build: Build) -> Gradients:
    left, right = step.shape(0), step.shape(1)
    # a vector is a matrix of one row on the left, of one column on the right
    rows = (1, *left) if len(left) == 1 else left
    columns = (*right, 1) if len(right) == 1 else right
    batch = step.output_shape[: len(step.output_shape) - (len(left) > 1) - (len(right) > 1)]
    g = _in_shape(build, step.gradient, step.output_shape, (*batch, rows[-2], columns[-1]))
    found = {}
    if 0 in step.active:
        b = _transpose(build, _in_shape(build, step.input(1), right, columns), len(columns))
        wide = build.node("MatMul", g, b)
        found[0] = _in_shape(build, build.sum_to(wide, (*batch, *rows[-2:]), rows), rows, left)
    if 1 in step.active:
        a = _transpose(build, _in_shape(build, step.x, left, rows), len(rows))
        wide = build.node("MatMul", a, g)
        found[1] = _in_shape(build, build.sum_to(wide, (*batch, *columns[-2:]), columns), columns, right)
    return found


def _in_shape(build: Build, value: ir.Value, shape: tuple[int, ...], wanted: tuple[int, ...]) -> ir.Value:
    return value if shape == wanted else build.reshape(value, wanted)


def _transpose(build: Build, value: ir.Value, rank: int) -> ir.Value:
    return build.node("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
