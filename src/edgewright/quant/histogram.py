"""A histogram of a stream whose range is not known beforehand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_BINS = 2048
_FINEST = -160  # below the smallest float32 (2**-149), so that zeros alone fix no width


class StreamingHistogram:
    """Counts of a stream of numbers in bins of equal width, exact whatever the order and however the range grows.

    Bin k holds [k * width, (k + 1) * width). The width is a power of two and bin 0 is always among the bins; when a
    value lies outside, the width doubles until everything fits, and each pair of old bins becomes one new bin. Earlier
    data is never needed again, and the counts are those that one pass over everything would have given.

    Args:
        bins: most bins that are kept; between half and all of them are used once a value other than 0 has come.
    """

    def __init__(self, bins: int = DEFAULT_BINS) -> None:
        if bins < 4:
            raise ValueError(f"bins must be at least 4, but got {bins}")
        self.bins = bins
        self._exponent = _FINEST
        self._first = 0
        self._counts = np.zeros(1, np.int64)

    @property
    def width(self) -> float:
        """Width of a bin, a power of two."""
        return math.ldexp(1.0, self._exponent)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Numbers in each bin, shape (n,), n <= bins."""
        return self._counts

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins, shape (n + 1,)."""
        numbers = np.arange(self._first, self._first + self._counts.size + 1, dtype=np.float64)
        return np.asarray(numbers * self.width)

    @property
    def first(self) -> int:
        """Number of the first bin; its lower edge is `first * width`."""
        return self._first

    @property
    def total(self) -> int:
        """How many numbers were added."""
        return int(self._counts.sum())

    @classmethod
    def restored(cls, bins: int, width: float, first: int, counts: NDArray[np.int64]) -> StreamingHistogram:
        """The histogram that had these properties.

        Raises:
            ValueError: the width is no power of two, or bin 0 is not among the bins.
        """
        histogram = cls(bins)
        mantissa, exponent = math.frexp(width)
        if mantissa != 0.5 or not first <= 0 < first + counts.size or counts.size > bins:
            raise ValueError(f"no histogram of {bins} bins has width {width}, first bin {first} and {counts.size} bins")
        histogram._exponent, histogram._first, histogram._counts = exponent - 1, first, counts.astype(np.int64)
        return histogram

    def add(self, values: NDArray[Any]) -> None:
        """Count finite numbers of any shape and float type.

        Raises:
            ValueError: a value is NaN or infinite.
        """
        flat = np.asarray(values).reshape(-1)
        if flat.size == 0:
            return
        self._make_room(float(flat.min()), float(flat.max()))
        # float64 and a power of two: the division is exact, so a value on an edge falls where np.histogram puts it
        index = np.floor(flat.astype(np.float64) / self.width).astype(np.int64) - self._first
        self._counts += np.bincount(index, minlength=self._counts.size)

    def add_counts(self, values: NDArray[np.float64], counts: NDArray[Any]) -> None:
        """Count each of `values` (n,) as often as `counts` (n,) says; the same as `add` of the repeated values.

        Raises:
            ValueError: a value is NaN or infinite.
        """
        if values.size == 0:
            return
        self._make_room(float(values.min()), float(values.max()))
        index = np.floor(values / self.width).astype(np.int64) - self._first
        added = np.bincount(index, weights=counts, minlength=self._counts.size)  # exact below 2**53
        self._counts += added.astype(np.int64)

    @property
    def _last(self) -> int:
        return self._first + self._counts.size - 1

    def _make_room(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("a histogram takes finite values only")
        exponent = self._exponent
        while True:
            shift = exponent - self._exponent
            first = min(self._first >> shift, math.floor(math.ldexp(low, -exponent)))
            last = max(self._last >> shift, math.floor(math.ldexp(high, -exponent)))
            if last - first < self.bins:
                break
            # far away at first (from nothing to 1e30), then one by one: log2 of a whole number of bins too many
            exponent += max(1, ((last - first) // self.bins).bit_length() - 1)
        self._coarsen(exponent - self._exponent)
        self._extend(first, last)

    def _coarsen(self, doublings: int) -> None:
        if doublings > 0:
            self._first, self._counts = _coarsened(self._first, self._counts, doublings)
            self._exponent += doublings

    def _extend(self, first: int, last: int) -> None:
        before, after = max(0, self._first - first), max(0, last - self._last)
        if before or after:
            self._counts = np.pad(self._counts, (before, after))
            self._first -= before


def _coarsened(first: int, counts: NDArray[np.int64], doublings: int) -> tuple[int, NDArray[np.int64]]:
    """First bin and counts after the width has doubled so often; Python integers, for 2**300 must not overflow."""
    if doublings <= 0:
        return first, counts
    new_first, new_last = first >> doublings, (first + counts.size - 1) >> doublings
    merged = np.zeros(new_last - new_first + 1, np.int64)
    np.add.at(merged, [((first + i) >> doublings) - new_first for i in range(counts.size)], counts)
    return new_first, merged
