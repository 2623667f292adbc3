# Runs on TPU-MLIR's Python 3.10.
"""Run a tool script, with the files of some endings safe from it: `launch.py ENDINGS SCRIPT ARGUMENTS...`.

`model_deploy.py` deletes the weights of the quantised module when it is done, and without them the module that the
chip's file was made from cannot be run any more. Its --debug would keep them, but also puts debugging data into the
chip's file.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from typing import Any


def keeping(endings: tuple[str, ...], remove: Callable[..., None]) -> Callable[..., None]:
    """`os.remove`, but for files of these endings."""

    def careful(path: Any, *arguments: Any, **options: Any) -> None:
        if not os.fspath(path).endswith(endings):
            remove(path, *arguments, **options)

    return careful


if __name__ == "__main__":
    kept = tuple(part for part in sys.argv[1].split(os.pathsep) if part)
    if kept:
        os.remove = keeping(kept, os.remove)
    script = sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    sys.path[0] = os.path.dirname(script)  # noqa: PTH120 - what Python itself puts there
    runpy.run_path(script, run_name="__main__")
