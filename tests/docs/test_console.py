"""Commands and Python of README and docs, run as a reader would, page by page."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.docs.loosely import mismatch, words
from tests.docs.terminal import Terminal, make_recipe

pytestmark = pytest.mark.timeout(600)  # the first page waits for `make demo`


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def of(page: Path, language: str, *marks: str) -> list[Block]:
    found = blocks(page.read_text(encoding="utf-8"))
    return [block for block in found if block.language == language and block.mark in marks]


def follow(page: Path, terminal: Terminal, *marks: str) -> None:
    for block in of(page, "console", *marks):
        steps = block.steps()
        asked = {place - 1 for place, step in enumerate(steps) if step.text == "echo $?"}
        for place, step in enumerate(steps):
            answer = terminal(step.text)
            where = f"{named(page)}:{step.line}: {step.text}"
            assert answer.status == 0 or place in asked, f"{where} ended with {answer.status}\n{answer.text}"
            problem = mismatch(step.expected, answer.lines)
            assert not problem, f"{where}\n{problem}\nrefresh the page with `python -m tests.docs.update`"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_do_what_the_page_shows(page: Path, terminal: Terminal) -> None:
    follow(page, terminal, "")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if of(page, "console", "slow")], ids=named)
def test_slow_commands_do_what_the_page_shows(page: Path, terminal: Terminal) -> None:
    follow(page, terminal, "", "slow")


@pytest.mark.parametrize("page", [page for page in PAGES if of(page, "python", "")], ids=named)
def test_python_of_a_page_runs(page: Path, terminal: Terminal) -> None:
    names: dict[str, Any] = {}
    with terminal.inside(), contextlib.redirect_stdout(io.StringIO()):
        for block in of(page, "python", ""):
            exec(compile("\n".join(block.lines), f"{named(page)}:{block.start}", "exec"), names)


def test_pages_hold_something_to_run() -> None:
    run = sum(len(block.steps()) for page in PAGES for block in of(page, "console", ""))
    left = sum(len(block.steps()) for page in PAGES for block in of(page, "console", "not run"))
    assert run > 20
    assert left < run / 2  # some take a toolchain that is not installed here


def test_the_comparison_sees_what_it_must() -> None:
    page = ["float  AP 60.1  reference", "...", "PASSED  in 3.1 s"]
    assert not mismatch(page, ["float   AP 59.9", "reference", "EW501  only here.", "       and here", "PASSED in 9 s"])
    assert mismatch(page, ["float  AP 60.1  reference", "FAILED  in 3.1 s"])
    assert mismatch(page, ["int8  AP 60.1  reference", "PASSED  in 3.1 s"])
    assert mismatch(["a"], ["a", "b"])
    assert mismatch(["a", "..."], ["b", "a"])
    assert not mismatch(["...", "b"], ["a", "b"])
    assert not mismatch(["a", "...", "c", "..."], ["a", "b", "c", "d"])
    assert not mismatch(["PASSED  in 94 s"], ["PASSED  in 2 min 5 s"])
    assert words(["int8 0.5 ms of EW301, 1e-3"]) == ["int8", "#", "ms", "of", "EW301,", "#"]


def test_make_targets_are_told_from_none() -> None:
    assert any("edgewright deploy" in line for line in make_recipe("demo"))
    with pytest.raises(LookupError, match="no target nonsense"):
        make_recipe("nonsense")
