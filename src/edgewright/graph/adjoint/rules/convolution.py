"""Conv and ConvTranspose: each is the other's derivative with respect to the data.

Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285, chapter 4.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, constant_array, shape_of
from edgewright.graph.adjoint.windows import Windows, windows


@RULES.register("Conv")
def _conv(step: Step, build: Build) -> Gradients | None:
    found = dict(_bias(step, build))
    if 0 in step.active:
        kernel = shape_of(step.input(1))[2:]
        where = windows(step, kernel, step.shape()[2:], step.output_shape[2:])
        found[0] = _conv_to_data(step, build, where)
    return found


def _conv_to_data(step: Step, build: Build, where: Windows) -> ir.Value:
    group = step.number("group", 1)
    weight = constant_array(step.optional(1))
    margins = tuple(reach - 1 - before for reach, before in zip(where.reach, where.pads, strict=True))
    ends = tuple(reach - 1 - after for reach, after in zip(where.reach, where.after, strict=True))
    if weight is not None and set(where.strides) == {1} and min(*margins, *ends) >= 0:
        # a plain Conv with the kernel turned round: runtimes are several times faster at that than at ConvTranspose
        turned = build.constant(_turned(weight, group))
        return build.node("Conv", step.gradient, turned, dilations=where.dilations, group=group, pads=(*margins, *ends))
    return transposed(build, step.gradient, step.input(1), where, group)


def _turned(weight: NDArray[np.generic], group: int) -> NDArray[np.generic]:
    """(outputs, inputs / group, ...) as (inputs, outputs / group, ...), every spatial axis reversed."""
    outputs, inputs = weight.shape[:2]
    apart = weight.reshape(group, outputs // group, inputs, *weight.shape[2:]).swapaxes(1, 2)
    together = apart.reshape(group * inputs, outputs // group, *weight.shape[2:])
    return np.ascontiguousarray(np.flip(together, tuple(range(2, weight.ndim))))


def transposed(build: Build, gradient: ir.Value, weight: ir.Value, where: Windows, group: int) -> ir.Value:
    """Spread what each window received over the entries that it covers."""
    return build.node(
        "ConvTranspose",
        gradient,
        weight,
        strides=where.strides,
        dilations=where.dilations,
        group=group,
        pads=(*where.pads, *(max(0, after) for after in where.after)),
        output_padding=tuple(max(0, -after) for after in where.after),
    )


@RULES.register("ConvTranspose")
def _conv_transpose(step: Step, build: Build) -> Gradients | None:
    found = dict(_bias(step, build))
    if 0 in step.active:
        where = _transpose_windows(step)
        if where is None:
            return None
        found[0] = build.node(
            "Conv",
            step.gradient,
            step.input(1),
            strides=where.strides,
            dilations=where.dilations,
            group=step.number("group", 1),
            pads=(*where.pads, *(max(0, after) for after in where.after)),
        )
    return found


def _transpose_windows(step: Step) -> Windows | None:
    kernel = shape_of(step.input(1))[2:]
    where = windows(step, kernel, step.output_shape[2:], step.shape()[2:])
    auto = step.text("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in step.node.attributes:
        where = _shared_pads(step, where, auto == "SAME_UPPER")
    # windows beyond the output's end would need more entries than the gradient has
    return where if min(where.pads) >= 0 else None


def _shared_pads(step: Step, where: Windows, upper: bool) -> Windows:
    """Pads of a given output size: what is too much is cut off at both ends.

    Source: ONNX operator ConvTranspose, total_padding.
    """
    extra = step.numbers("output_padding", (0,) * len(where.kernel))
    fixed = Windows(where.kernel, where.strides, where.dilations, (0,) * len(extra), where.sizes, where.counts)
    totals = [max(0, after + more) for after, more in zip(fixed.after, extra, strict=True)]
    before = tuple(total // 2 if upper else total - total // 2 for total in totals)
    return Windows(where.kernel, where.strides, where.dilations, before, where.sizes, where.counts)


def _bias(step: Step, build: Build) -> Mapping[int, ir.Value]:
    if 2 not in step.active:
        return {}
    axes = [axis for axis in range(len(step.output_shape)) if axis != 1]
    return {2: build.node("ReduceSum", step.gradient, build.integers(axes), keepdims=0)}
