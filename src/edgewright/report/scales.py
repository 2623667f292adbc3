"""Errors as lengths and shades: one logarithmic scale for bars, strips and the chart.

Shades are classes of one decade each (`q0`..`q6` in the style sheet), so that a reader can name a shade's value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

SHADES = ("below 1e-5", "1e-5 to 1e-4", "1e-4 to 0.001", "0.001 to 0.01", "0.01 to 0.1", "0.1 to 1", "1 or more")
BAR_LOW, BAR_HIGH = -6, 1  # decades at the ends of a bar
MAX_CELLS = 96  # cells of a strip; more channels than this share cells


def shade(value: float | None) -> int:
    """Class of a relative error, 0..6; None (infinite) is the highest."""
    if value is None or not math.isfinite(value):
        return len(SHADES) - 1
    if value <= 0:
        return 0
    return min(max(math.floor(math.log10(value)) + 6, 0), len(SHADES) - 1)


def bar_percent(value: float | None) -> float:
    """Length of a bar, 0..100 %, for a relative error on a scale from 1e-6 to 10."""
    if value is None or not math.isfinite(value):
        return 100.0
    if value <= 0:
        return 0.0
    share = (math.log10(value) - BAR_LOW) / (BAR_HIGH - BAR_LOW)
    return round(100 * min(max(share, 0.0), 1.0), 1)


@dataclass(frozen=True)
class Strip:
    """Errors of all channels of a part.

    Attributes:
        paths: outline of all cells of a shade, by shade class: a few paths draw what would be hundreds of cells.
        width: number of cells.
        per_cell: channels that share a cell; the worst of them is shown.
        channels: number of channels.
        worst: index of the worst channel.
        worst_value: its relative L2; None is infinite.
    """

    paths: Mapping[int, str]
    width: int
    per_cell: int
    channels: int
    worst: int
    worst_value: float | None


def strip(channels: Sequence[float | None]) -> Strip | None:
    """The strip of a part; None when it has fewer than two channels."""
    if len(channels) < 2:
        return None
    per_cell = math.ceil(len(channels) / MAX_CELLS)
    sizes = [size_of(value) for value in channels]
    shades = [shade(max(sizes[i : i + per_cell])) for i in range(0, len(sizes), per_cell)]
    paths: dict[int, str] = {}
    start = 0
    for value, run in groupby(shades):
        length = len(list(run))
        paths[value] = f"{paths.get(value, '')}M{start} 0h{length}v1h-{length}z"
        start += length
    worst = max(range(len(sizes)), key=sizes.__getitem__)
    worst_value = None if math.isinf(sizes[worst]) else sizes[worst]
    return Strip(paths, len(shades), per_cell, len(channels), worst, worst_value)


def size_of(value: float | None) -> float:
    """A relative error to compare with; None and NaN, which stand for damage beyond measure, are infinite."""
    return math.inf if value is None or not math.isfinite(value) else max(value, 0.0)
