"""The command line in this process, in a folder of its own with a model and images, and what it must leave as it was."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import run_app
from tests.cli import zoo

Save = Callable[[str, Any], str]


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as one JSON value, and nothing else there."""
        return json.loads(self.out)


class Cli:
    """Runs commands in `folder`; an exception that is not an answer fails the test with its traceback."""

    def __init__(self, folder: Path, temp: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.folder, self.temp = folder, temp
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str | Path) -> Answer:
        self._monkeypatch.setattr(sys, "argv", ["edgewright", *map(str, words)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_app()
        told = self._capsys.readouterr()
        assert "Traceback" not in told.err
        return Answer(int(ended.value.code or 0), told.out, told.err)

    def refused(self, *words: str | Path, status: int = 2) -> dict[str, str]:
        """The error of a command that must end in one, said to a person and as JSON, with nothing left behind."""
        before = self.tree()
        answer = self(*words)
        assert answer.status == status, answer
        assert answer.out == ""
        assert self.tree() == before
        machine = self(*words, "--json")
        assert machine.status == status
        assert self.tree() == before
        assert machine.data["verdict"] == "error"
        error: dict[str, str] = machine.data["error"]
        assert set(error) == {"what", "where", "why", "do"}
        assert error["what"]
        assert answer.err.startswith(f"edgewright: {error['what']}\n")
        assert machine.err == answer.err
        return error

    def tree(self, folder: Path | None = None) -> Mapping[str, int]:
        """Every file with the time of its last change, hidden ones and those for temporary use too."""
        roots = [folder] if folder else [self.folder, self.temp]
        return {
            str(path): path.stat().st_mtime_ns if path.is_file() else 0 for root in roots for path in root.rglob("*")
        }


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, images and labels that no test changes."""
    folder = tmp_path_factory.mktemp("given")
    zoo.write_images(folder / "val", 6)
    zoo.write_images(folder / "cal", 6, seed=1)
    return folder


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[Cli]:
    """The command line in an empty folder. COLUMNS is wide, so that no message is wrapped."""
    folder, temp = tmp_path / "work", tmp_path / "temp"
    folder.mkdir()
    temp.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    yield Cli(folder, temp, monkeypatch, capsys)
    assert not list(temp.iterdir()), "temporary files were left"
    assert not [path for path in folder.rglob("*") if ".partial" in path.name], "half-done work was left"


@pytest.fixture
def model(cli: Cli) -> str:
    """A detector in the working folder."""
    (cli.folder / "m.onnx").write_bytes(zoo.detector().data)
    return "m.onnx"
