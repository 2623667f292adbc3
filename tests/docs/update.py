"""Writes what the commands of README and docs really print into the pages: `python -m tests.docs.update [PAGE...]`.

Lines that a page leaves out (`...`) stay left out where the lines around them still fit; a block whose shape changed, or
that is nothing but `...`, is written whole, for a person to cut.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.docs.blocks import PAGES, ROOT, Block, Step, blocks
from tests.docs.findings_page import PAGE, findings_page
from tests.docs.loosely import ELISION, words
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
    """Actual lines in the shape of the page: by chunks between elisions, found by their masked words."""
    if step.expected == [ELISION]:
        return list(actual)
    found: list[str] = []
    at, eliding = 0, False
    for line in step.expected:
        if line.strip() == ELISION:
            eliding = True
            found.append(line)
            continue
        match = next((n for n in range(at, len(actual)) if words([actual[n]]) == words([line])), None)
        if match is None or (match != at and not eliding):
            return list(actual)
        found.append(actual[match])
        at, eliding = match + 1, False
    return found


def main(names: Sequence[str]) -> None:
    """Rewrite the pages named, or all."""
    pages = [ROOT / name for name in names] or list(PAGES)
    PAGE.write_text(findings_page(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        terminal = Terminal(Path(folder))
        terminal("make demo")
        for page in pages:
            text = refreshed(page.read_text(encoding="utf-8"), terminal)
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
