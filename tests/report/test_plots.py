"""Scales and geometry of bars, strips and the chart of stages."""

from __future__ import annotations

import math

import pytest

from edgewright.report.chart import entrance, stage_chart
from edgewright.report.scales import MAX_CELLS, bar_percent, shade, strip
from edgewright.verify.results import PartError


def error(part: str, size: float | None) -> PartError:
    return PartError(part, 1.0, size, None, size)


@pytest.mark.parametrize(
    ("value", "percent", "kind"),
    [
        (0.0, 0, 0),
        (1e-7, 0, 0),
        (1e-6, 0, 0),
        (1e-3, 42.9, 3),
        (0.05, 67.1, 4),
        (1.0, 85.7, 6),
        (1e9, 100, 6),
        (None, 100, 6),
        (math.nan, 100, 6),
    ],
)
def test_bar_and_shade(value: float | None, percent: float, kind: int) -> None:
    assert bar_percent(value) == percent
    assert shade(value) == kind


def test_strip_shows_the_worst_of_a_cell() -> None:
    channels = [1e-4] * 1000
    channels[517] = 2.0
    made = strip(channels)
    assert made is not None
    assert made.width <= MAX_CELLS
    assert (made.worst, made.worst_value, made.channels, made.per_cell) == (517, 2.0, 1000, 11)
    assert made.paths[6] == "M47 0h1v1h-1z"  # 517 // 11
    assert strip([0.5]) is None
    infinite = strip([0.1, None])
    assert infinite is not None
    assert infinite.worst_value is None


def test_chart_places_zero_infinity_and_gaps() -> None:
    stages = {
        "onnx": (error("boxes", 0.0), error("scores", 1e-7)),
        "prepared": (error("boxes", 1e-6),),
        "int8 artifact of some length": (error("boxes", None), error("scores", 0.5)),
    }
    chart = stage_chart(stages, width=360, height=300)
    assert chart is not None
    boxes, scores = chart.lines
    assert boxes.points[0][1] == chart.zero_y
    assert boxes.points[2][1] == min(y for _, y in boxes.points)
    assert boxes.path.count("L") == 2
    assert scores.path.count("M") == 2  # no line through the stage that lacks the part
    assert scores.last == "0.5 at int8 artifact of some length"
    assert chart.signal_y == boxes.points[2][1]  # nothing finite above 1, so infinity ends there
    assert all(
        chart.left <= x <= chart.right and 0 <= y <= chart.height for line in chart.lines for x, y in line.points
    )
    assert all(len(label.lines) <= 2 for label in chart.stages)


def test_chart_needs_two_stages_and_limits_lines() -> None:
    assert stage_chart({"onnx": (error("a", 0.1),)}, width=300, height=300) is None
    assert stage_chart({"onnx": (), "int8": ()}, width=300, height=300) is None
    many = tuple(error(f"p{i}", 10.0**-i) for i in range(9))
    chart = stage_chart({"a": many, "b": many}, width=300, height=300)
    assert chart is not None
    assert [line.part for line in chart.lines] == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert chart.left_out == 3


def test_entrance_names_stage_and_part() -> None:
    float_stage, int8 = (error("boxes", 1e-7), error("scores", 0.0)), (error("boxes", 0.01), error("scores", None))
    assert entrance({"a": float_stage, "b": int8}) == "The error grows most at b: scores from 0 to infinite."
    assert entrance({"a": float_stage, "b": float_stage}) == "No stage adds a relative error above 0.001."
    assert entrance({"a": int8, "b": int8}) == "The error grows most at a: scores from 0 to infinite."
    assert entrance({}) == "No stage adds a relative error above 0.001."
