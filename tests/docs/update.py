"""Refreshes README, docs and examples: what commands and examples really print, the page of findings, the picture.

`python -m tests.docs.update [PAGE|EXAMPLE...]`, from the root of the checkout.

Lines that a page leaves out (`...`) stay left out where the lines around them still fit; a block whose shape changed,
or that is nothing but `...`, is written whole, for a person to cut.
"""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.docs.blocks import EXAMPLES, PAGES, PRINTS, ROOT, Block, Step, blocks
from tests.docs.findings_page import PAGE, findings_page
from tests.docs.loosely import ELISION, split, words
from tests.docs.picture import PICTURE, picture
from tests.docs.terminal import Terminal


def refreshed(page: str, terminal: Terminal) -> str:
    """The page with the output of every command that it runs."""
    lines = page.splitlines()
    run = [block for block in blocks(page) if block.language == "console" and block.mark != "not run"]
    written = [_block(block, terminal) for block in run]
    for block, output in reversed(list(zip(run, written, strict=True))):
        lines[block.start : block.start + len(block.lines)] = output
    return "\n".join(lines) + "\n"


def _block(block: Block, terminal: Terminal) -> list[str]:
    lines: list[str] = []
    for step in block.steps():
        lines += [*step.shown, *_output(step, terminal(step.text).lines)]
    return lines


def _output(step: Step, actual: Sequence[str]) -> list[str]:
    """Actual lines in the shape of the page: chunk by chunk between elisions, found by their masked words."""
    chunks = split(step.expected)
    if step.expected == [ELISION]:
        return list(actual)
    found, at = list[str](), 0
    for place, chunk in enumerate(chunks):
        wanted = [words([line]) for line in chunk]
        starts = range(at, len(actual) + 1) if place else [0]
        start = next((n for n in starts if [words([line]) for line in actual[n : n + len(chunk)]] == wanted), None)
        if start is None:
            return list(actual)
        found += [ELISION] * bool(place) + list(actual[start : start + len(chunk)])
        at = start + len(chunk)
    return found if at == len(actual) or not chunks[-1] else list(actual)


def printed(example: Path, terminal: Terminal) -> list[str]:
    """What an example prints."""
    said = io.StringIO()
    with terminal.inside(), contextlib.redirect_stdout(said):
        runpy.run_path(str(example), run_name="__main__")
    return said.getvalue().rstrip("\n").split("\n")


def with_prints(text: str, lines: Sequence[str]) -> str:
    """An example with what it prints in the comment at its end."""
    code, _, _ = text.partition(f"{PRINTS}\n")
    return "\n".join([f"{code}{PRINTS}", *(f"# {line}".rstrip() for line in lines)]) + "\n"


def main(names: Sequence[str]) -> None:
    """Rewrite the pages and examples named, or all."""
    pages = [ROOT / name for name in names] or [*PAGES, *EXAMPLES]  # examples change the run directory
    PAGE.write_text(findings_page(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        terminal = Terminal(Path(folder))
        terminal("make demo")
        PICTURE.write_bytes(picture((terminal.folder / "runs/demo/report.html").read_text(encoding="utf-8")))
        for page in pages:
            text = page.read_text(encoding="utf-8")
            if page.suffix == ".py":
                page.write_text(with_prints(text, printed(page, terminal)), encoding="utf-8")
            else:
                page.write_text(refreshed(text, terminal), encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
