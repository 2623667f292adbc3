"""Depthwise convolution to train with on a CPU.

Paddle's own CPU kernel takes a depthwise convolution as one tiny matrix product a channel, which makes it the most of a
training step of a network like PicoDet. This is the same sum, several times sooner. It is for training only: an
exported network holds Paddle's own op.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.autograd import PyLayer

Floats = NDArray[np.float32]


@numba.njit(fastmath=True, inline="always")
def _add(target: Floats, values: Floats, factor: np.float32) -> None:
    for at in range(target.size):
        target[at] += factor * values[at]


@numba.njit(fastmath=True, inline="always")
def _dot(one: Floats, other: Floats) -> np.float32:
    total = np.float32(0)
    for at in range(one.size):
        total += one[at] * other[at]
    return total


@numba.njit(parallel=True, fastmath=True, cache=True)
def _forward(padded: Floats, weight: Floats, out: Floats, stride: int) -> None:
    """Planes (n, c, h, w) of `padded` to `out`; with stride 1 `out` is as wide as `padded`, so that one long loop runs
    over all rows, and the caller cuts away what that computes across their ends. Loops run over slices, for Numba
    does not vectorise what it may have to index from the end."""
    n, c, rows, width = out.shape
    k, wide = weight.shape[1], padded.shape[3]
    for plane in numba.prange(n * c):
        b, ch = plane // c, plane % c
        target, source = out[b, ch].ravel(), padded[b, ch].ravel()
        target[:] = 0
        for i in range(k):
            for j in range(k):
                value, start = weight[ch, i, j], i * wide + j
                if stride == 1:
                    length = rows * width - (k - 1)
                    _add(target[:length], source[start : start + length], value)
                else:
                    for y in range(rows):
                        first = start + y * stride * wide
                        _add(
                            target[y * width : (y + 1) * width], source[first : first + stride * width : stride], value
                        )


@numba.njit(parallel=True, fastmath=True, cache=True)
def _backward(padded: Floats, weight: Floats, grad: Floats, to_input: Floats, to_weight: Floats, stride: int) -> None:
    """Gradients of `padded` (added to `to_input`) and, for each image, of `weight`; layout as in `_forward`, with zeros
    where `grad` has columns that no output has."""
    n, c, rows, width = grad.shape
    k, wide = weight.shape[1], padded.shape[3]
    for plane in numba.prange(n * c):
        b, ch = plane // c, plane % c
        given, source, target = grad[b, ch].ravel(), padded[b, ch].ravel(), to_input[b, ch].ravel()
        for i in range(k):
            for j in range(k):
                value, start, total = weight[ch, i, j], i * wide + j, np.float32(0)
                if stride == 1:
                    length = rows * width - (k - 1)
                    _add(target[start : start + length], given[:length], value)
                    total = _dot(source[start : start + length], given[:length])
                else:
                    for y in range(rows):
                        first, row = start + y * stride * wide, given[y * width : (y + 1) * width]
                        _add(target[first : first + stride * width : stride], row, value)
                        total += _dot(source[first : first + stride * width : stride], row)
                to_weight[b, ch, i, j] = total


class Depthwise(PyLayer):  # type: ignore[misc]  # Paddle has no types
    """`conv2d` with as many groups as channels, zero padding, no dilation, no bias."""

    @staticmethod
    def forward(context: Any, images: Any, weight: Any, stride: int, padding: int) -> Any:
        """(n, c, h, w) and (c, 1, k, k) to (n, c, h', w')."""
        given, kernel = images.numpy(), np.ascontiguousarray(weight.numpy()[:, 0])
        n, c, h, w = given.shape
        padded = np.zeros((n, c, h + 2 * padding, w + 2 * padding), np.float32)
        padded[:, :, padding : padding + h, padding : padding + w] = given
        rows, columns = ((size - kernel.shape[1]) // stride + 1 for size in padded.shape[2:])
        out = np.empty((n, c, rows, padded.shape[3] if stride == 1 else columns), np.float32)
        _forward(padded, kernel, out, stride)
        context.kept = padded, kernel, stride, padding, out.shape
        return paddle.to_tensor(np.ascontiguousarray(out[..., :columns]))

    @staticmethod
    def backward(context: Any, gradient: Any) -> tuple[Any, Any]:
        """Gradients of both tensors."""
        padded, kernel, stride, padding, shape = context.kept
        given = gradient.numpy()
        wide = np.zeros(shape, np.float32)
        wide[..., : given.shape[3]] = given
        to_input, to_weight = np.zeros_like(padded), np.empty((shape[0], *kernel.shape), np.float32)
        _backward(padded, kernel, wide, to_input, to_weight, stride)
        h, w = (size - padding for size in padded.shape[2:])
        inner = np.ascontiguousarray(to_input[:, :, padding:h, padding:w])
        return paddle.to_tensor(inner), paddle.to_tensor(to_weight.sum(0)[:, None])


def use_quick_depthwise(network: Any) -> None:
    """Let every depthwise convolution of `network` compute with `Depthwise` from now on."""
    for layer in network.sublayers():
        if isinstance(layer, paddle.nn.Conv2D) and 1 < layer._groups == layer._in_channels == layer._out_channels:
            stride = layer._stride if isinstance(layer._stride, int) else layer._stride[0]
            padding = layer._padding if isinstance(layer._padding, int) else layer._padding[0]
            layer.forward = _Quick(layer.weight, stride, padding)


class _Quick:
    """The `forward` of one layer."""

    def __init__(self, weight: Any, stride: int, padding: int) -> None:
        self.weight, self.stride, self.padding = weight, stride, padding

    def __call__(self, images: Any) -> Any:
        return Depthwise.apply(images, self.weight, self.stride, self.padding)
