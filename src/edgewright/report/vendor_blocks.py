"""A vendor's own tensors, and two chips side by side, for terminals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.chips import ChipComparison
from edgewright.diagnose.vendor_layers import VendorLayers
from edgewright.report import text
from edgewright.report.chips_rows import chips_kinds, chips_lines, chips_parts, chips_swaps, chips_worst
from edgewright.report.sheets import Sheet, sheet_table
from edgewright.report.vendor_rows import vendor_lines, vendor_parts, vendor_tensors

if TYPE_CHECKING:
    from rich.console import RenderableType


def vendor_blocks(analysis: Analysis, found: VendorLayers, limit: int, encoding: str) -> Iterator[RenderableType]:
    """Parts and tensors as the vendor's tool computes them; at most `limit` tensors."""
    yield from _sheet(vendor_parts(found), encoding)
    yield from _sheet(vendor_tensors(found, analysis), encoding, limit)
    yield from _lines(vendor_lines(found), encoding)


def chip_blocks(found: ChipComparison, limit: int, encoding: str) -> Iterator[RenderableType]:
    """The comparison; at most `limit` ops."""
    yield from _sheet(chips_parts(found), encoding)
    yield from _sheet(chips_swaps(found), encoding)
    yield from _sheet(chips_kinds(found), encoding)
    yield from _sheet(chips_worst(found), encoding, limit)
    yield from _lines(chips_lines(found), encoding)


def _sheet(sheet: Sheet, encoding: str, limit: int | None = None) -> Iterator[RenderableType]:
    from rich.text import Text

    if not sheet.rows:
        return
    if sheet.intro:
        yield Text(_safe(sheet.intro, encoding))
    yield sheet_table(sheet, encoding, limit)
    yield Text("")


def _lines(lines: list[str], encoding: str) -> Iterator[RenderableType]:
    from rich.text import Text

    for line in lines:
        yield Text(_safe(line, encoding))
    if lines:
        yield Text("")


def _safe(words: str, encoding: str) -> str:
    return text.encodable(text.clean(words, longest=1000), encoding)
