from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgewright.errors import ToolchainError, UserError
from edgewright.toolchains import interpreters
from edgewright.toolchains.interpreters import fetch_interpreter, find_interpreter
from tests.toolchains.conftest import MINOR


def fake(path: Path, version: str, kind: str = "CPython") -> Path:
    """A file that answers as an interpreter of this version."""
    return script(path, f"""echo '["{version}", "{kind}", 64]'""")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no other Python than this process's."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(interpreters, "_managed", lambda folder: iter(()))
    return tmp_path


def test_this_processs_own_python_comes_first(bare: Path) -> None:
    fake(bare / "bin" / f"python{MINOR}", f"{MINOR}.99")
    found = find_interpreter([MINOR], bare)
    assert found is not None
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.source == "this process"


def test_a_shim_that_does_not_run_is_passed_over(bare: Path) -> None:
    script(bare / "bin" / "python3.99", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
    assert find_interpreter(["3.99"], bare) is None
    fake(bare / "pyenv" / "versions" / "3.99.2" / "bin" / "python", "3.99.2")
    newest = fake(bare / "pyenv" / "versions" / "3.99.10" / "bin" / "python", "3.99.10")
    found = find_interpreter(["3.99"], bare)
    assert found is not None
    assert (found.path, found.version, found.source) == (newest, "3.99.10", "pyenv")


def test_what_lies_about_its_version_or_is_no_cpython_is_passed_over(bare: Path) -> None:
    fake(bare / "bin" / "python3.99", "3.98.0")
    fake(bare / "bin" / "python3.97", "3.97.0", kind="PyPy")
    script(bare / "bin" / "python3.96", "echo nonsense")
    assert find_interpreter(["3.99", "3.97", "3.96"], bare) is None


def test_versions_are_tried_in_order_of_preference(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(bare / "bin" / "python3.98", "3.98.1")
    found = find_interpreter(["3.99", "3.98"], bare)
    assert found is not None
    assert found.version == "3.98.1"
    managed = fake(bare / "uv" / "python", "3.99.0")
    monkeypatch.setattr(interpreters, "_managed", lambda folder: iter([("3.99.0", managed)]))
    found = find_interpreter(["3.99", "3.98"], bare)
    assert found is not None
    assert (found.version, found.source) == ("3.99.0", "uv")


def test_the_named_python_is_used_or_refused(bare: Path) -> None:
    good = fake(bare / "mine" / "bin" / "python", "3.99.1")
    for named in (good, good.parent.parent):
        found = find_interpreter(["3.99"], bare, named)
        assert found is not None
        assert found.path == good
    with pytest.raises(UserError, match=r"needs Python 3\.98, this is 3\.99\.1"):
        find_interpreter(["3.98"], bare, good)
    with pytest.raises(UserError, match="does not run"):
        find_interpreter(["3.99"], bare, bare / "none")


def test_what_cannot_be_fetched_is_told_with_what_to_do(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = script(bare / "uv", "echo 'error: Failed to fetch: dns error' >&2; exit 2")
    monkeypatch.setattr("edgewright.toolchains.uv.uv_binary", lambda: str(uv))
    said: list[str] = []
    with pytest.raises(ToolchainError, match=r"no Python 3\.99 or 3\.98 on this machine") as caught:
        fetch_interpreter(["3.99", "3.98"], bare, said.append)
    assert "dns error" in caught.value.why
    assert "--python PATH" in caught.value.todo
    assert said[0].startswith("no Python 3.99 or 3.98")
