# Runs on TPU-MLIR's Python 3.10.
"""Runs on this processor: the lowered module in TPU-MLIR's interpreter, and the chip's file on the simulated chip.

Inputs come as one .npz, an array of samples for each input, and outputs go as one .npz, likewise.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def lowered(arguments: dict[str, Any]) -> dict[str, Any]:
    """A module over samples: {"module", "inputs", "outputs", "names"} to {"names"}.

    `names` are tensors to keep; without it the module's outputs are kept. Values are real: codes are dequantised.
    """
    interpreter = importlib.import_module("pymlir")
    if hasattr(interpreter, "set_mem_mode"):  # new versions can drop inner tensors; all are wanted
        interpreter.set_mem_mode("value_mem")
    module = interpreter.module()
    module.load(arguments["module"])
    wanted = arguments.get("names") or list(module.output_names)
    kept: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}
    for sample in _samples(arguments["inputs"], list(module.input_names)):
        for name, values in sample.items():
            _feed(module, name, values.astype(np.float32))
        _invoke(module)
        tensors = module.get_all_tensor()
        for name, found in kept.items():
            if name not in tensors:
                raise KeyError(f"the module has no tensor {name!r}")
            found.append(np.array(tensors[name], np.float32))
    return _save(arguments["outputs"], kept)


def alone(arguments: dict[str, Any]) -> dict[str, Any]:
    """Ops of a module by themselves: {"module", "values", "names", "steps"} to {"squares"}.

    `values` is an .npz of real values, `v0` of the first tensor of `names` and so on; `steps` says for each tensor what
    is set and run to compute it. What is set is put on its own grid by the interpreter. The answer is the sum of the
    squared differences of each tensor from its value.
    """
    interpreter = importlib.import_module("pymlir")
    if hasattr(interpreter, "set_mem_mode"):
        interpreter.set_mem_mode("value_mem")
    module = interpreter.module()
    module.load(arguments["module"])
    squares: dict[str, float] = {}
    with np.load(arguments["values"], allow_pickle=False) as arrays:
        places = {name: f"v{index}" for index, name in enumerate(arguments["names"])}
        for tensor, steps in arguments["steps"].items():
            for step in steps:
                if step[0] == "set":
                    _feed(module, step[1], arrays[places[step[2]]])
                else:
                    module.invoke_at(step[1])
            found = np.array(module.get_fp32_tensor(steps[-1][1]), np.float64)
            squares[tensor] = float(np.square(found.ravel() - arrays[places[tensor]].ravel()).sum())
    return {"squares": squares}


def chip(arguments: dict[str, Any]) -> dict[str, Any]:
    """The chip's file over samples, on the vendor's model of the chip: {"module", "inputs", "outputs"} to {"names"}."""
    runner = _runner()
    kept: dict[str, list[NDArray[Any]]] = {}
    for sample in _samples(arguments["inputs"], None):
        for name, values in runner.model_inference(sample, arguments["module"], False).items():
            kept.setdefault(name, []).append(np.array(values, np.float32))
    return _save(arguments["outputs"], kept)


def _runner() -> Any:
    try:
        return importlib.import_module("tpu_mlir.python.tools.model_runner")
    except ImportError:  # old versions have their folders on the path
        return importlib.import_module("tools.model_runner")


def _invoke(module: Any) -> None:
    """New versions want to know whether codes are to become real values; old ones always do that."""
    try:
        module.invoke(True)
    except TypeError:
        module.invoke()


def _feed(module: Any, name: str, values: NDArray[Any]) -> None:
    """New versions want the shape of an input beside its values."""
    try:
        module.set_tensor(name, values, values.shape)
    except TypeError:
        module.set_tensor(name, values)


def _save(path: str, kept: dict[str, list[NDArray[Any]]]) -> dict[str, Any]:
    arrays: dict[str, Any] = {f"t{index}": np.stack(values) for index, values in enumerate(kept.values())}
    np.savez(path, **arrays)
    return {"names": list(kept)}


def _samples(path: str, names: Sequence[str] | None) -> Iterator[Arrays]:
    """Samples of an .npz of stacked arrays named as the inputs, which `names` lists (None: any)."""
    with np.load(path, allow_pickle=False) as arrays:
        stacked = {name: arrays[f"x_{index}"] for index, name in enumerate(arrays["names"].tolist())}
    if names is not None and set(names) != set(stacked):
        raise KeyError(f"the module wants inputs {sorted(names)}, but got {sorted(stacked)}")
    for index in range(len(next(iter(stacked.values())))):
        yield {name: values[index] for name, values in stacked.items()}
