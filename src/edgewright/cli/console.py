"""What the command line prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgewright.errors import EdgewrightError
from edgewright.workflow.progress import Progress, Quiet


def out(text: str = "") -> None:
    """A line of result."""
    sys.stdout.write(f"{_printable(text, sys.stdout)}\n")


def err(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(f"{_printable(text, sys.stderr)}\n")


def out_json(data: Any) -> None:
    """One JSON object on standard output."""
    import json

    sys.stdout.write(json.dumps(data, indent=1, allow_nan=False) + "\n")


def show_error(error: EdgewrightError) -> None:
    """What, where, why, what to do; no traceback."""
    err(f"edgewright: {error}")


def progress(*, quiet: bool = False) -> Progress:
    """Bars on a terminal, nothing elsewhere."""
    return Quiet() if quiet or not sys.stderr.isatty() else _Bars()


class _Bars:
    """A bar for each step, on standard error; it leaves no line behind."""

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn()]
        bars = RichProgress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
        with bars:
            task = bars.add_task(name, total=total)
            yield lambda: bars.advance(task)


def _printable(text: str, stream: Any) -> str:
    """Characters that the stream cannot show become escapes: a C locale must not end a run in a traceback."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
