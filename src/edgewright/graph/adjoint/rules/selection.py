"""Slice, Gather and Pad: some entries along an axis are read, some more than once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, constant_array

_MOST_READS = 8
"""Times that one entry may be read; what reads more often (an embedding) has no rule."""


def scatter(
    build: Build, gradient: ir.Value, shape: Sequence[int], axis: int, read: NDArray[np.int64], size: int
) -> ir.Value | None:
    """The gradient of a tensor of which the entries `read` were taken along `axis`.

    Args:
        gradient: gradient of what was taken, of `shape`.
        read: entries in the order in which they were taken; -1 for one that came from elsewhere.
        size: entries of the tensor along `axis`.

    Returns:
        None where one entry is read too often.
    """
    reads = [np.flatnonzero(read == entry) for entry in range(size)]
    rounds = max((len(places) for places in reads), default=0)
    if rounds > _MOST_READS:
        return None
    margins = _margins(read, size)
    if margins is not None:
        return pad(build, gradient, len(shape), axis, *margins)
    nothing = build.zeros([*shape[:axis], 1, *shape[axis + 1 :]], gradient)
    extended = build.node("Concat", gradient, nothing, axis=axis)
    terms = []
    for number in range(max(rounds, 1)):
        places = [int(where[number]) if number < len(where) else len(read) for where in reads]
        terms.append(build.node("Gather", extended, build.integers(places), axis=axis))
    return build.add(terms)


def _margins(read: NDArray[np.int64], size: int) -> tuple[int, int] | None:
    """Zeros to put before and after the gradient (negative: entries to drop), where one run of entries was read."""
    places = np.flatnonzero(read >= 0)
    if places.size == 0 or (np.diff(places) != 1).any() or (np.diff(read[places]) != 1).any():
        return None
    first, last = int(places[0]), int(places[-1])
    before, after = int(read[first]), size - 1 - int(read[last])
    foreign = len(read) - 1 - last
    if (before and first) or (after and foreign):
        return None
    return before - first, after - foreign


def pad(build: Build, value: ir.Value, rank: int, axis: int, before: int, after: int) -> ir.Value:
    """`value` with zeros before and after it along `axis`; a negative number takes entries away."""
    if before == after == 0:
        return value
    pads = [0] * (2 * rank)
    pads[axis], pads[rank + axis] = before, after
    return build.node("Pad", value, build.integers(pads), mode="constant")


@RULES.register("Gather")
def _gather(step: Step, build: Build) -> Gradients | None:
    indices = constant_array(step.optional(1))
    if indices is None:
        return None
    shape = step.shape()
    axis = step.number("axis", 0) % len(shape)
    read = np.asarray(indices, np.int64).reshape(-1) % shape[axis]
    taken = [*shape[:axis], read.size, *shape[axis + 1 :]]
    found = scatter(build, build.reshape(step.gradient, taken), taken, axis, read, shape[axis])
    return None if found is None else {0: found}


@RULES.register("Slice")
def _slice(step: Step, build: Build) -> Gradients | None:
    starts, ends = (constant_array(step.optional(index)) for index in (1, 2))
    if starts is None or ends is None or any(_computed(step, index) for index in (3, 4)):
        return None
    shape, taken = step.shape(), list(step.output_shape)
    axes, steps = constant_array(step.optional(3)), constant_array(step.optional(4))
    along = [int(axis) % len(shape) for axis in (axes if axes is not None else range(len(starts)))]
    strides = steps if steps is not None else [1] * len(along)
    gradient = step.gradient
    for axis, start, end, stride in zip(along, starts, ends, strides, strict=True):
        read = _slice_reads(int(start), int(end), int(stride), shape[axis])
        found = scatter(build, gradient, taken, axis, read, shape[axis])
        if found is None:
            return None
        gradient, taken[axis] = found, shape[axis]
    return {0: gradient}


def _slice_reads(start: int, end: int, stride: int, size: int) -> NDArray[np.int64]:
    # as Python slices, but that an end below -size with a negative step means "to the first entry" there too
    entries = np.arange(size, dtype=np.int64)
    return entries[slice(start, None if stride < 0 and end < -size else end, stride)]


@RULES.register("Pad")
def _pad(step: Step, build: Build) -> Gradients | None:
    amounts = constant_array(step.optional(1))
    if amounts is None or 2 in step.active or _computed(step, 3):
        return None
    shape, made = step.shape(), list(step.output_shape)
    axes = constant_array(step.optional(3))
    along = [int(axis) % len(shape) for axis in (axes if axes is not None else range(len(shape)))]
    gradient, mode = step.gradient, step.text("mode", "constant")
    for place, axis in enumerate(along):
        before, after = int(amounts[place]), int(amounts[len(along) + place])
        if before == after == 0:
            continue
        read = _pad_reads(before, after, shape[axis], mode)
        found = None if read is None else scatter(build, gradient, made, axis, read, shape[axis])
        if found is None:
            return None
        gradient, made[axis] = found, shape[axis]
    return {0: gradient}


def _pad_reads(before: int, after: int, size: int, mode: str) -> NDArray[np.int64] | None:
    entries = np.arange(size, dtype=np.int64)[max(0, -before) : size - max(0, -after)]
    width = (max(0, before), max(0, after))
    if mode == "constant":
        return np.pad(entries, width, constant_values=-1)
    if mode not in ("edge", "reflect", "wrap") or min(before, after) < 0:
        return None
    return np.pad(entries, width, mode=mode)  # type: ignore[call-overload,no-any-return]


def _computed(step: Step, index: int) -> bool:
    value = step.optional(index)
    return value is not None and constant_array(value) is None
