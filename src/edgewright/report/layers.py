"""An analysis for terminals: parts, the ranked table of tensors, regions, causes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.chips import ChipComparison
from edgewright.findings import Finding
from edgewright.report import text
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
from edgewright.report.table import ORDER, findings_table
from edgewright.report.vendor_blocks import chip_blocks, vendor_blocks

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

ROWS = 12
"""Rows of the ranked table that a terminal shows."""


def layers_view(
    analysis: Analysis, *, limit: int = ROWS, encoding: str = "utf-8", against: ChipComparison | None = None
) -> Group:
    """The analysis as one renderable for a rich console.

    Args:
        limit: rows of the ranked table.
        encoding: what the terminal can show; other characters are written as escapes.
        against: another chip beside this one.
    """
    from rich.console import Group

    return Group(*_blocks(analysis, limit, encoding, against))


def layers_text(
    analysis: Analysis,
    width: int = 80,
    *,
    limit: int = ROWS,
    encoding: str = "utf-8",
    against: ChipComparison | None = None,
) -> str:
    """The same as plain text without colour, for files, pipes and dumb terminals."""
    from rich.console import Console

    file = io.StringIO()
    console = Console(file=file, width=max(width, 40), no_color=True, color_system=None, highlight=False, markup=False)
    for block in _blocks(analysis, limit, encoding, against):
        console.print(block)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def layers_closing(analysis: Analysis, *, report_path: str, seconds: float) -> str:
    """The last line of the command: what the analysis says, time, and where the page lies."""
    word = "VOID" if analysis.is_void else "ANALYSED"
    return f"{word}  {text.clean(analysis.target)}  in {text.seconds(seconds)}  report: {report_path}"


def _blocks(analysis: Analysis, limit: int, encoding: str, against: ChipComparison | None) -> Iterator[RenderableType]:
    from rich.text import Text

    void = analysis.void
    if void:
        yield findings_table(void, encoding=encoding)
    for line in (measured_line(analysis), metric_line(analysis)):
        if line:
            yield Text(_safe(line, encoding))
    yield Text("")
    yield _parts(analysis, encoding)
    yield Text("")
    yield _tensors(analysis, limit, encoding)
    yield from _notes(analysis, limit, encoding)
    if analysis.effect_parts:
        yield Text("")
        yield _regions(analysis, encoding)
    yield Text("")
    if analysis.vendor is not None:
        yield from vendor_blocks(analysis, analysis.vendor, limit, encoding)
    if against is not None:
        yield from chip_blocks(against, limit, encoding)
    others = [finding for finding in analysis.findings if finding not in void]
    if others:
        yield from _findings(others, encoding)
        yield Text("")
    yield Text(_safe(summary_of(analysis), encoding), style="bold")


def _findings(findings: list[Finding], encoding: str) -> Iterator[RenderableType]:
    """Errors first, and otherwise as they stand: the worst cause before a milder one, whatever their codes are."""
    for finding in sorted(findings, key=lambda finding: ORDER[finding.severity]):
        yield findings_table([finding], encoding=encoding)


def _notes(analysis: Analysis, limit: int, encoding: str) -> Iterator[RenderableType]:
    from rich.text import Text

    hidden = len(analysis.owners()) - limit
    if hidden > 0:
        yield Text(f"{hidden} more in the report, or with --limit {len(analysis.owners())}", style="dim")
    for line in unknown_lines(analysis):
        yield Text(_safe(line, encoding))
    for error in analysis.tensors:
        for line in channel_lines(error) if error.channels else ():
            yield Text(_safe(line, encoding))


def _parts(analysis: Analysis, encoding: str) -> Table:
    from rich.text import Text

    table = _table()
    table.add_column("part", overflow="fold", min_width=8)
    for heading in ("as planned", "at 16 bits", "noticed from"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part, planned, wide, noticed, hurt in part_rows(analysis):
        style = "bold red" if hurt else "green"
        table.add_row(Text(_safe(part, encoding)), Text(planned, style=style), wide, noticed)
    return table


def _tensors(analysis: Analysis, limit: int, encoding: str) -> Table:
    from rich.text import Text

    table = _table()
    table.add_column("op", overflow="fold", min_width=12)
    for heading in ("type", "region"):
        table.add_column(heading, overflow="fold", min_width=6)
    headings = ["isolated", "accumulated", "weights", *(f"to {part}" for part in analysis.effect_parts)]
    for heading in headings:
        table.add_column(_safe(heading, encoding), justify="right", overflow="fold")
    for row in layer_rows(analysis)[:limit]:
        cells = [row.op, row.type, row.region, row.isolated, row.accumulated, row.weights, *row.effects]
        table.add_row(*(Text(_safe(cell, encoding)) for cell in cells))
    return table


def _regions(analysis: Analysis, encoding: str) -> Table:
    from rich.text import Text

    table = _table()
    table.add_column("region", no_wrap=True)
    for heading in ("ops", *(f"to {part}" for part in analysis.effect_parts)):
        table.add_column(_safe(heading, encoding), justify="right", overflow="fold")
    for name, ops, effects in region_rows(analysis):
        table.add_row(*(Text(cell) for cell in (name, ops, *effects)))
    return table


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")


def _safe(words: str, encoding: str) -> str:
    return text.encodable(text.clean(words), encoding)
