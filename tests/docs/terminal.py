"""A terminal for the pages: a folder that looks like the checkout, in which commands leave nothing behind."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.cli.main import run_app
from tests.docs.blocks import ROOT

WIDTH = "110"  # what `edgewright` takes where there is no terminal
_SEEN = ("demo", "docs", "examples", "README.md", "Makefile")
_SHELL = {"cat", "cd", "cp", "head", "ls", "python", "sha256sum", "touch", "unzip"}


@dataclass(frozen=True)
class Answer:
    """Exit status and everything that was printed."""

    status: int
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.rstrip("\n").split("\n") if self.text.strip() else []


class Terminal:
    """Runs commands of the pages.

    Args:
        folder: an empty folder; gets links to what a page may name, and all that is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status = 0
        self.said: dict[str, Answer] = {}
        for name in _SEEN:
            (folder / name).symlink_to(ROOT / name)

    def __call__(self, command: str) -> Answer:
        """Run one command line as typed behind the prompt."""
        if command == "echo $?":
            return Answer(0, str(self.status))
        head, _, pipe = command.partition(" | ")
        program = shlex.split(head)[0]
        if program == "edgewright":
            answer = self.edgewright(*shlex.split(head)[1:])
        elif program == "make":
            answer = self._make(shlex.split(head)[1])
        else:
            assert program in _SHELL, f"{command}: say <!-- not run: why -->, or teach tests/docs/terminal.py"
            answer = self._shell(head)
        self.status = answer.status
        return self._shell(pipe, answer.text) if pipe else answer

    def edgewright(self, *arguments: str) -> Answer:
        """The command line in this process."""
        said = io.StringIO()
        told = contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)
        with self.inside(), _argv("edgewright", *arguments), told[0], told[1]:
            try:
                run_app()
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
        return Answer(status, said.getvalue())

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The folder as working directory."""
        before, columns = Path.cwd(), os.environ.get("COLUMNS")
        os.chdir(self.folder)
        os.environ["COLUMNS"] = WIDTH
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.pop("COLUMNS")
            if columns is not None:
                os.environ["COLUMNS"] = columns

    def _make(self, target: str) -> Answer:
        """What `make` prints; `edgewright` commands are run here and nothing else of the recipe is."""
        if target not in self.said:
            recipe = make_recipe(target)
            text, status = "\n".join(recipe) + "\n", 0
            typed = " ".join(line.rstrip("\\").strip() for line in recipe).replace(".venv/bin/", "")
            if typed.startswith("edgewright"):
                answer = self.edgewright(*shlex.split(typed)[1:])
                text, status = text + answer.text, answer.status
            self.said[target] = Answer(status, text)
        return self.said[target]

    def _shell(self, command: str, given: str = "") -> Answer:
        source = str(ROOT / "src")
        done = subprocess.run(
            ["bash", "-c", re.sub(r"^python\b", shlex.quote(sys.executable), command)],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            timeout=500,
            check=False,
            env={**os.environ, "COLUMNS": WIDTH, "PYTHONPATH": source},
        )
        return Answer(done.returncode, done.stdout)


def make_recipe(target: str) -> list[str]:
    """The commands of a target as `make` prints them.

    Raises:
        LookupError: the Makefile has no such target.
    """
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    start = next((place for place, line in enumerate(lines) if line.startswith(f"{target}:")), None)
    if start is None:
        raise LookupError(f"the Makefile has no target {target}")
    recipe = []
    for line in lines[start + 1 :]:
        if not line.startswith("\t"):
            break
        recipe.append(line.removeprefix("\t").replace("$(BIN)", ".venv/bin"))
    return recipe


@contextlib.contextmanager
def _argv(*words: str) -> Iterator[Any]:
    before = sys.argv
    sys.argv = list(words)
    try:
        yield
    finally:
        sys.argv = before
