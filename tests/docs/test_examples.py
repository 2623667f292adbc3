"""Every example runs, in order, and prints what its comments say."""

from __future__ import annotations

import contextlib
import io
import runpy
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.docs.loosely import mismatch
from tests.docs.terminal import Terminal

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
_PRINTS = "# prints:"


def promised(path: Path) -> list[str]:
    """What the comment at the end of an example says that it prints."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert _PRINTS in lines, f"{path.name} does not say what it prints"
    return [line.removeprefix("#").removeprefix(" ") for line in lines[lines.index(_PRINTS) + 1 :]]


def test_examples_are_numbered() -> None:
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02d}_" for number in range(1, len(EXAMPLES) + 1)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_it_says(path: Path, terminal: Terminal) -> None:
    said = io.StringIO()
    with terminal.inside(), contextlib.redirect_stdout(said):
        runpy.run_path(str(path), run_name="__main__")
    problem = mismatch(promised(path), said.getvalue().rstrip("\n").split("\n"))
    assert not problem, problem
