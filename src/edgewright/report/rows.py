"""Rows of the table of variants as words, made once for the terminal and the page so that they cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.report.text import figure, finite, milliseconds, signed
from edgewright.verify.results import Metric, RunReport, Variant


@dataclass(frozen=True)
class VariantRow:
    """One variant in words; `-` where there is nothing.

    Attributes:
        latency: with its origin ("measured 41 ms").
        metric: value of the task metric; `metric_name` says of which.
        change: value minus reference, signed: a loss of AP is negative.
        verdict: "reference", "passes", "fails" or "not run", and what a reader must know at once.
        word: the bare verdict of the variant, for colour.
        ships: whether this variant is the one in the bundle.
    """

    name: str
    ran_on: str
    latency: str
    metric_name: str
    metric: str
    change: str
    verdict: str
    word: str
    reasons: tuple[str, ...]
    ships: bool


def variant_rows(report: RunReport) -> list[VariantRow]:
    """A row for each variant, in the report's order."""
    return [_row(variant, report) for variant in report.variants]


def metric_heading(rows: list[VariantRow]) -> str:
    """Heading of the metric column: the metric's name when all rows share one, else "metric"."""
    names = {row.metric_name for row in rows if row.metric_name}
    return names.pop() if len(names) == 1 else "metric"


def metric_text(metric: Metric | None) -> str:
    """AP and accuracies in points with one decimal, errors (lower is better) with three digits."""
    if metric is None or finite(metric.value) is None:
        return "-"
    return f"{metric.value:.1f}" if metric.higher_is_better else figure(metric.value)


def change_text(variant: Variant) -> str:
    """Signed change against the reference: `-5.2` where 5.2 points were lost."""
    drop = finite(variant.drop)
    if drop is None:
        return "-"
    in_points = variant.metric is None or variant.metric.higher_is_better
    return signed(-drop, f"{abs(drop):.1f}" if in_points else figure(abs(drop)))


def _row(variant: Variant, report: RunReport) -> VariantRow:
    latency = variant.latency
    known = latency is not None and finite(latency.median_ms) is not None
    return VariantRow(
        name=variant.name,
        ran_on=variant.ran_on or "-",
        latency=f"{latency.source} {milliseconds(latency.median_ms)}" if latency and known else "-",
        metric_name=variant.metric.name if variant.metric else "",
        metric=metric_text(variant.metric),
        change=change_text(variant),
        verdict=_verdict(variant, report),
        word=variant.verdict,
        reasons=variant.reasons,
        ships=bool(report.verdict.variant) and variant.name == report.verdict.variant,
    )


def _verdict(variant: Variant, report: RunReport) -> str:
    if variant.verdict == "reference":
        return "reference"
    if variant.verdict == "not run":
        return "not run"
    if variant.verdict == "failed":
        limit = finite(report.data.get("max_drop"))
        lost_points = variant.metric is not None and variant.metric.higher_is_better and variant.drop is not None
        return f"fails (limit -{abs(limit):.1f})" if limit is not None and lost_points else "fails"
    total, in_float = sum(variant.ops.values()), variant.ops.get("float", 0)
    # "all in float" says nothing of a float variant; of a quantised one it says what the accuracy was bought with
    if variant.precision == "float" or not total:
        return "passes"
    told = [
        f"{count} of {total} ops {where}"
        for count, where in ((variant.ops.get("int16", 0), "in 16 bits"), (in_float, "in float"))
        if count
    ]
    return f"passes, {', '.join(told)}" if told else "passes, no float op"
