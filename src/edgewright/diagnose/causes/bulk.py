"""What a histogram tells of a tensor: where its bulk lies, and what a grid does to the rest."""

from __future__ import annotations

import numpy as np

from edgewright.quant.histogram import StreamingHistogram
from edgewright.quant.statistics import Range, TensorStatistics
from edgewright.tensors import Grid

BULK = 0.999
"""Share of the values that is called the bulk: what is left out is too rare to set a range."""


def bulk_range(histogram: StreamingHistogram, within: Range, share: float = BULK) -> Range:
    """The range, widened to hold 0, in which `share` of the values lie, as many left out on either side.

    To within one bin, for a bin is taken whole. (0, 0) when nothing was counted.

    Args:
        histogram: the values.
        within: their exact range: what a bin at the end has beyond it is not counted.
        share: how many of them, 0..1.
    """
    counts, edges = histogram.counts, np.clip(histogram.edges, *within)
    reached = np.cumsum(counts)
    total = int(reached[-1])
    if total == 0:
        return 0.0, 0.0
    rare = 0.5 * (1.0 - share) * total
    first = int(np.searchsorted(reached, rare, side="right"))
    last = int(np.searchsorted(reached, total - rare, side="left"))
    low, high = float(edges[first]), float(edges[min(last, counts.size - 1) + 1])
    return min(low, 0.0), max(high, 0.0)


def share_below(histogram: StreamingHistogram, limit: float) -> float:
    """Share of the values in bins that end at or below `limit`."""
    total = histogram.total
    return float(histogram.counts[histogram.edges[1:] <= limit].sum()) / total if total else 0.0


def clipped_share(histogram: StreamingHistogram, grid: Grid) -> float:
    """Share of the grid's squared error that clipping makes, 0..1; rounding makes the rest.

    Each bin counts with its middle. Rounding costs step**2 / 12 a value (uniform error within a step).
    """
    centres = 0.5 * (histogram.edges[1:] + histogram.edges[:-1])
    beyond = np.maximum(centres - (grid.high + grid.step / 2), 0) + np.maximum(grid.low - grid.step / 2 - centres, 0)
    outside = beyond > 0
    clipping = float((histogram.counts * np.where(outside, beyond + grid.step / 2, 0.0) ** 2).sum())
    rounding = float(histogram.counts[~outside].sum()) * grid.step**2 / 12
    return clipping / (clipping + rounding) if clipping > 0 else 0.0


def rounding_error(statistics: TensorStatistics, step: float) -> float:
    """Relative L2 that rounding to a grid of this step costs a tensor: step / sqrt(12) / rms, at most 1 (all lost)."""
    square = statistics.sum_of_squares / statistics.count if statistics.count else 0.0
    return min(1.0, step / (12.0 * square) ** 0.5) if square > 0 else 0.0
