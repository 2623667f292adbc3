"""Console and Python blocks of a Markdown file, with what the page says about running them.

A comment before a block says what is special about it: `<!-- slow: why -->` is run only with the slow tests,
`<!-- not run: why -->` never.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PRINTS = "# prints:"
_FENCE = re.compile(r"^```(\w*)\s*$")
_MARK = re.compile(r"^<!-- (slow|not run): (.+) -->$")


@dataclass
class Step:
    """A command with the lines that the page shows below it.

    Attributes:
        text: the command without its prompt, continuation lines joined.
        shown: the command's own lines, as the page has them.
        expected: output lines; a line `...` stands for any number of lines.
        line: line number of the prompt, from 1.
    """

    text: str
    shown: list[str]
    expected: list[str] = field(default_factory=list)
    line: int = 0


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: the word behind the fence.
        lines: what is between the fences.
        start: line number of the opening fence, from 1.
        mark: "", "slow" or "not run".
    """

    language: str
    lines: tuple[str, ...]
    start: int
    mark: str = ""

    def steps(self) -> list[Step]:
        """Commands of a console block, in order."""
        found: list[Step] = []
        rest = iter(enumerate(self.lines, self.start + 1))
        for number, line in rest:
            if not line.startswith("$ "):
                assert found, f"line {number}: output before any command"
                found[-1].expected.append(line)
                continue
            shown = [line]
            while shown[-1].endswith("\\"):
                shown.append(next(rest)[1])
            text = " ".join(part.removeprefix("$ ").rstrip("\\").strip() for part in shown)
            found.append(Step(text, shown, line=number))
        return found


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page."""
    mark, language, start = "", "", 0
    lines: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if lines is not None and line == "```":
            yield Block(language, tuple(lines), start, mark)
            lines, mark = None, ""
        elif lines is not None:
            lines.append(line)
        elif fence:
            language, start, lines = fence[1], number, []
        elif line.strip():
            told = _MARK.match(line)
            mark = told[1] if told else ""
    assert lines is None, f"the block of line {start} has no end"
