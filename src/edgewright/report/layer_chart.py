"""Geometry of the chart along the depth of the network: what each op loses by itself, and what has accumulated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.causes.say import user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.graph.regions import REGIONS
from edgewright.report.scales import size_of

LABELLED = 8
"""Ops that are numbered in the chart: those that do most to the outputs."""
_TOP, _BOTTOM, _LEFT, _RIGHT = 30, 34, 50, 14  # pixels around the scale
_LOWEST, _HIGHEST = -6, 1  # decades that the chart can show
_APART = 15.0  # pixels between two numbers


@dataclass(frozen=True)
class Bars:
    """Isolated errors of a region's ops: `path` has a vertical stroke for each. `index` is the colour."""

    region: str
    index: int
    path: str
    count: int


@dataclass(frozen=True)
class Band:
    """Where neighbouring ops of one region lie along the axis."""

    region: str
    index: int
    x: float
    width: float
    wide: bool


@dataclass(frozen=True)
class Mark:
    """The number of one of the worst ops, above its bar."""

    number: int
    x: float
    y: float
    label_x: float
    label_y: float


@dataclass(frozen=True)
class LayerChart:
    """Everything that the template draws, in pixels of `width` x `height`."""

    width: int
    height: int
    left: float
    right: float
    base: float
    stroke: float
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bars, ...]
    line: str
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]


def layer_chart(analysis: Analysis, *, width: int, height: int) -> LayerChart | None:
    """The chart of all tensors that own a grid, or None when there is none.

    Errors of 0, and those below the scale, stand on the base line, those that are not finite at the top.
    """
    errors = sorted(analysis.owners(), key=lambda error: error.depth)
    if not errors:
        return None
    low, high = _decades([value for error in errors for value in (error.isolated, error.accumulated)])
    base = float(height - _BOTTOM)
    slot = (width - _LEFT - _RIGHT) / len(errors)
    xs = {error.tensor: round(_LEFT + slot * (place + 0.5), 1) for place, error in enumerate(errors)}

    def y_of(value: float | None) -> float:
        size = size_of(value)
        power = low if size <= 0 else high if math.isinf(size) else min(max(math.log10(size), low), high)
        return round(base - (power - low) / (high - low) * (base - _TOP), 1)

    points = [f"{xs[error.tensor]} {y_of(error.accumulated)}" for error in errors]
    return LayerChart(
        width=width,
        height=height,
        left=_LEFT,
        right=width - _RIGHT,
        base=base,
        stroke=round(min(max(slot * 0.7, 1.0), 14.0), 2),
        ticks=tuple((y_of(10.0**power), f"{100 * 10.0**power:g} %") for power in range(high, low - 1, -1)),
        bars=_bars(errors, {error.tensor: (xs[error.tensor], y_of(error.isolated)) for error in errors}, base),
        line="M" + "L".join(points),
        bands=_bands(errors, slot),
        marks=_marks(analysis, {e.tensor: (xs[e.tensor], min(y_of(e.isolated), y_of(e.accumulated))) for e in errors}),
    )


def numbered(analysis: Analysis) -> list[tuple[int, str]]:
    """The numbers of the chart with the ops that they stand for."""
    return [(number, user_name(error)) for number, error in enumerate(analysis.ranked()[:LABELLED], start=1)]


def _bars(errors: Sequence[TensorError], tops: Mapping[str, tuple[float, float]], base: float) -> tuple[Bars, ...]:
    found = []
    for index, region in enumerate(REGIONS):
        mine = [tops[error.tensor] for error in errors if error.region == region]
        if mine:
            found.append(Bars(region, index, "".join(f"M{x} {base}V{y}" for x, y in mine), len(mine)))
    return tuple(found)


def _bands(errors: Sequence[TensorError], slot: float) -> tuple[Band, ...]:
    bands: list[Band] = []
    at = 0
    for region, group in groupby(error.region for error in errors):
        count = len(list(group))
        index = REGIONS.index(region) if region in REGIONS else 0
        size = slot * count
        bands.append(Band(region, index, round(_LEFT + slot * at, 1), round(size, 1), size >= 9 * len(region)))
        at += count
    return tuple(bands)


def _marks(analysis: Analysis, tops: Mapping[str, tuple[float, float]]) -> tuple[Mark, ...]:
    """Numbers beside each other where their bars are too near: each keeps a line down to its bar."""
    worst = analysis.ranked()[:LABELLED]
    order = sorted(range(len(worst)), key=lambda place: tops[worst[place].tensor][0])
    last = -math.inf
    marks = []
    for place in order:
        x, y = tops[worst[place].tensor]
        last = max(x, last + _APART)
        marks.append((place, x, y, last))
    over = max(0.0, last - max((x for _, x, *_ in marks), default=0.0)) / 2  # to both sides alike
    return tuple(Mark(place + 1, x, y, round(at - over, 1), 12.0) for place, x, y, at in marks)


def _decades(values: Sequence[float | None]) -> tuple[int, int]:
    """Decades that all but the smallest errors lie in; those, of an input without loss for example, keep no room."""
    sizes = sorted(size for size in map(size_of, values) if 0 < size < math.inf)
    low = math.floor(math.log10(sizes[len(sizes) // 20])) if sizes else -3
    high = math.ceil(math.log10(sizes[-1])) if sizes else 0
    high = min(max(high, 0), _HIGHEST)
    return max(min(low, high - 2), _LOWEST), high
