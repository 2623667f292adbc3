"""What the page's templates show: the report's values grouped and put into words, without any HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.findings import Explanation, Finding, Severity, explain
from edgewright.report import text
from edgewright.report.rows import VariantRow, variant_rows
from edgewright.report.scales import Strip, bar_percent, shade, size_of, strip
from edgewright.report.table import ORDER
from edgewright.verify.results import PartError, RunReport, StageTime, Variant

OPEN_FINDINGS = 3  # findings of one code that are shown unfolded
MOST_FINDINGS = 40  # findings of one code that are on the page at all
MOST_CLASSES = 100  # rows of the table of classes
MOST_PARTS = 40  # parts of a variant, those with the largest errors
MOST_FACTS = 60  # entries of a list of facts

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class VariantView:
    """A variant's row with what the page tells besides."""

    row: VariantRow
    latency_value: str
    latency_notes: Pairs
    images: str
    parts: list[PartView]
    parts_left_out: int
    facts: Pairs


@dataclass(frozen=True)
class PartView:
    """A part's error in words, with the length and shade of its bar and the strip of its channels."""

    name: str
    relative_l2: str
    cosine: str
    sqnr: str
    max_error: str
    percent: float
    shade: int
    strip: Strip | None


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one code and severity: the first ones open, some folded, the rest only counted."""

    code: str
    severity: str
    explanation: Explanation
    shown: list[Finding]
    folded: list[Finding]
    left_out: int
    total: int


@dataclass(frozen=True)
class Bar:
    """One bar of a list: name, figure in words, length in percent; `second` for a bar under it."""

    name: str
    value: str
    percent: float
    second_value: str = ""
    second: float = 0.0
    note: str = ""


def variant_views(report: RunReport) -> list[VariantView]:
    """All variants, in order."""
    return [_variant(v, row) for v, row in zip(report.variants, variant_rows(report), strict=True)]


def part_view(error: PartError) -> PartView:
    """A part's error; what is stored as None is said in words."""
    broken = text.finite(error.relative_l2) is None
    sqnr = text.finite(error.sqnr_db)
    return PartView(
        name=error.part,
        relative_l2=text.figure(error.relative_l2, "infinite"),
        cosine="-" if text.finite(error.cosine) is None else f"{error.cosine:.5f}",
        sqnr=f"{sqnr:.1f} dB" if sqnr is not None else "-" if broken else "no error",
        max_error=text.figure(error.max_error, "infinite"),
        percent=bar_percent(error.relative_l2),
        shade=shade(error.relative_l2),
        strip=strip(error.channels),
    )


def finding_groups(findings: Sequence[Finding]) -> list[FindingGroup]:
    """Findings by severity and code, the worst first."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    ranked = sorted(groups.items(), key=lambda item: (ORDER[item[0][0]], item[0][1]))
    return [
        FindingGroup(
            code=code,
            severity=severity.value,
            explanation=explain(code),
            shown=same[:OPEN_FINDINGS],
            folded=same[OPEN_FINDINGS:MOST_FINDINGS],
            left_out=max(len(same) - MOST_FINDINGS, 0),
            total=len(same),
        )
        for (severity, code), same in ranked
    ]


def more_figures(variants: Sequence[Variant]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Headings and rows of the table of further figures: AP50, AP by class and so on, a column for each variant."""
    measured = [variant for variant in variants if variant.metric and variant.metric.details]
    columns = [_flat(variant.metric.details if variant.metric else {}) for variant in measured]
    keys = list(dict.fromkeys(key for column in columns for key in column))[:MOST_CLASSES]
    return [variant.name for variant in measured], [(key, [c.get(key, "-") for c in columns]) for key in keys]


def region_bars(regions: Mapping[str, int]) -> list[Bar]:
    """Share of each region in the ops of the network."""
    total = sum(regions.values()) or 1
    return [Bar(name, text.plural(count, "op"), round(100 * count / total, 1)) for name, count in regions.items()]


def profile_bars(profile: Sequence[StageTime]) -> list[Bar]:
    """Wall and CPU time of each step, on one scale."""
    top = max([max(step.wall_s, step.cpu_s) for step in profile], default=0.0) or 1.0
    return [
        Bar(
            name=step.name,
            value=text.seconds(step.wall_s),
            percent=round(100 * step.wall_s / top, 1),
            second_value=text.seconds(step.cpu_s),
            second=round(100 * step.cpu_s / top, 1),
            note="reused" if step.reused else _tools_note(step),
        )
        for step in profile
    ]


def _tools_note(step: StageTime) -> str:
    return f"{text.seconds(step.tools_s)} in the toolchain" if step.tools_s else ""


def pairs(data: Mapping[str, Any]) -> Pairs:
    """Key and value of each entry in words; one level of nesting is opened."""
    found: Pairs = []
    for key, value in data.items():
        if isinstance(value, Mapping) and value and set(value) != {"name", "dtype", "shape"}:
            found += [(f"{key} / {inner}", text.value_text(item)) for inner, item in value.items()]
        else:
            found.append((str(key), text.value_text(value)))
    more = [("more", f"{len(found) - MOST_FACTS} entries")] if len(found) > MOST_FACTS else []
    return [(key.replace("_", " "), value) for key, value in found[:MOST_FACTS]] + more


def _variant(variant: Variant, row: VariantRow) -> VariantView:
    latency = variant.latency
    notes: Pairs = []
    if latency and row.latency != "-":
        notes = [
            ("", latency.source),
            ("p90 ", text.milliseconds(latency.p90_ms)),
            ("", text.plural(latency.runs, "run")),
        ]
        notes += [("", latency.note)] if latency.note else []
    return VariantView(
        row=row,
        latency_value=text.milliseconds(latency.median_ms) if latency else "-",
        latency_notes=notes,
        images=text.plural(variant.metric.images, "image") if variant.metric else "",
        parts=[part_view(error) for error in _worst(variant.parts)],
        parts_left_out=max(len(variant.parts) - MOST_PARTS, 0),
        facts=[
            *([("ops", ", ".join(f"{count} {name}" for name, count in variant.ops.items()))] if variant.ops else []),
            *([("artifact SHA-256", variant.artifact_digest)] if variant.artifact_digest else []),
        ],
    )


def _worst(errors: Sequence[PartError]) -> list[PartError]:
    """The parts to show, in their own order."""
    by_error = sorted(errors, key=lambda error: -size_of(error.relative_l2))
    kept = {id(error) for error in by_error[:MOST_PARTS]}
    return [error for error in errors if id(error) in kept]


def _flat(details: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in details.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}: ")
        elif isinstance(value, float) and 1 <= abs(value) < 1000:  # points
            flat[f"{prefix}{key}"] = f"{value:.1f}"
        else:
            flat[f"{prefix}{key}"] = text.value_text(value)
    return flat
