"""A share of the values, clipping the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import UserError
from edgewright.quant.histogram import StreamingHistogram
from edgewright.quant.observers.base import OBSERVERS, exact_range, histogram_of
from edgewright.quant.statistics import Range, TensorStatistics

_DEFAULT = 99.99


@dataclass(frozen=True)
class Percentile:
    """The range that holds `share` percent of the values.

    What is clipped is split evenly between both ends where the tensor has both signs; of a tensor with one sign only
    the far end is clipped. Symmetric ranges take the percentile of the absolute values. Inside a bin values count as
    spread evenly, and a range never exceeds what was seen.

    Attributes:
        share: percent of the values inside, above 50 and up to 100.
    """

    share: float = _DEFAULT
    needs_histogram = True

    def __post_init__(self) -> None:
        if not 50 < self.share <= 100:
            raise ValueError(f"share must be above 50 and at most 100 percent, but got {self.share}")

    @property
    def name(self) -> str:
        """The spelling that `parse_observer` reads."""
        return "percentile" if self.share == _DEFAULT else f"percentile:{self.share:g}"

    def range(self, stats: TensorStatistics, levels: int, symmetric: bool) -> Range:  # noqa: ARG002
        """See `Observer.range`."""
        histogram = histogram_of(stats, self.name)
        low, high = exact_range(stats, symmetric)
        if not stats.count:
            return low, high
        outside = (1 - self.share / 100) * stats.count
        if symmetric:
            edges, inside = _absolute(histogram)
            high = min(high, _quantile(edges, inside, stats.count - outside))
            return -high, high
        both = stats.minimum < 0 < stats.maximum
        below = np.concatenate([[0.0], np.cumsum(histogram.counts)])
        tail = outside / 2 if both else outside
        if stats.minimum < 0:
            low = max(low, min(0.0, _quantile(histogram.edges, below, tail)))
        if stats.maximum > 0:
            high = min(high, max(0.0, _quantile(histogram.edges, below, stats.count - tail)))
        return low, high

    def with_parameter(self, text: str) -> Percentile:
        """See `Observer.with_parameter`; the share in percent."""
        try:
            share = float(text)
        except ValueError:
            share = math.nan
        if not 50 < share <= 100:
            raise UserError(
                f"percentile must be above 50 and at most 100, but got {text!r}", todo="write percentile:99.9"
            )
        return Percentile(share)


def _absolute(histogram: StreamingHistogram) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges from 0 up, and how many values are absolutely below each."""
    below_zero, above = histogram.counts[: -histogram.first], histogram.counts[-histogram.first :]
    folded = np.zeros(max(below_zero.size, above.size))
    folded[: above.size] += above
    folded[: below_zero.size] += below_zero[::-1]
    edges = np.arange(folded.size + 1, dtype=np.float64) * histogram.width
    return np.asarray(edges), np.concatenate([[0.0], np.cumsum(folded)])


def _quantile(edges: NDArray[np.float64], below: NDArray[np.float64], wanted: float) -> float:
    """Value with `wanted` values below it; `below` (n + 1,) counts those below each edge."""
    # steps where a bin is empty make np.interp ambiguous: take the last bin that starts at or under `wanted`
    at = int(np.searchsorted(below, wanted, side="left"))
    if at == 0:
        first = int(np.searchsorted(below, 0, side="right")) - 1  # everything under the first filled bin is empty
        return float(edges[first])
    inside = (wanted - below[at - 1]) / (below[at] - below[at - 1]) if at < below.size else 1.0
    at = min(at, below.size - 1)
    return float(edges[at - 1] + inside * (edges[at] - edges[at - 1]))


OBSERVERS.add("percentile", Percentile())
