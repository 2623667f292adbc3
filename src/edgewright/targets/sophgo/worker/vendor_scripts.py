# Runs on TPU-MLIR's Python 3.10.
"""TPU-MLIR's tool scripts as children of this process. The host has set the variables that they need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class ToolFailed(Exception):
    """A tool script did not do what it should; the log holds what it said."""


def run(script: str, arguments: Sequence[str], keep: Sequence[str] = ()) -> None:
    """Run a tool script here; a script that dies by a signal takes this process with it, so that the host sees it.

    Args:
        script: name of the file in `python/tools`.
        keep: endings of files that the script must not delete.
    """
    path = Path(os.environ["TPUC_ROOT"]) / "python" / "tools" / script
    if not path.is_file():
        raise ToolFailed(f"this version of TPU-MLIR has no {script}")
    launcher = Path(__file__).resolve().parent / "launch.py"
    command = [sys.executable, str(launcher), os.pathsep.join(keep), str(path), *arguments]
    sys.stdout.write(f"[edgewright] {script} {' '.join(arguments)}\n")
    sys.stdout.flush()
    status = subprocess.call(command, stdin=subprocess.DEVNULL)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    if status:
        raise ToolFailed(f"{script} ended with status {status}")


def wanted(*names: str) -> tuple[str, ...]:
    """The files, which must be there and not be empty."""
    for name in names:
        if not Path(name).is_file() or Path(name).stat().st_size == 0:
            raise ToolFailed(f"{name} was not written, although the tool reported success")
    return names
