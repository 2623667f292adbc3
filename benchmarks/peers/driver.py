"""Environments of the peers, and runs of them as processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def peer_environment(folder: Path, requirements: str) -> Path:
    """The Python of an environment with the pinned packages of a file beside this one; made where it is not there yet.

    Args:
        folder: of the environment; kept, so that the next benchmark finds it.
        requirements: name of the file, "requirements-nncf.txt".

    Raises:
        subprocess.CalledProcessError: a package could not be installed; its output went to stderr.
    """
    wanted = (HERE / requirements).read_text(encoding="utf-8")
    done, python = folder / requirements, folder / "bin" / "python"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    uv = shutil.which("uv")
    make, install = [sys.executable, "-m", "venv"], [str(python), "-m", "pip", "install", "-q"]
    if uv:
        make = [uv, "venv", "-q", "--python", sys.executable]
        install = [uv, "pip", "install", "-q", "--python", str(python)]
    subprocess.run([*make, "--clear", str(folder)], check=True, stdout=sys.stderr)
    subprocess.run([*install, "-r", str(HERE / requirements)], check=True, stdout=sys.stderr)
    done.write_text(wanted, encoding="utf-8")
    return python


def run_peer(
    python: Path | str, script: str, arguments: Sequence[Path | str | float], result: Path, time_limit: float
) -> dict[str, Any]:
    """Runs a script of this folder; what it wrote as its result, or what ended it.

    Args:
        result: the JSON file that the script writes.
        time_limit: wall seconds after which the process is ended, well above the limit that the script keeps itself.

    Returns:
        The script's result; {"status": "failed", "message": ...} where it wrote none.
    """
    result.unlink(missing_ok=True)
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [str(part) for part in (python, HERE / script, *arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=time_limit)
    except subprocess.TimeoutExpired:
        return {"status": "failed", "message": f"still running after {time_limit:g} s, ended"}
    if not result.is_file():
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"status": "failed", "message": last[:300]}
    return dict(json.loads(result.read_text(encoding="utf-8")))
