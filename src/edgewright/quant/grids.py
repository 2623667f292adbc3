"""Grids for ranges: which step and which zero point.

Source: ONNX operator QuantizeLinear, code = saturate(round_half_even(value / scale) + zero_point).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.tensors import QUANTISED_DTYPES, Grid

_LEAST_STEP = 2.0**-60
"""Keeps the product of two steps (a bias's) far from float32's denormals, which many chips flush to zero."""
_STEP_OF_NOTHING = 2.0**-16
"""Step for a tensor of zeros only. Any step is exact; one much smaller would push the bias behind it over 32 bits."""


def activation_grid(low: float, high: float, dtype: str, symmetric: bool) -> Grid:
    """The grid of an activation in low..high.

    The range is widened to hold 0, and 0 is a code: zeros of ReLU and of padding must stay zeros. Rounding the zero
    point moves the range by at most half a step. A range of nothing but 0 gets a small valid step.

    Args:
        low, high: range of real values; both finite.
        dtype: "uint8", "int8", "uint16" or "int16".
        symmetric: zero point in the middle of the codes (0, or 128 for uint8), range -a..a.

    Raises:
        ValueError: the range is not finite or upside down, or the type is another.
    """
    if dtype not in ("uint8", "int8", "uint16", "int16"):
        raise ValueError(f"an activation has 8 or 16 bits, but got {dtype!r}")
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"a range must be finite and in order, but got {low}..{high}")
    low, high = min(low, 0.0), max(high, 0.0)
    first, last = QUANTISED_DTYPES[dtype]
    if symmetric:
        middle = (first + last + 1) // 2
        scale = _step(max(-low, high) / (last - middle))
        return Grid(dtype, scale, np.asarray(middle))
    scale = _step((high - low) / (last - first))
    zero = round(first - low / float(scale))
    return Grid(dtype, scale, np.asarray(min(max(zero, first), last)))


def weight_grid(values: NDArray[Any], dtype: str, axis: int | None = None, *, symmetric: bool = True) -> Grid:
    """The symmetric grid of a weight: zero point 0, codes -127..127 for int8 (narrow: -128 stays unused).

    A channel of zeros takes the widest step of the others: any is exact for it, and its bias keeps a usable one.

    Args:
        values: the weight; finite.
        dtype: "int8" or "int16".
        axis: channel axis, negative counts from the end; None for one step for all.

    Raises:
        ValueError: a value is not finite, or the type is another.
    """
    if dtype not in ("int8", "int16"):
        raise ValueError(f"a weight is int8 or int16, but got {dtype!r}")
    if not np.isfinite(values).all():
        raise ValueError("a weight must be finite")
    if not symmetric:
        return _asymmetric(values, dtype, axis)
    last = QUANTISED_DTYPES[dtype][1]
    size = np.abs(values.astype(np.float64))
    if axis is None:
        return Grid(dtype, _step(float(size.max(initial=0.0)) / last), np.asarray(0))
    axis %= values.ndim
    others = tuple(index for index in range(values.ndim) if index != axis)
    steps = size.max(axis=others, initial=0.0) / last
    steps = np.where(steps > 0, steps, steps.max(initial=0.0))
    scale = np.array([_step(float(step)) for step in steps], np.float32)
    return Grid(dtype, scale, np.zeros(scale.shape, np.int64), axis=axis)


def _asymmetric(values: NDArray[Any], dtype: str, axis: int | None) -> Grid:
    """The range of each channel, widened to hold 0, over all codes."""
    first, last = QUANTISED_DTYPES[dtype]
    rows = values.reshape(1, -1) if axis is None else np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    low = np.minimum(rows.min(axis=1, initial=0.0), 0.0).astype(np.float64)
    high = np.maximum(rows.max(axis=1, initial=0.0), 0.0).astype(np.float64)
    steps = (high - low) / (last - first)
    steps = np.where(steps > 0, steps, steps.max(initial=0.0))
    scale = np.array([_step(float(step)) for step in steps], np.float32)
    # from the step in float64, as toolkits do: rounded to float32 first, a tie would go to the other side
    zero = np.clip(np.rint(first - low / np.where(steps > 0, steps, 1.0)), first, last).astype(np.int64)
    if axis is None:
        return Grid(dtype, scale.reshape(()), zero.reshape(()))
    return Grid(dtype, scale, zero, axis % values.ndim)


def bias_grid(inputs: Grid, weight: Grid) -> Grid:
    """The int32 grid of a bias that integer accumulation needs: step = input step * weight step, zero point 0.

    Args:
        inputs: grid of the activation, per tensor.
        weight: grid of the weight; per channel gives a bias grid per channel (its axis 0).

    Raises:
        ValueError: the activation has a grid per channel.
    """
    if inputs.axis is not None:
        raise ValueError("the input of a layer with a bias must have one grid for the whole tensor")
    scale = np.maximum(inputs.scale * weight.scale, np.finfo(np.float32).tiny).astype(np.float32)
    return Grid("int32", scale, np.zeros(scale.shape, np.int64), axis=None if weight.axis is None else 0)


def _step(step: float) -> NDArray[np.float32]:
    if step == 0:
        step = _STEP_OF_NOTHING
    return np.asarray(max(step, _LEAST_STEP), np.float32)
