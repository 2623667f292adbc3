"""Would more calibration images help? Not where even and odd images already give the same ranges."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.quant.statistics import TensorStatistics


def half_range_change(statistics: TensorStatistics) -> float | None:
    """How far the range moves between even and odd images, relative to the whole range: 0 the same, 1 all of it.

    The larger of the two ends' moves. Ranges are taken with 0 in them, as grids have it. None when one half saw
    nothing.
    """
    even, odd = statistics.halves
    if even is None or odd is None:
        return None
    low, high = statistics.range_with_zero
    if high <= low:
        return 0.0
    move_low = abs(min(even[0], 0.0) - min(odd[0], 0.0))
    move_high = abs(max(even[1], 0.0) - max(odd[1], 0.0))
    return max(move_low, move_high) / (high - low)


def half_range_changes(statistics: Mapping[str, TensorStatistics]) -> dict[str, float]:
    """`half_range_change` by tensor, without the tensors that have none."""
    changes = {name: half_range_change(entry) for name, entry in statistics.items()}
    return {name: change for name, change in changes.items() if change is not None}
