"""Finding a Python that a toolchain runs on, among all that are on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.errors import ToolchainError, UserError
from edgewright.toolchains.uv import Tell, run_uv

_ASK = (
    "import json,platform,struct,sys;"
    "print(json.dumps([platform.python_version(),platform.python_implementation(),struct.calcsize('P')*8]))"
)
_SECONDS = 20.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that really runs.

    Attributes:
        path: its executable.
        version: full version ("3.10.13").
        source: where it was found.
    """

    path: Path
    version: str
    source: str

    @property
    def minor(self) -> str:
        """Major and minor version ("3.10")."""
        return ".".join(self.version.split(".")[:2])


def find_interpreter(wanted: Sequence[str], folder: Path, named: Path | None = None) -> Interpreter | None:
    """An interpreter of the first minor version in `wanted` that is on this machine.

    Looked for in this order: this process's own, `python3.X` on PATH, pyenv's versions, uv's own. A file that has the
    right name but does not run (pyenv's shim of a version that is not selected) is passed over.

    Args:
        wanted: minor versions, best first.
        folder: a folder to work in.
        named: the one that the user named; nothing else is tried then.

    Raises:
        UserError: `named` does not run or has another version.
    """
    if named is not None:
        return _check_named(named, wanted)
    managed: list[tuple[str, Path]] | None = None
    for minor in wanted:
        for source, path in _candidates(minor):
            if found := _try(path, minor, source):
                return found
        if managed is None:
            managed = list(_managed(folder))
        for version, path in managed:
            if _minor(version) == minor and (found := _try(path, minor, "uv")):
                return found
    return None


def fetch_interpreter(wanted: Sequence[str], folder: Path, tell: Tell) -> Interpreter:
    """Let uv fetch a Python of the first version in `wanted`.

    Raises:
        ToolchainError: it cannot; the message tells what else there is to do.
    """
    tell(f"no Python {' or '.join(wanted)} on this machine: fetching one with uv")
    try:
        run_uv(["python", "install", wanted[0]], folder, tell, UV_PYTHON_DOWNLOADS="manual")
    except ToolchainError as error:
        raise ToolchainError(
            f"there is no Python {' or '.join(wanted)} on this machine, and uv could not fetch one",
            why=error.why,
            todo=f"install Python {wanted[0]} (from your distribution, or `pyenv install {wanted[0]}`), or name one"
            " with --python PATH",
        ) from error
    for version, path in _managed(folder):
        if _minor(version) == wanted[0] and (found := _try(path, wanted[0], "uv")):
            return found
    raise ToolchainError(
        f"uv fetched Python {wanted[0]}, but it does not run", todo="name another one with --python PATH"
    )


def look_at(path: Path, source: str) -> Interpreter | None:
    """The interpreter behind `path`, or None when it does not run or is no 64-bit CPython."""
    try:
        done = subprocess.run(
            [str(path), "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
        version, kind, bits = json.loads(done.stdout)
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, version, source) if kind == "CPython" and bits == 64 else None


def _check_named(path: Path, wanted: Sequence[str]) -> Interpreter:
    path = path.expanduser()
    if path.is_dir():  # a virtual environment or an installation's folder
        path = path / "bin" / "python"
    found = look_at(path.absolute(), "--python")
    if found is None:
        raise UserError("this Python does not run", where=str(path), todo="name the executable of a 64-bit CPython")
    if found.minor not in wanted:
        raise UserError(
            f"the toolchain needs Python {' or '.join(wanted)}, this is {found.version}",
            where=str(path),
            todo="name another one, or leave --python out and let Edgewright look for one",
        )
    return found


def _try(path: Path, minor: str, source: str) -> Interpreter | None:
    found = look_at(path, source)
    return found if found is not None and found.minor == minor else None


def _candidates(minor: str) -> Iterator[tuple[str, Path]]:
    """Files that may be a Python of this version, each once."""
    seen: set[str] = set()
    for source, places in _PLACES.items():
        for path in places(minor):
            if str(path) not in seen and path.is_file():
                seen.add(str(path))
                yield source, path


def _own(minor: str) -> list[Path]:
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    # the base: an environment made from another one's Python breaks when that one is deleted
    return [Path(getattr(sys, "_base_executable", None) or sys.executable)] if minor == mine else []


def _on_path(minor: str) -> list[Path]:
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    found = [shutil.which(f"python{minor}", path=folder) for folder in folders]
    return [Path(entry) for entry in found if entry]


def _pyenv(minor: str) -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders = [folder for folder in root.glob(f"{minor}.*") if re.fullmatch(r"[\d.]+", folder.name)]
    newest_first = sorted(folders, key=lambda folder: [int(n) for n in folder.name.split(".") if n], reverse=True)
    return [folder / "bin" / "python" for folder in newest_first]


_PLACES: dict[str, Callable[[str], list[Path]]] = {"this process": _own, "PATH": _on_path, "pyenv": _pyenv}


def _managed(folder: Path) -> Iterator[tuple[str, Path]]:
    """Versions and paths of the Pythons that uv keeps for itself."""
    arguments = ["python", "list", "--only-installed", "--managed-python", "--output-format", "json"]
    for entry in json.loads(run_uv(arguments, folder, lambda _: None) or "[]"):
        if entry.get("path"):
            yield entry["version"], Path(entry["path"])


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
