"""Running totals of many tensors at once, of a fixed size whatever the number of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgewright.quant.histogram import StreamingHistogram
from edgewright.quant.statistics import Range, TensorStatistics

_CODES = 1 << 16
_EXACT = 1 << 24  # OpenCV hands counts out as float32, which has every whole number up to here
_SMALL = 200_000
"""Fewer elements than this are counted faster by NumPy: each call of OpenCV's calcHist pays half a millisecond for its
65536 bins, NumPy's bincount 30 us (one core, Zen 5; 3 ns an element after that, against 0.5)."""
_KEPT_TABLES = 512
"""Tensors that keep a table of codes between images (256 KiB each); more tensors than that share tables."""
_VALUES = np.arange(_CODES, dtype=np.uint32).astype(np.uint16).view(np.float16).astype(np.float64)


class Totals:
    """Range and sums of some tensors. All arrays have one entry a tensor, in the order of `names`.

    Args:
        names: the tensors.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        size = len(self.names)
        self.images = 0
        self.non_finite = np.zeros(size, np.int64)
        self._count = np.zeros((2, size), np.int64)
        self._minimum = np.full((2, size), np.inf)
        self._maximum = np.full((2, size), -np.inf)
        self._sum = np.zeros(size)
        self._squares = np.zeros(size)
        self._index = {name: index for index, name in enumerate(self.names)}

    def add_reduced(self, names: Sequence[str], numbers: NDArray[np.float64], counts: Sequence[int]) -> None:
        """Add tensors of the current image, all of whose values are finite.

        Args:
            names: (n,) the tensors.
            numbers: (n, 4) minimum, maximum, sum and sum of squares.
            counts: (n,) elements, at least one each.
        """
        index = [self._index[name] for name in names]
        half = self.images % 2
        self._count[half, index] += np.asarray(counts, np.int64)
        self._minimum[half, index] = np.minimum(self._minimum[half, index], numbers[:, 0])
        self._maximum[half, index] = np.maximum(self._maximum[half, index], numbers[:, 1])
        self._sum[index] += numbers[:, 2]
        self._squares[index] += numbers[:, 3]

    def add_whole(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Add one whole tensor of the current image; returns its finite values, flat."""
        flat = values.reshape(-1)
        finite: NDArray[Any] = flat[np.isfinite(flat)]
        self.non_finite[self._index[name]] += flat.size - finite.size
        if finite.size:
            wide = finite.astype(np.float64)
            # no np.dot: BLAS would start threads of its own, whose waiting costs more than the sum
            numbers = np.array([[wide.min(), wide.max(), wide.sum(), np.square(wide).sum()]])
            self.add_reduced([name], numbers, [finite.size])
        return finite

    def largest(self, name: str) -> float:
        """Largest absolute value so far; 0 before any."""
        index = self._index[name]
        return max(0.0, -float(self._minimum[:, index].min()), float(self._maximum[:, index].max()))

    def next_image(self) -> None:
        """The current image is complete."""
        self.images += 1

    def statistics(self, name: str, histogram: StreamingHistogram | None) -> TensorStatistics:
        """What was seen of `name`."""
        at = self._index[name]
        halves = tuple(self._half(half, at) for half in (0, 1))
        seen = [half for half in halves if half is not None]
        return TensorStatistics(
            name=name,
            images=self.images,
            count=int(self._count[:, at].sum()),
            non_finite=int(self.non_finite[at]),
            minimum=min((low for low, _ in seen), default=0.0),
            maximum=max((high for _, high in seen), default=0.0),
            sum=float(self._sum[at]),
            sum_of_squares=float(self._squares[at]),
            halves=(halves[0], halves[1]),
            histogram=histogram,
        )

    def _half(self, half: int, at: int) -> Range | None:
        if not self._count[half, at]:
            return None
        return float(self._minimum[half, at]), float(self._maximum[half, at])


class CodeHistograms:
    """Histograms of some tensors, fed with float16 arrays.

    A float16 array read as uint16 is an array of bin numbers, and counting those is the fastest count that OpenCV has:
    0.5 ns an element against 2.2 for float32 bins and 6.3 for np.histogram (one core, Zen 5). The table of 65536 counts
    has no range that could be too small. It is emptied into a `StreamingHistogram` before a count could exceed what
    float32 holds exactly.

    Different tensors may be added from different threads at the same time.

    Args:
        names: the tensors.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._histograms = {name: StreamingHistogram() for name in names}
        self._tables: dict[str, NDArray[np.float32]] = {}
        self._pending = dict.fromkeys(names, 0)
        self._keep = len(self._histograms) <= _KEPT_TABLES

    def add_codes(self, name: str, halves: NDArray[np.float16]) -> None:
        """Count a C-contiguous float16 array (any shape, none of it NaN or infinite)."""
        flat = halves.reshape(1, -1).view(np.uint16)
        for start in range(0, flat.shape[1], _EXACT):
            part = flat[:, start : start + _EXACT]
            if self._pending[name] + part.shape[1] > _EXACT:
                self._empty(name)
            table = self._tables.get(name)
            if table is None:
                table = np.zeros((_CODES, 1), np.float32)
            if part.shape[1] < _SMALL:
                table += np.bincount(part[0], minlength=_CODES).reshape(-1, 1)
            else:
                # a row, not a column: OpenCV's inner loop runs along rows
                table = np.asarray(cv2.calcHist([part], [0], None, [_CODES], [0, _CODES], table, True), np.float32)
            self._tables[name] = table
            self._pending[name] += part.shape[1]
        if not self._keep:
            self._empty(name)

    def add_values(self, name: str, values: NDArray[Any]) -> None:
        """Count finite values of any float type, those too that float16 cannot hold."""
        self._histograms[name].add(values)

    def histogram(self, name: str) -> StreamingHistogram:
        """Everything counted so far."""
        self._empty(name)
        return self._histograms[name]

    def _empty(self, name: str) -> None:
        table = self._tables.pop(name, None)
        self._pending[name] = 0
        if table is not None:
            used = np.flatnonzero(table)
            self._histograms[name].add_counts(_VALUES[used], table.reshape(-1)[used])
