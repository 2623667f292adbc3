"""The command line in this process, in a folder of its own that it must leave as it was when it refuses."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import run_app
from edgewright.graph.model import Model
from tests.cli import zoo


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

    def save(self, name: str, content: Model | bytes | str) -> str:
        """Write a file into the working folder; its name."""
        data = content.data if isinstance(content, Model) else content
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return name


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector `m.onnx`, images and labels; never changed."""
    folder = tmp_path_factory.mktemp("given")
    zoo.write_images(folder / "val", 6)
    zoo.write_images(folder / "cal", 6, seed=1)
    (folder / "m.onnx").write_bytes(zoo.detector().data)
    return folder


@pytest.fixture
def cli(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[Cli]:
    """The command line in a copy of `given`. COLUMNS is wide, so that no message is wrapped."""
    folder, temp = tmp_path / "work", tmp_path / "temp"
    shutil.copytree(given, folder)
    temp.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    yield Cli(folder, temp, monkeypatch, capsys)
    assert not list(temp.iterdir()), "temporary files were left"
    assert not [path for path in folder.rglob("*") if ".partial" in path.name], "half-done work was left"


@pytest.fixture(scope="session")
def deployed(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a deploy that passed; never changed."""
    from edgewright import deploy

    path = tmp_path_factory.mktemp("deployed") / "run"
    run = deploy(given / "m.onnx", images=given / "val", labels=given / "val.json", calibration=given / "cal", out=path)
    assert run.verdict == "passed"
    return path


@pytest.fixture
def bundle(deployed: Path, cli: Cli) -> Path:
    """A copy of its bundle, `b` in the working folder."""
    return Path(shutil.copytree(deployed / "bundle", cli.folder / "b")).relative_to(cli.folder)
