"""Where the numbers of a part lie among an artifact's outputs, and what one of them is worth."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.boxes import real_at, real_of
from edgewright.kernels.scan import Kind
from edgewright.tensors import Float, Grid

Arrays = Mapping[str, NDArray[Any]]
N = TypeVar("N", bound=np.generic)


@dataclass(frozen=True)
class Slot:
    """A slice of an output at the runtime's boundary: quantised codes, half floats or floats.

    The real value of an entry is `(code - zero) * scale`, as `Grid.dequantise` rounds it, times `factor` where a
    restoration multiplies; without a grid it is the entry itself.

    Attributes:
        output: name of the artifact's output.
        axis: 1 or 2: the axis that holds the channels. The first axis is the batch of one.
        start, stop: the slice of channels.
        dtype: of the output.
        scale, zero, factor: by channel, or of length 1; `scale` and `factor` may be None.
    """

    output: str
    axis: int
    start: int
    stop: int
    dtype: np.dtype[Any]
    scale: NDArray[np.float32] | None = None
    zero: NDArray[np.int64] | None = None
    factor: NDArray[np.float32] | None = None

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.stop - self.start

    @property
    def kind(self) -> Kind:
        """How entries are compared."""
        if self.scale is not None:
            return "integer"
        return "half" if self.dtype == np.float16 else "float"

    def table(self, outputs: Arrays) -> NDArray[Any]:
        """The entries (channels, places), a view; half floats as they are."""
        values = outputs[self.output][0]
        if self.axis == 1:
            return np.asarray(values.reshape(values.shape[0], -1)[self.start : self.stop])
        return np.asarray(values[:, self.start : self.stop].T)

    def codes(self, outputs: Arrays) -> NDArray[Any]:
        """As `table`, with half floats as their bit patterns, which integers can be compared with."""
        table = self.table(outputs)
        return table.view(np.int16) if self.dtype == np.float16 else table

    def real(self, entries: NDArray[Any], channels: NDArray[np.int64] | slice | None = None) -> Float:
        """Real values of entries of `table`.

        Args:
            entries: (channels, n), or (n,) with the channel of each.
            channels: of each entry, (n,); a slice of channels for the rows of `entries`; None: all of them.
        """
        if self.scale is None:
            values = np.asarray(entries, np.float32)
        else:
            assert self.zero is not None  # noqa: S101 - a grid has both
            scale, zero = self._of(self.scale, channels), self._of(self.zero, channels)
            values = (entries.astype(np.int64) - zero).astype(np.float32) * scale
        return values if self.factor is None else values * self._of(self.factor, channels)

    def _of(self, numbers: NDArray[Any], channels: NDArray[np.int64] | slice | None) -> NDArray[Any]:
        if len(numbers) == 1:
            return numbers
        if channels is None or isinstance(channels, slice):
            return np.asarray(numbers[channels or slice(None), None])
        return np.asarray(numbers[channels])

    @functools.cached_property
    def numbers(self) -> tuple[Float, Float, Float]:
        """Zero point, scale and factor of each channel; 0 and 1 where there is none, which change nothing."""
        one = np.ones(self.channels, np.float32)
        zero = np.zeros(self.channels, np.float32)
        if self.zero is not None:
            zero = np.resize(self.zero, self.channels).astype(np.float32)
        scale = one if self.scale is None else np.resize(self.scale, self.channels)
        return zero, scale, one if self.factor is None else np.resize(self.factor, self.channels)

    def at(self, outputs: Arrays, places: NDArray[np.int64]) -> Float:
        """Real values of all channels at some places, (channels, n), contiguous."""
        table = self.table(outputs)
        if self.kind == "half":
            return np.ascontiguousarray(self.real(np.take(table, places, axis=1)))
        return real_at(table, *self.numbers, places)

    def of(self, outputs: Arrays, channels: NDArray[np.int64], places: NDArray[np.int64]) -> Float:
        """Real values of single entries, (n,)."""
        table = self.table(outputs)
        if self.kind == "half":
            return self.real(table[channels, places], channels)
        return real_of(table, *self.numbers, channels, places)

    def part(self, start: int, stop: int | None) -> Slot:
        """A slice of the channels, counted from this slot's first."""
        stop = self.channels if stop is None else stop

        def cut(numbers: NDArray[N] | None) -> NDArray[N] | None:
            return numbers if numbers is None or len(numbers) == 1 else numbers[start:stop]

        first, last = self.start + start, self.start + stop
        scale, zero, factor = cut(self.scale), cut(self.zero), cut(self.factor)
        return Slot(self.output, self.axis, first, last, self.dtype, scale, zero, factor)


def slot_of(output: str, shape: tuple[int | None, ...], dtype: str, grid: Grid | None, axis: int) -> Slot | None:
    """The slot of a whole output; None where its numbers need the plain way.

    The plain way is taken by other types than codes of 8 or 16 bits, half and single floats, by grids along another
    axis than the channels', and by other ranks than 3 (channels first or last) and 4 (channels first).
    """
    size = shape[axis] if len(shape) in (3, 4) and axis in (1, 2) else None
    if size is None or shape[0] != 1 or (len(shape) == 4 and axis != 1):
        return None
    kind = np.dtype(dtype)
    if grid is None:
        return Slot(output, axis, 0, size, kind) if kind in (np.float16, np.float32) else None
    if kind.itemsize > 2 or kind != np.dtype(grid.dtype) or grid.axis not in (None, axis, axis - len(shape)):
        return None
    if grid.axis is not None and len(grid.scale) != size:
        return None
    return Slot(output, axis, 0, size, kind, grid.scale.reshape(-1), grid.zero_point.reshape(-1))
