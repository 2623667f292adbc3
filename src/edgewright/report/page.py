"""The page that a run leaves behind: one HTML file that shows everything and fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.report import text, view
from edgewright.report.chart import entrance, stage_chart
from edgewright.report.environment import page_environment
from edgewright.report.picture import Picture, data_url, within
from edgewright.report.repairs import repair_view
from edgewright.report.rows import metric_heading
from edgewright.report.scales import SHADES
from edgewright.report.summary import plain
from edgewright.toml_io import dumps_toml
from edgewright.verify.results import RunReport

PICTURE_BUDGET = 2_200_000  # bytes of base64: the page stays below 3 MB


def render_page(report: RunReport, pictures: Sequence[Picture] = ()) -> str:
    """The page as HTML text.

    The page needs no network, runs no script, and treats every name in the report as hostile: all text is escaped, and
    a content security policy forbids whatever escaping might miss.

    Args:
        report: what the run found.
        pictures: the same images through each variant; those beyond `PICTURE_BUDGET` are left out and counted.
    """
    return page_environment().get_template("page.html.j2").render(_context(report, pictures))


def recipe_text(settings: Mapping[str, Any]) -> str:
    """The settings as TOML, or as JSON when they hold something that TOML cannot."""
    data = plain(settings)
    try:
        return dumps_toml(data)
    except (TypeError, ValueError):  # None inside a list
        return json.dumps(data, indent=2)


def _context(report: RunReport, pictures: Sequence[Picture]) -> dict[str, Any]:
    from markupsafe import Markup

    kept = within(pictures, PICTURE_BUDGET)
    variants = view.variant_views(report)
    columns, figures = view.more_figures(report.variants)
    return {
        "report": report,
        "model_name": text.value_text(report.model.get("name") or "model"),
        "time": text.value_text(report.provenance.get("time", "-")),
        "variants": variants,
        "metric_heading": metric_heading([variant.row for variant in variants]),
        "figure_columns": columns,
        "figure_rows": figures,
        "repairs": [repair_view(search) for search in report.repairs],
        "groups": view.finding_groups(report.findings),
        "charts": [chart for chart in (_chart(report, 760, 340), _chart(report, 360, 320)) if chart],
        "entrance": entrance(report.stages),
        "stage_names": list(report.stages),
        "stage_rows": _stage_rows(report),
        "shades": SHADES,
        "pictures": [
            # base64 of our own making holds nothing to escape, and is too long to be cleaned like a name
            (p.title, p.caption, [(label, Markup(data_url(jpeg))) for label, jpeg in p.panels])  # noqa: S704
            for p in kept
        ],
        "pictures_left_out": len(pictures) - len(kept),
        "model": view.pairs(report.model),
        "contract": view.pairs(report.contract),
        "head_parts": [part for part in report.head.get("parts", ()) if isinstance(part, Mapping)],
        "head_params": view.pairs(report.head.get("params") or {}),
        "data": view.pairs(report.data),
        "regions": view.region_bars(report.regions),
        "profile": view.profile_bars(report.profile),
        "recipe": recipe_text(report.settings),
        "provenance": view.pairs(report.provenance),
    }


def _chart(report: RunReport, width: int, height: int) -> Any:
    return stage_chart(report.stages, width=width, height=height)


def _stage_rows(report: RunReport) -> list[tuple[str, list[view.PartView | None]]]:
    by_stage = {name: {error.part: error for error in errors} for name, errors in report.stages.items()}
    parts = dict.fromkeys(part for errors in by_stage.values() for part in errors)
    return [
        (part, [view.part_view(errors[part]) if part in errors else None for errors in by_stage.values()])
        for part in parts
    ]
