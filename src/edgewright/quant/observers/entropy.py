"""The range that loses least information: smallest Kullback-Leibler divergence.

Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017: the values inside a clip range, with the outliers added to
its last bin, are the reference P; the same values without the outliers, spread evenly over the non-empty bins of each
level, are Q; the range with the least KL(P || Q) is taken.

Differences from there: (1) TensorRT folds the histogram to absolute values; that is done here for symmetric grids only.
Otherwise one threshold clips both ends, each only where it reaches beyond, and outliers go to the end of their own
side. (2) The threshold moves in steps of 1/128 of the farther end, and an end in an empty bin moves inwards to one that
is not: otherwise the outliers would have no bin in Q. (3) With as many levels as bins or more (16 bits) no range loses
anything, and the exact range is taken. (4) A range that clips more than a twentieth of the values is not tried: at the
worst all of them pile up in one bin, P equals Q, and the divergence is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.quant.observers.base import OBSERVERS, exact_range, histogram_of, no_parameter
from edgewright.quant.statistics import Range, TensorStatistics

_CANDIDATES = 128
_MOST_CLIPPED = 0.05


class Entropy:
    """See the module."""

    name = "entropy"
    needs_histogram = True

    def range(self, stats: TensorStatistics, levels: int, symmetric: bool) -> Range:
        """See `Observer.range`."""
        histogram = histogram_of(stats, self.name)
        low, high = exact_range(stats, symmetric)
        counts, zero = histogram.counts.astype(np.float64), -histogram.first
        if symmetric:
            counts, zero, levels = _folded(counts, zero), 0, levels // 2
        if high <= low or levels >= counts.size:
            return low, high
        divergences = {window: kl_divergence(counts, *window, levels) for window in _windows(counts, zero, levels)}
        # rounding must not decide between ranges that lose nothing: the widest of them comes first
        start, stop = min(divergences, key=lambda window: round(divergences[window], 12))
        high = min(high, max(0, stop - zero) * histogram.width)
        return -high if symmetric else max(low, min(0, start - zero) * histogram.width), high

    def with_parameter(self, text: str) -> Entropy:
        """See `Observer.with_parameter`."""
        raise no_parameter(self.name, text)


def kl_divergence(counts: NDArray[np.float64], start: int, stop: int, levels: int) -> float:
    """KL(P || Q) of clipping `counts` to bins start..stop and quantising to `levels`.

    Args:
        counts: (n,) histogram.
        start, stop: bins kept; the first and the last of them are not empty if there are outliers on their side.
        levels: number of levels; with more levels than bins each bin is one.
    """
    kept = counts[start:stop]
    reference = kept.copy()
    reference[0] += counts[:start].sum()
    reference[-1] += counts[stop:].sum()
    levels = min(levels, kept.size)
    bounds = np.linspace(0, kept.size, levels + 1).astype(np.int64)[:-1]
    filled = (kept > 0).astype(np.float64)
    share = np.add.reduceat(kept, bounds) / np.maximum(np.add.reduceat(filled, bounds), 1)
    spread = np.repeat(share, np.diff(np.append(bounds, kept.size))) * filled
    some = reference > 0
    p, q = reference[some] / reference.sum(), spread[some] / spread.sum()
    return float(np.sum(p * np.log(p / q)))


def _windows(counts: NDArray[np.float64], zero: int, levels: int) -> list[tuple[int, int]]:
    """First and one past the last bin of each candidate, widest first."""
    filled = np.flatnonzero(counts)
    farther = max(zero, counts.size - zero)
    found: dict[tuple[int, int], None] = {(0, counts.size): None}
    for threshold in np.linspace(farther, 1, _CANDIDATES).astype(int):
        start, stop = max(0, zero - int(threshold)), min(counts.size, zero + int(threshold))
        if stop - start < levels:
            break
        inside = filled[(filled >= start) & (filled < stop)]
        if inside.size and counts[start:stop].sum() >= (1 - _MOST_CLIPPED) * counts.sum():
            found[int(inside[0]), int(inside[-1]) + 1] = None
    return list(found)


def _folded(counts: NDArray[np.float64], zero: int) -> NDArray[np.float64]:
    folded = np.zeros(max(zero, counts.size - zero))
    folded[: counts.size - zero] += counts[zero:]
    folded[:zero] += counts[:zero][::-1]
    return folded


OBSERVERS.add("entropy", Entropy())
