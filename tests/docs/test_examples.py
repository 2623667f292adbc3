"""Every example runs, in order, and prints what its comments say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import EXAMPLES, PRINTS
from tests.docs.loosely import mismatch
from tests.docs.terminal import Terminal
from tests.docs.update import printed, with_prints

pytestmark = pytest.mark.timeout(600)  # the first page waits for `make demo`


def promised(path: Path) -> list[str]:
    """What the comment at the end of an example says that it prints."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert PRINTS in lines, f"{path.name} does not say what it prints"
    return [line.removeprefix("#").removeprefix(" ") for line in lines[lines.index(PRINTS) + 1 :]]


def test_examples_are_numbered() -> None:
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02d}_" for number in range(1, len(EXAMPLES) + 1)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_it_says(path: Path, terminal: Terminal) -> None:
    problem = mismatch(promised(path), printed(path, terminal))
    assert not problem, problem


def test_refreshing_replaces_the_old_lines() -> None:
    once = with_prints("code()\n\n# prints:\n# old\n# older\n", ["new", ""])
    assert once == "code()\n\n# prints:\n# new\n#\n"
    assert with_prints(once, ["new", ""]) == once
