"""uv, the installer, as a child process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgewright.errors import OutputError, ToolchainError

Tell = Callable[[str], None]
_KEPT_LINES = 30
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FULL_DISK = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
_NO_NETWORK = (
    "dns error",
    "Failed to fetch",
    "error sending request",
    "Connection refused",
    "Network is unreachable",
    "tcp connect error",
    "network connectivity is disabled",
)
_NO_PACKAGE = ("No solution found", "was not found in the package registry", "was not found in the cache")


def uv_binary() -> str:
    """Path of uv: the one that was installed with Edgewright, else one on PATH.

    Raises:
        ToolchainError: there is none.
    """
    try:
        import uv

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        pass
    found = shutil.which("uv")
    if found is None:
        raise ToolchainError(
            "uv is missing, which makes the toolchains' environments",
            why="it is installed together with Edgewright, but is not there",
            todo="pip install uv",
        )
    return found


def run_uv(arguments: Sequence[str], folder: Path, tell: Tell, **variables: str) -> str:
    """Run uv in `folder`; lines that it says of its work go to `tell`.

    Args:
        variables: added to the environment; Python downloads are off unless they say otherwise.

    Returns:
        What it wrote on standard output.

    Raises:
        OutputError: the disk is full.
        ToolchainError: it failed.
    """
    said: list[str] = []
    command = [uv_binary(), *arguments]
    # Standard output goes to a file: two pipes read one after the other can block each other.
    output = folder / ".uv-output"
    with (
        output.open("w+b") as stdout,
        subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        try:
            for line in process.stderr or ():
                text = _COLOURS.sub("", line).rstrip()
                if text:
                    said.append(text)
                    tell(text)
            status = process.wait()
        except BaseException:
            _kill(process)
            raise
        finally:
            output.unlink(missing_ok=True)
        stdout.seek(0)
        answer = stdout.read().decode("utf-8", "replace")
    if status != 0:
        raise _failure(arguments, status, said, folder)
    return answer


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_PROGRESS": "0", **variables}


def _kill(process: subprocess.Popen[str]) -> None:
    """The whole group: uv has children of its own when it builds or runs an interpreter."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failure(arguments: Sequence[str], status: int, said: list[str], folder: Path) -> OutputError | ToolchainError:
    text = "\n".join(said[-_KEPT_LINES:])
    if any(sign in text for sign in _FULL_DISK):
        return OutputError(
            "the disk is full",
            where=str(folder.parent),
            todo="free some space, or name a folder on another disk with EDGEWRIGHT_CACHE; uv's own cache can be"
            " emptied with `uv cache clean`",
        )
    if any(sign in text for sign in _NO_PACKAGE):
        todo = "check that the package index that uv is set to has these packages"
    elif any(sign in text for sign in _NO_NETWORK):
        todo = "check the network, a proxy (HTTPS_PROXY) or an index of your own (UV_DEFAULT_INDEX), then try again"
    else:
        todo = "see what uv says above"
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ToolchainError(f"`uv {' '.join(arguments[:2])}` failed ({how})", why=text or "it said nothing", todo=todo)
