# Runs on a Paddle environment's Python 3.11.
"""A Paddle program to ONNX, by paddle2onnx. `worker_side` is put on the path by the host."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import programs  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]

_LIST, _DOUBLE, _FLOAT = "0.a_array", "0.a_f64", "0.a_f32"
"""Types of attributes in Paddle 3's JSON."""


def convert(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights", "onnx", "opset"} to {"bytes", "narrowed", "versions"}; the opset may come out higher.

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
    program, narrowed = _narrowed(arguments["program"])
    paddle2onnx.export(program, arguments["weights"], arguments["onnx"], **options)
    written = Path(arguments["onnx"])
    if not written.is_file() or not written.stat().st_size:
        raise RuntimeError("paddle2onnx wrote no file")
    return {"bytes": written.stat().st_size, "narrowed": narrowed, "versions": programs.versions()}


def _narrowed(program: str) -> tuple[str, int]:
    """A program that paddle2onnx can read, and how many attributes had to be changed for it.

    Paddle 3.3 writes lists of factors, as of a Resize, as doubles; paddle2onnx 2.1 knows them as floats and gives up.
    """
    if not program.endswith(programs.PIR_SUFFIX):
        return program, 0
    data = json.loads(Path(program).read_text(encoding="utf-8"))
    count = _narrow(data)
    if not count:
        return program, 0
    copy = Path("narrowed.json")
    copy.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
    return str(copy), count


def _narrow(data: Any) -> int:
    """Turn lists of doubles into lists of floats, in place; how many there were."""
    if isinstance(data, list):
        return sum(map(_narrow, data))
    if not isinstance(data, dict):
        return 0
    values: Any = data.get("D")
    filled = data.get("#") == _LIST and isinstance(values, list) and bool(values)
    if filled and all(isinstance(value, dict) and value.get("#") == _DOUBLE for value in values):
        values[:] = [{**value, "#": _FLOAT} for value in values]
        return 1
    return sum(map(_narrow, data.values()))


if __name__ == "__main__":
    main({"convert": convert})
