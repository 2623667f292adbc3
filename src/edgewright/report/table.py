"""The table of variants and the findings for terminals, wide or narrow, with or without colour and Unicode."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from edgewright.findings import Finding, Severity
from edgewright.report import text
from edgewright.report.repairs import repair_sentence
from edgewright.report.rows import VariantRow, metric_heading, variant_rows
from edgewright.verify.results import RunReport

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
SHOWN = {Severity.ERROR: 8, Severity.WARNING: 4, Severity.INFO: 2}  # findings of one code that a terminal shows
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_VERDICT_STYLE = {"passed": "green", "failed": "bold red", "reference": "dim", "not run": "yellow"}


def variants_table(report: RunReport, *, encoding: str = "utf-8") -> Table:
    """The table of variants for a rich console: `Console().print(variants_table(report))`.

    Args:
        report: what the run found.
        encoding: what the terminal can show; other characters are written as escapes.
    """
    from rich.table import Table
    from rich.text import Text

    rows = variant_rows(report)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("variant", overflow="fold", ratio=None, min_width=8)
    table.add_column("ran on", overflow="fold", min_width=8)
    # rich shortens the columns that may wrap; figures stay on one line
    table.add_column("latency", no_wrap=True)
    table.add_column(_safe(metric_heading(rows), encoding), justify="right", overflow="fold")
    table.add_column("drop", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", min_width=9)
    mixed = metric_heading(rows) == "metric"
    for row in rows:
        cells = [row.name, row.ran_on, row.latency, _metric_cell(row, mixed), "" if row.change == "-" else row.change]
        styled = [Text(_safe(cell, encoding)) for cell in cells]
        table.add_row(*styled, Text(row.verdict, style=_VERDICT_STYLE[row.word]))
    return table


def findings_table(findings: Sequence[Finding], *, encoding: str = "utf-8") -> Table:
    """Findings for a rich console, errors first: code, then message and remedy with a hanging indent."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding, folded in _fold(findings):
        words = " ".join(part for part in (_sentence(finding.message), _sentence(finding.remedy)) if part)
        line = Text(_safe(words, encoding))
        if folded:
            line.append(f" (+{folded} more, see the report)", style="dim")
        table.add_row(Text(finding.code, style=_STYLE[finding.severity]), line)
    return table


def findings_lines(findings: Sequence[Finding], width: int = 80, *, encoding: str = "utf-8") -> list[str]:
    """`findings_table` as plain lines: `EW301  message. remedy`."""
    return _plain([findings_table(findings, encoding=encoding)], width) if findings else []


def terminal_view(report: RunReport, *, encoding: str = "utf-8") -> Group:
    """Table, reasons and findings as one renderable for a rich console."""
    from rich.console import Group

    return Group(*_blocks(report, encoding))


def render_text(report: RunReport, width: int = 80, *, encoding: str = "utf-8") -> str:
    """Table, reasons and findings as plain text without colour, for files, pipes and dumb terminals.

    Args:
        report: what the run found.
        width: columns of the terminal.
        encoding: what the reader can show; ASCII gives escapes for other characters.
    """
    return "\n".join(_plain(list(_blocks(report, encoding)), width)) + "\n"


def closing_line(
    report: RunReport, *, bundle: str | None, report_path: str | None, seconds: float, toolchain_seconds: float = 0.0
) -> str:
    """The last line of a command: verdict, target, time and what of it the vendor took, where the results lie."""
    places = [f"{word}: {place}" for word, place in (("bundle", bundle), ("report", report_path)) if place]
    took = f"in {text.seconds(seconds)}"
    if toolchain_seconds >= 1:
        took += f" ({text.seconds(toolchain_seconds)} in the toolchain)"
    return "  ".join([report.verdict.word.upper(), text.clean(report.verdict.target), took, *places])


def _blocks(report: RunReport, encoding: str) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    if report.variants:
        yield variants_table(report, encoding=encoding)
    reasons = Table.grid(padding=(0, 2, 0, 0))
    reasons.add_column(no_wrap=True)
    reasons.add_column(overflow="fold")
    for row in variant_rows(report):
        if row.reasons:
            told = _sentence("; ".join(row.reasons))
            reasons.add_row(Text("fails", style="red"), Text(_safe(f"{row.name}: {told}", encoding)))
    if reasons.row_count:
        yield reasons
    for search in report.repairs:
        yield Text(_safe(repair_sentence(search), encoding))
    if report.findings:
        yield findings_table(report.findings, encoding=encoding)


def _fold(findings: Sequence[Finding]) -> Iterator[tuple[Finding, int]]:
    """Findings to show, each with the number of similar ones that the last of its code stands for."""
    ranked = sorted(findings, key=lambda finding: (ORDER[finding.severity], finding.code))
    for (severity, _), group in groupby(ranked, key=lambda finding: (finding.severity, finding.code)):
        same = list(group)
        shown = same[: SHOWN[severity]]
        for position, finding in enumerate(shown):
            last = position == len(shown) - 1
            yield finding, len(same) - len(shown) if last else 0


def _metric_cell(row: VariantRow, mixed: bool) -> str:
    return f"{row.metric_name} {row.metric}" if mixed and row.metric_name else row.metric


def _sentence(words: str) -> str:
    words = words.strip()
    return words if not words or words[-1] in ".!?:" else f"{words}."


def _safe(words: str, encoding: str) -> str:
    return text.encodable(text.clean(words), encoding)


def _plain(blocks: Iterable[RenderableType], width: int) -> list[str]:
    from rich.console import Console

    file = io.StringIO()
    console = Console(file=file, width=max(width, 40), no_color=True, color_system=None, highlight=False, markup=False)
    for block in blocks:
        console.print(block)
    return [line.rstrip() for line in file.getvalue().splitlines()]
