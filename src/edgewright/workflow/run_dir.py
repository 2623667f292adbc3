"""The run directory: each stage's result under the hash of all that it depends on.

A stage works in a folder of its own whose name begins with a dot; only when everything is written does the folder take
its final name, in one step. So a result is there whole or not at all, whenever the process is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgewright.errors import OutputError, UserError
from edgewright.files import digest_of, explained_write_errors, write_json_atomic
from edgewright.toolchains.clock import ToolClock, tool_clock
from edgewright.verify.results import StageTime

_DONE = "done.json"
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class StageResult:
    """What a stage left: JSON data, a folder with files, and whether it had been computed before."""

    data: dict[str, Any]
    folder: Path
    reused: bool


class RunDir:
    """A directory that keeps stage results.

    Use `RunDir.open`, which also makes sure that no other process works in it.
    """

    def __init__(self, path: Path, tools: ToolClock | None = None) -> None:
        self.path = path
        self.tools = tools or ToolClock()
        self.times: list[StageTime] = []

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[RunDir]:
        """Create or reopen the directory, hold its lock, and sweep what a killed run left half done.

        A directory that this run made goes away again when the run gives no result and no log, or is refused for what
        the user gave; on a full disk or after Ctrl-C finished stages stay, for the next run to start from.

        Raises:
            OutputError: it cannot be written, holds something else, or another process works in it.
        """
        made = _missing(path)
        _check_place(path)
        held = refused = False
        with ExitStack() as stack:
            try:
                with explained_write_errors(path):
                    (path / "stages").mkdir(parents=True, exist_ok=True)
                    lock = stack.enter_context((path / ".lock").open("a+"))
                _take(lock, path)
                held = True
                for leftover in (path / "stages").glob(f"{_PARTIAL}*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                yield cls(path, stack.enter_context(tool_clock()))
            except UserError as error:
                refused = not isinstance(error, OutputError)
                raise
            finally:
                stack.close()
                if path in made and held and (refused or _holds_nothing(path)):
                    shutil.rmtree(path, ignore_errors=True)
                for folder in reversed(made):
                    with suppress(OSError):  # it holds something by now
                        folder.rmdir()

    def stage(self, name: str, key: Mapping[str, Any], compute: Callable[[Path], dict[str, Any]]) -> StageResult:
        """The result of a stage, computed unless it is there.

        Args:
            name: of the stage; part of the folder's name.
            key: everything that the result depends on, JSON types.
            compute: writes files into the folder that it is given and returns JSON data.
        """
        started = self._now()
        digest = digest_of({"stage": name, **key})
        final = self.path / "stages" / f"{_slug(name)}-{digest[:16]}"
        done = _read_done(final, digest)
        if done is not None:
            self._note(name, started, reused=True)
            return StageResult(done, final, True)
        with explained_write_errors(self.path):
            data = self._compute(final, digest, compute)
        self._note(name, started, reused=False)
        return StageResult(data, final, False)

    def log_of(self, name: str) -> Path:
        """Where the log of a stage that failed is kept; its folder is deleted."""
        return self.path / "logs" / f"{_slug(name)}.txt"

    def _compute(self, final: Path, digest: str, compute: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        work = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=final.parent))
        try:
            data = compute(work)
            write_json_atomic(work / _DONE, {"digest": digest, "data": data})
            if final.exists():
                shutil.rmtree(final)
            os.replace(work, final)  # noqa: PTH105 - Path.replace is the same call with another name
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        # through JSON, so that a first run and a resumed one see the same types
        return dict(json.loads((final / _DONE).read_text(encoding="utf-8"))["data"])

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), self.tools.seconds

    def _note(self, name: str, started: tuple[float, float, float], *, reused: bool) -> None:
        wall, cpu, tools = (round(now - then, 3) for now, then in zip(self._now(), started, strict=True))
        self.times.append(StageTime(name, wall, cpu, reused, tools))


def _holds_nothing(path: Path) -> bool:
    """Whether a run left neither a result nor the log of a tool that failed; somebody may have removed all of it."""
    return not any((path / "stages").glob("*")) and not (path / "logs").exists()


def _missing(path: Path) -> list[Path]:
    """Folders that making `path` would make, outermost first."""
    with explained_write_errors(path):
        return [folder for folder in (*reversed(path.parents), path) if not folder.exists()]


def _check_place(path: Path) -> None:
    """Refuse a folder of other things: a slip in --out must not write among, or over, someone's files."""
    with explained_write_errors(path):
        strange = path.is_dir() and not (path / "stages").is_dir() and any(path.iterdir())
    if strange:
        raise OutputError(
            "this folder is no run directory and is not empty",
            where=str(path),
            why="a run directory holds a folder named stages",
            todo="name a new or an empty folder with --out",
        )


def _read_done(folder: Path, digest: str) -> dict[str, Any] | None:
    try:
        stored = json.loads((folder / _DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return dict(stored["data"]) if stored.get("digest") == digest else None


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _take(lock: IO[str], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two runs in one directory are not kept apart there
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(
            "another edgewright process works in this run directory",
            where=str(path),
            todo="wait for it, or name another directory with --out",
        ) from None
