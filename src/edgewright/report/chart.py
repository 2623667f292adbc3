"""Geometry of the chart of stages: where on the way from source to chip the error enters."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewright.report.scales import size_of
from edgewright.report.text import figure
from edgewright.verify.results import PartError

MAX_LINES = 6  # as many colours and markers as can be told apart
_LOWEST, _HIGHEST = -9, 3  # decades that the chart can show
_TOP, _LANE, _BOTTOM = 18, 26, 46  # pixels: above the scale, the lane for 0 below it, stage names
_LEFT, _RIGHT = 50, 14
_LETTER = 8.5  # pixels: a letter of a stage name
_NOTABLE = 0.001  # growth of the relative error that is worth a sentence


@dataclass(frozen=True)
class Label:
    """Text of the chart at a point; several lines for a long stage name."""

    x: float
    y: float
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One part: the path through its points, the points, its name and its value at the last stage."""

    part: str
    path: str
    points: tuple[tuple[float, float], ...]
    last: str


@dataclass(frozen=True)
class Chart:
    """Everything that the template draws, in pixels of `width` x `height`."""

    width: int
    height: int
    left: float
    right: float
    ticks: tuple[Label, ...]
    stages: tuple[Label, ...]
    lines: tuple[Line, ...]
    signal_y: float
    zero_y: float
    left_out: int


@dataclass(frozen=True)
class _Scale:
    """Decades `low`..`high` between `bottom` and `top`, with a lane of its own for 0, which no logarithm has."""

    low: int
    high: int
    top: float
    bottom: float
    zero: float

    def y(self, value: float | None) -> float:
        size = size_of(value)
        if size == 0:
            return self.zero
        power = math.log10(size) if math.isfinite(size) else self.high
        share = (min(max(power, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.bottom - share * (self.bottom - self.top), 1)


def stage_chart(stages: Mapping[str, Sequence[PartError]], *, width: int, height: int) -> Chart | None:
    """The chart, or None when fewer than two stages were compared."""
    names, series = list(stages), _series(stages)
    if len(names) < 2 or not series:
        return None
    worst_first = sorted(series, key=lambda part: -max(map(size_of, series[part].values())))
    shown = {part: series[part] for part in series if part in worst_first[:MAX_LINES]}
    low, high = _decades([value for values in shown.values() for value in values.values()])
    scale = _Scale(low, high, _TOP, height - _BOTTOM - _LANE, height - _BOTTOM - 6)
    slot = (width - _LEFT - _RIGHT) / len(names)
    x_of = {name: round(_LEFT + slot * (index + 0.5), 1) for index, name in enumerate(names)}
    powers = range(high, low - 1, -1 if high - low <= 5 else -2)
    return Chart(
        width=width,
        height=height,
        left=_LEFT,
        right=width - _RIGHT,
        ticks=tuple(Label(_LEFT - 8, scale.y(10.0**power), (_power(power),)) for power in powers),
        stages=tuple(Label(x_of[name], height - _BOTTOM + 18, _wrapped(name, slot)) for name in names),
        lines=tuple(_line(part, values, x_of, scale) for part, values in shown.items()),
        signal_y=scale.y(1.0),
        zero_y=scale.zero,
        left_out=len(series) - len(shown),
    )


def entrance(stages: Mapping[str, Sequence[PartError]]) -> str:
    """One sentence: at which stage the error of which part grows most."""
    best: tuple[float, str, str, float, float] | None = None
    for part, values in _series(stages).items():
        # the source model is where the way starts, without error
        for (_, before), (stage, after) in itertools.pairwise([("source", 0.0), *values.items()]):
            growth = size_of(after) - size_of(before)
            if not math.isnan(growth) and (best is None or growth > best[0]):
                best = (growth, part, stage, size_of(before), size_of(after))
    if best is None or best[0] < _NOTABLE:
        return f"No stage adds a relative error above {_NOTABLE}."
    _, part, stage, was, now = best
    return f"The error grows most at {stage}: {part} from {figure(was)} to {figure(now, 'infinite')}."


def _series(stages: Mapping[str, Sequence[PartError]]) -> dict[str, dict[str, float | None]]:
    """Relative L2 by part and stage."""
    series: dict[str, dict[str, float | None]] = {}
    for stage, errors in stages.items():
        for error in errors:
            series.setdefault(error.part, {})[stage] = error.relative_l2
    return series


def _line(part: str, values: Mapping[str, float | None], x_of: Mapping[str, float], scale: _Scale) -> Line:
    points = {stage: (x_of[stage], scale.y(value)) for stage, value in values.items()}
    path, pen = [], "M"
    for stage in x_of:
        if stage in points:
            path.append(f"{pen}{points[stage][0]} {points[stage][1]}")
        # a stage without this part leaves a gap: a line through it would claim a value
        pen = "L" if stage in points else "M"
    last_stage, last = list(values.items())[-1]
    return Line(part, "".join(path), tuple(points.values()), f"{figure(last, 'infinite')} at {last_stage}")


def _decades(values: Sequence[float | None]) -> tuple[int, int]:
    sizes = [size for size in map(size_of, values) if 0 < size < math.inf]
    low = math.floor(math.log10(min(sizes))) if sizes else -3
    high = math.ceil(math.log10(max(sizes))) if sizes else 0
    high = min(max(high, 0), _HIGHEST)  # 1, as large as the signal, is always in view
    return max(min(low, high - 3), _LOWEST), high


def _power(power: int) -> str:
    return f"1e{power}" if power < -2 or power > 2 else f"{10.0**power:g}"


def _wrapped(name: str, slot: float) -> tuple[str, ...]:
    """At most two lines that fit into a stage's slot."""
    room = max(int(slot // _LETTER), 6)
    lines = textwrap.wrap(name, room) or [name]
    return tuple(lines) if len(lines) <= 2 else (lines[0], f"{lines[1][: room - 2]}..")
