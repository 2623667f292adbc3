"""What a weighted op reads, as rows to multiply with its weight, at output positions drawn by chance.

A convolution is a product of matrices once the values under the kernel are laid out in rows ("im2col"). Here rows are
made for drawn positions only: neighbouring positions tell almost the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})


def input_rows(
    node: ir.Node, weight: tuple[int, ...], values: NDArray[Any], count: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Rows of inputs, (groups, rows, inputs): at most `count` rows, each that of one output position.

    Times the weight as `to_matrix` lays it out, transposed, they give the op's output there, without its bias.

    Args:
        node: Conv, ConvTranspose, Gemm or MatMul.
        weight: shape of its weight.
        values: its first input.
        count: positions to draw; all are taken where there are fewer.
        generator: where chance comes from.
    """
    if node.op_type not in CONVOLUTIONS:
        turned = _turned(node, "transA")
        rows = (values.T if turned else values).reshape(-1, values.shape[0 if turned else -1])
        return np.ascontiguousarray(rows[_draw(len(rows), count, generator)], np.float32)[None]
    window = _Window.of(node, weight[2:], values.shape[2:])
    drawn = _draw(values.shape[0] * math.prod(window.made), count, generator)
    batch, *positions = np.unravel_index(drawn, (values.shape[0], *window.made))
    return window.rows(values, node.attributes.get_int("group", 1), batch, positions)


def to_matrix(node: ir.Node, weight: NDArray[Any]) -> NDArray[Any]:
    """A weight as (groups, output channels of a group, inputs of one output)."""
    if node.op_type == "Conv":
        groups = node.attributes.get_int("group", 1)
        return weight.reshape(groups, weight.shape[0] // groups, -1)
    if node.op_type == "ConvTranspose":
        groups = node.attributes.get_int("group", 1)
        split = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
        return np.swapaxes(split, 1, 2).reshape(groups, weight.shape[1], -1)
    upright = _turned(node, "transB")
    return (weight if upright else weight.T)[None]


def from_matrix(node: ir.Node, matrix: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Inverse of `to_matrix`; `shape` is that of the weight."""
    if node.op_type == "Conv":
        return matrix.reshape(shape)
    if node.op_type == "ConvTranspose":
        split = matrix.reshape(matrix.shape[0], shape[1], shape[0] // matrix.shape[0], -1)
        return np.swapaxes(split, 1, 2).reshape(shape)
    upright = _turned(node, "transB")
    return np.asarray(matrix[0] if upright else matrix[0].T)


def _turned(node: ir.Node, which: str) -> bool:
    return node.op_type == "Gemm" and node.attributes.get_int(which, 0) != 0


def _draw(size: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    # a position that comes twice does no harm, and drawing without repetition costs more than the rest
    return np.arange(size) if size <= count else generator.integers(0, size, count)


@dataclass(frozen=True)
class _Window:
    """How the outputs of a Conv or ConvTranspose lie over its inputs; tuples have one entry a spatial axis.

    Attributes:
        kernel, stride, dilation: as the operator defines them.
        before: padding before the first element.
        made: spatial shape of the output.
        transposed: whether it is a ConvTranspose.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    made: tuple[int, ...]
    transposed: bool

    @classmethod
    def of(cls, node: ir.Node, kernel: tuple[int, ...], size: tuple[int, ...]) -> _Window:
        """The window of a node over an input of spatial shape `size`.

        Source of the formulas: ONNX operators Conv and ConvTranspose.
        """
        ones, zeros = [1] * len(kernel), [0] * len(kernel)
        get = node.attributes.get_ints
        stride, dilation = tuple(get("strides", ones)), tuple(get("dilations", ones))
        reach = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
        auto = node.attributes.get_string("auto_pad", "NOTSET")
        pads = get("pads", zeros + zeros) if auto == "NOTSET" else zeros + zeros
        both = [first + last for first, last in zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)]
        before = list(pads[: len(kernel)])
        transposed = node.op_type == "ConvTranspose"
        if transposed:
            more = get("output_padding", zeros)
            full = [(n - 1) * s + m + r for n, s, m, r in zip(size, stride, more, reach, strict=True)]
            made = [f - p for f, p in zip(full, both, strict=True)]
            if auto.startswith("SAME"):
                made = [n * s for n, s in zip(size, stride, strict=True)]
            made = list(get("output_shape", made))[-len(kernel) :]
            if auto.startswith("SAME") or "output_shape" in node.attributes:
                before = [_first(f - m, auto) for f, m in zip(full, made, strict=True)]
        else:
            made = [(n + p - r) // s + 1 for n, p, r, s in zip(size, both, reach, stride, strict=True)]
            if auto.startswith("SAME"):
                made = [-(-n // s) for n, s in zip(size, stride, strict=True)]
                total = [(m - 1) * s + r - n for m, s, r, n in zip(made, stride, reach, size, strict=True)]
                before = [_first(t, auto) for t in total]
        return cls(kernel, stride, dilation, tuple(before), tuple(made), transposed)

    def rows(
        self,
        values: NDArray[Any],
        groups: int,
        batch: NDArray[np.int64],
        positions: list[NDArray[np.int64]],
    ) -> NDArray[np.float32]:
        """Inputs under the kernel, (groups, n, channels of a group * taps).

        Args:
            values: (batch, channels, *space).
            groups: groups of channels.
            batch: (n,) index in the batch.
            positions: (n,) output index, for each spatial axis.
        """
        rank = len(self.kernel)
        index: list[Any] = [batch.reshape(-1, *[1] * rank), slice(None)]
        real = np.ones([1] * (rank + 1), np.bool_)
        for axis in range(rank):
            shape = [len(batch)] + [1] * rank
            shape[1 + axis] = -1
            at, there = self._sources(axis, positions[axis], values.shape[2 + axis])
            index.append(at.reshape(shape))
            real = real & there.reshape(shape)
        # indices around a slice: their axes come first, the channels last
        found = values[tuple(index)]
        if not real.all():
            found = np.where(real[..., None], found, np.float32(0))
        rows = np.moveaxis(found, -1, 1).reshape(len(batch), groups, -1)
        return np.ascontiguousarray(np.swapaxes(rows, 0, 1))

    def _sources(
        self, axis: int, position: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Input index under each tap, (positions, taps), and whether there is one."""
        taps = np.arange(self.kernel[axis])[None] * self.dilation[axis]
        if self.transposed:
            at = position[:, None] + self.before[axis] - taps
            index, real = at // self.stride[axis], at % self.stride[axis] == 0
        else:
            index = position[:, None] * self.stride[axis] + taps - self.before[axis]
            real = np.ones(index.shape, np.bool_)
        real = real & (index >= 0) & (index < size)
        return np.where(real, index, 0), real


def _first(total: int, auto: str) -> int:
    """Padding before: SAME_UPPER puts the odd one behind, SAME_LOWER and a given output shape before."""
    total = max(0, total)
    return total // 2 if auto == "SAME_UPPER" else total - total // 2
