# Runs on a Paddle environment's Python 3.11.
"""A Paddle program to ONNX, by paddle2onnx. `worker_side` is put on the path by the host."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import programs  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]


def convert(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights", "onnx", "opset"} to {"bytes", "versions"}; the opset may come out higher.

    paddle2onnx raises the opset by itself where an op asks for it. Its optimiser is left off: it installs packages from
    the network when it lacks some, and preparation simplifies the graph anyway.
    """
    importlib.import_module("paddle")  # first: it brings the module `packaging` into reach, which paddle2onnx 2 lacks
    paddle2onnx = importlib.import_module("paddle2onnx")
    known = inspect.signature(paddle2onnx.export).parameters
    wanted = {
        "opset_version": int(arguments["opset"]),
        "auto_upgrade_opset": True,
        "enable_onnx_checker": True,
        "enable_optimize": False,
        "verbose": True,
    }
    options = {name: value for name, value in wanted.items() if name in known}
    paddle2onnx.export(arguments["program"], arguments["weights"], arguments["onnx"], **options)
    written = Path(arguments["onnx"])
    if not written.is_file() or not written.stat().st_size:
        raise RuntimeError("paddle2onnx wrote no file")
    return {"bytes": written.stat().st_size, "versions": programs.versions()}


if __name__ == "__main__":
    main({"convert": convert})
