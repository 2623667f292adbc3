"""Operators that only move, repeat or retype values."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, constant_array


def _same(step: Step, build: Build) -> Gradients:
    del build
    return {0: step.gradient}


def _reshaped(step: Step, build: Build) -> Gradients:
    return {0: build.reshape(step.gradient, step.shape())}


RULES.add("Identity", _same)
for _kind in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
    RULES.add(_kind, _reshaped)


@RULES.register("Dropout")
def _dropout(step: Step, build: Build) -> Gradients | None:
    del build
    training = step.optional(2)
    if training is not None:
        mode = constant_array(training)
        if mode is None or bool(mode.any()):
            return None
    return {0: step.gradient}


@RULES.register("Cast")
def _cast(step: Step, build: Build) -> Gradients | None:
    dtype = step.x.dtype
    return {0: build.node("Cast", step.gradient, dtype=dtype, to=int(dtype))} if dtype is not None else None


@RULES.register("Transpose")
def _transpose(step: Step, build: Build) -> Gradients:
    order = step.numbers("perm", tuple(reversed(range(len(step.shape())))))
    return {0: build.node("Transpose", step.gradient, perm=[int(axis) for axis in np.argsort(order)])}


@RULES.register("Expand")
def _expand(step: Step, build: Build) -> Gradients:
    return {0: build.sum_to(step.gradient, step.output_shape, step.shape())}


@RULES.register("Tile")
def _tile(step: Step, build: Build) -> Gradients:
    shape, tiled = step.shape(), step.output_shape
    split = [size for have, made in zip(shape, tiled, strict=True) for size in (made // have if have else 1, have)]
    apart = build.reshape(step.gradient, split)
    axes = build.integers(range(0, len(split), 2))
    return {0: build.node("ReduceSum", apart, axes, keepdims=0) if split else step.gradient}


def _through(build: Build, value: ir.Value, inner: list[int], order: list[int], shape: tuple[int, ...]) -> ir.Value:
    return build.reshape(build.node("Transpose", build.reshape(value, inner), perm=order), shape)


@RULES.register("DepthToSpace")
def _depth_to_space(step: Step, build: Build) -> Gradients:
    # the operator is reshape, transpose, reshape (ONNX operator DepthToSpace); the way back undoes them
    block = step.number("blocksize", 1)
    batch, channels, height, width = step.shape()
    inner = [batch, channels // block**2, height, block, width, block]
    order = [0, 3, 5, 1, 2, 4] if step.text("mode", "DCR") == "DCR" else [0, 1, 3, 5, 2, 4]
    return {0: _through(build, step.gradient, inner, order, step.shape())}


@RULES.register("SpaceToDepth")
def _space_to_depth(step: Step, build: Build) -> Gradients:
    block = step.number("blocksize", 1)
    batch, channels, height, width = step.shape()
    inner = [batch, block, block, channels, height // block, width // block]
    if math.prod(inner) != math.prod(step.output_shape):
        raise ValueError(f"SpaceToDepth of {step.shape()} with blocks of {block} does not give {step.output_shape}")
    return {0: _through(build, step.gradient, inner, [0, 3, 4, 1, 5, 2], step.shape())}
