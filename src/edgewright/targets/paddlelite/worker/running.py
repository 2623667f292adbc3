# Runs on Paddle Lite's Python 3.7 or 3.9.
"""An `.nb` file over samples, and how long it takes.

Inputs come as one .npz, an array of samples for each input of the file, by its number: `x0`, `x1`...; outputs go as one
.npz, `y0`, `y1`... Nothing here asks whether the file belongs on this processor: the runtime does not notice, and the
host has looked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WARM_RUNS = 3


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"file", "inputs", "outputs", "fetches"} to {"samples"}; `fetches` is the number of outputs."""
    predictor = _predictor(arguments["file"])
    found: list[list[NDArray[Any]]] = []
    for sample in _samples(arguments["inputs"]):
        _feed(predictor, sample)
        predictor.run()
        found.append(_fetch(predictor, arguments["fetches"]))
    outputs: dict[str, Any] = {
        f"y{index}": np.stack([values[index] for values in found]) for index in range(arguments["fetches"])
    }
    np.savez(arguments["outputs"], **outputs)
    return {"samples": len(found)}


def latency(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"file", "inputs", "fetches", "seconds", "least", "most"} to {"seconds"}: of single warm runs.

    A run is: setting the inputs, computing, reading the outputs.
    """
    predictor = _predictor(arguments["file"])
    sample = next(_samples(arguments["inputs"]))

    def once() -> float:
        started = time.perf_counter()
        _feed(predictor, sample)
        predictor.run()
        _fetch(predictor, arguments["fetches"])
        return time.perf_counter() - started

    for _ in range(_WARM_RUNS):
        once()
    taken: list[float] = []
    until = time.perf_counter() + arguments["seconds"]
    while len(taken) < arguments["least"] or (len(taken) < arguments["most"] and time.perf_counter() < until):
        taken.append(once())
    return {"seconds": taken}


def _predictor(file: str) -> Any:
    from paddlelite import lite  # type: ignore[import-not-found, unused-ignore]

    config = lite.MobileConfig()
    config.set_model_from_file(file)
    return lite.create_paddle_predictor(config)


def _samples(path: str) -> Iterator[list[NDArray[Any]]]:
    with np.load(path, allow_pickle=False) as arrays:
        inputs = [arrays[f"x{index}"] for index in range(len(arrays.files))]
    for index in range(len(inputs[0]) if inputs else 1):
        yield [np.ascontiguousarray(values[index]) for values in inputs]


def _feed(predictor: Any, sample: list[NDArray[Any]]) -> None:
    for index, values in enumerate(sample):
        predictor.get_input(index).from_numpy(values)


def _fetch(predictor: Any, count: int) -> list[NDArray[Any]]:
    return [np.array(predictor.get_output(index).numpy()) for index in range(count)]
