"""A table in words, made once for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewright.report import text

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """Rows of words and figures.

    Attributes:
        columns: headings.
        words: how many of the first columns hold words; the others hold figures.
        rows: cells.
        intro: a sentence above it; may be empty.
    """

    columns: tuple[str, ...]
    words: int
    rows: tuple[tuple[str, ...], ...]
    intro: str = ""


def sheet_table(sheet: Sheet, encoding: str, limit: int | None = None) -> Table:
    """The sheet for a rich console; at most `limit` rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for index, heading in enumerate(sheet.columns):
        shown = text.encodable(text.clean(heading), encoding)
        table.add_column(shown, justify="left" if index < sheet.words else "right", overflow="fold")
    for row in sheet.rows[:limit]:
        table.add_row(*(Text(text.encodable(text.clean(cell), encoding)) for cell in row))
    return table
