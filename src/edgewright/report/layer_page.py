"""The page of an analysis: one HTML file with chart, tables and causes that fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.chips import ChipComparison
from edgewright.report import text, view
from edgewright.report.chips_rows import chips_kinds, chips_lines, chips_parts, chips_swaps, chips_worst
from edgewright.report.environment import page_environment
from edgewright.report.layer_chart import LayerChart, layer_chart, numbered
from edgewright.report.layers_rows import (
    channel_lines,
    layer_rows,
    measured_line,
    metric_line,
    part_rows,
    region_rows,
    summary_of,
    unknown_lines,
)
from edgewright.report.vendor_rows import vendor_lines, vendor_parts, vendor_tensors
from edgewright.verify.results import StageTime

WORST = 20
"""Rows of the ranked table that are open; the others are folded."""


def render_layers(analysis: Analysis, profile: Sequence[StageTime] = (), against: ChipComparison | None = None) -> str:
    """The page as HTML text; every name in the analysis is held for hostile, as in `report.page`.

    Args:
        analysis: what was found.
        profile: cost of each step.
        against: another chip beside this one.
    """
    context = {**_context(analysis, profile), "vendor": _vendor(analysis), "chips": _chips(against)}
    return page_environment().get_template("layers.html.j2").render(context)


def _context(analysis: Analysis, profile: Sequence[StageTime]) -> dict[str, Any]:
    rows = layer_rows(analysis)
    charts = [_drawn(layer_chart(analysis, width=width, height=height)) for width, height in ((860, 360), (360, 320))]
    return {
        "analysis": analysis,
        "model_name": text.value_text(analysis.model.get("name") or "model"),
        "summary": summary_of(analysis),
        "measured": measured_line(analysis),
        "metric": metric_line(analysis),
        "parts": part_rows(analysis),
        "effect_parts": analysis.effect_parts,
        "charts": [chart for chart in charts if chart],
        "numbered": numbered(analysis),
        "rows": rows[:WORST],
        "more_rows": rows[WORST:],
        "followers": sorted(analysis.followers.items()),
        "regions": region_rows(analysis),
        "unknown": " ".join(unknown_lines(analysis)),
        "channels": [line for error in analysis.tensors if error.channels for line in channel_lines(error, 64)],
        "groups": view.finding_groups(analysis.findings),
        "profile": view.profile_bars(profile),
        "images": view.pairs(analysis.images),
        "facts": view.pairs(analysis.facts),
    }


def _vendor(analysis: Analysis) -> dict[str, Any] | None:
    found = analysis.vendor
    if found is None:
        return None
    sheets = [vendor_parts(found)]
    return {"where": found.where, "sheets": sheets, "long": vendor_tensors(found), "lines": vendor_lines(found)}


def _chips(found: ChipComparison | None) -> dict[str, Any] | None:
    if found is None:
        return None
    sheets = [chips_parts(found), chips_swaps(found), chips_kinds(found)]
    return {"other": found.there, "sheets": sheets, "long": chips_worst(found), "lines": chips_lines(found)}


def _drawn(chart: LayerChart | None) -> LayerChart | None:
    """The chart with its paths as markup: figures of our own making, too long to be cleaned like a name."""
    from markupsafe import Markup

    if chart is None:
        return None
    bars = tuple(replace(group, path=Markup(group.path)) for group in chart.bars)  # noqa: S704
    return replace(chart, bars=bars, line=Markup(chart.line))  # noqa: S704
