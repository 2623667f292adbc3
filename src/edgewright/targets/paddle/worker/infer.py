# Runs on a Paddle environment's Python 3.11.
"""Paddle Inference over many samples in one process. `worker_side` is put on the path by the host."""

from __future__ import annotations

import functools
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_SUMMARY = "Error Message Summary:"


class PaddleFailed(Exception):
    """Paddle raised; the message is its own summary; the log has the rest: hint, source line, stack of C++."""


def infer(arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a program over samples.

    {"program", "weights", "samples", "results", "count", "options", "timing"} to {"inputs", "outputs", "versions",
    "settings", "attempts", "seconds", "times", "differences"}.

    `samples` is an .npz with `names` and an array `{sample}_{input}` for each input of each sample; `results` gets
    `{sample}_{output}` likewise.
    """
    inference = importlib.import_module("paddle.inference")
    options = arguments["options"]
    samples = _Samples(arguments["samples"])
    settings = _settings(_config(inference, arguments, options))
    make = functools.partial(_config, inference, arguments, options)  # a configuration is good for one predictor
    predictor, tries = _ready(inference, make, samples, int(options["attempts"]))
    names = list(predictor.get_output_names())
    started = time.perf_counter()
    results, differences = _run_all(predictor, samples, int(options["batch"]), bool(options["twice"]))
    seconds = time.perf_counter() - started
    np.savez(arguments["results"], **results)  # type: ignore[arg-type, unused-ignore]
    return {
        "inputs": list(predictor.get_input_names()),
        "outputs": names,
        "versions": _versions(),
        "settings": settings,
        "attempts": tries,
        "seconds": seconds,
        "times": _times(predictor, samples, arguments.get("timing")),
        "differences": differences if options["twice"] else None,
    }


def _config(inference: Any, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    """The configuration; what is not asked for stays as Paddle has it."""
    config = inference.Config(arguments["program"], arguments["weights"])
    if options["onednn"] != "default":
        wanted = "enable_mkldnn" if options["onednn"] == "on" else "disable_mkldnn"
        if hasattr(config, wanted):
            getattr(config, wanted)()
        elif wanted == "enable_mkldnn":
            raise PaddleFailed("this Paddle has no enable_mkldnn(): it was built without oneDNN")
    if options["ir_optim"] is not None:
        config.switch_ir_optim(bool(options["ir_optim"]))
    if options["threads"] is not None:
        config.set_cpu_math_library_num_threads(int(options["threads"]))
    if options["device"] == "gpu":
        config.enable_use_gpu(256, 0)
    return config


def _ready(inference: Any, make: Callable[[], Any], samples: _Samples, attempts: int) -> tuple[Any, int]:
    """A predictor that has run once, and how many it took: some faults hit the first one of a process only."""
    for attempt in range(1, attempts):
        predictor = _try(inference, make, samples)
        if predictor is not None:
            return predictor, attempt
    predictor = _guarded(inference.create_predictor, make())
    _once(predictor, samples.joined([0]))
    return predictor, attempts


def _try(inference: Any, make: Callable[[], Any], samples: _Samples) -> Any:
    try:
        predictor = _guarded(inference.create_predictor, make())
        _once(predictor, samples.joined([0]))
    except PaddleFailed as error:
        sys.stdout.write(f"[edgewright] a predictor failed, another one is made: {error}\n")
        return None
    return predictor


def _run_all(predictor: Any, samples: _Samples, batch: int, twice: bool) -> tuple[Arrays, dict[str, float]]:
    names = list(predictor.get_output_names())
    results: Arrays = {}
    differences = dict.fromkeys(names, 0.0)
    for indices in samples.batches(batch):
        feeds = samples.joined(indices)
        found = _once(predictor, feeds)
        if twice:
            for name, one, other in zip(names, found, _once(predictor, feeds), strict=True):
                differences[name] = max(differences[name], _difference(one, other))
        rows = next(iter(feeds.values())).shape[0] if len(indices) > 1 else 0
        for place, (name, values) in enumerate(zip(names, found, strict=True)):
            for index, part in zip(indices, _split(name, values, rows, len(indices)), strict=True):
                results[f"{index}_{place}"] = part
    return results, differences


def _once(predictor: Any, feeds: Arrays) -> list[NDArray[Any]]:
    known = list(predictor.get_input_names())
    if sorted(known) != sorted(feeds):
        raise ValueError(f"the program wants inputs {sorted(known)}, but was given {sorted(feeds)}")
    for name in known:
        handle = predictor.get_input_handle(name)
        handle.reshape(list(feeds[name].shape))
        handle.copy_from_cpu(np.ascontiguousarray(feeds[name]))
    _guarded(predictor.run)
    return [np.array(predictor.get_output_handle(name).copy_to_cpu()) for name in predictor.get_output_names()]


def _split(name: str, values: NDArray[Any], rows: int, count: int) -> Sequence[NDArray[Any]]:
    if count == 1:
        return [values]
    if values.ndim == 0 or values.shape[0] != rows:
        shape = list(values.shape)
        raise ValueError(f"output {name!r} has shape {shape} for a batch of {rows}: it cannot be divided by sample")
    return np.split(values, count)


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Largest absolute difference, -1 where shapes differ or one has NaN and the other not."""
    if one.shape != other.shape:
        return -1.0
    if np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
        return 0.0
    largest = float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64))))
    return largest if np.isfinite(largest) else -1.0


def _times(predictor: Any, samples: _Samples, timing: dict[str, Any] | None) -> list[float]:
    """Seconds of single runs of the first sample, warm, with inputs set and outputs got, as a user's loop does."""
    if not timing:
        return []
    feeds = samples.joined([0])
    _once(predictor, feeds)
    times: list[float] = []
    end = time.perf_counter() + float(timing["seconds"])
    while len(times) < int(timing["most"]) and (len(times) < int(timing["least"]) or time.perf_counter() < end):
        started = time.perf_counter()
        _once(predictor, feeds)
        times.append(time.perf_counter() - started)
    return times


def _guarded(function: Any, *given: Any) -> Any:
    try:
        return function(*given)
    except Exception as error:
        text = str(error)
        summary = text.rpartition(_SUMMARY)[2] if _SUMMARY in text else text
        said = " ".join(line.strip() for line in summary.splitlines() if line.strip(" -"))
        short = said.partition(" [Hint:")[0].partition(" (at ")[0]
        raise PaddleFailed(f"{type(error).__name__}: {short}") from error


def _versions() -> dict[str, str]:
    paddle = importlib.import_module("paddle")
    return {"Paddle": str(paddle.__version__), "numpy": str(np.__version__)}


def _settings(config: Any) -> dict[str, Any]:
    """What really holds, asked from the configuration where it can tell."""
    asked = {
        "onednn": "mkldnn_enabled",
        "ir_optim": "ir_optim",
        "threads": "cpu_math_library_num_threads",
        "gpu": "use_gpu",
    }
    return {name: getattr(config, getter)() for name, getter in asked.items() if hasattr(config, getter)}


class _Samples:
    """Samples of a file, read one by one."""

    def __init__(self, path: str) -> None:
        self._arrays = np.load(path, allow_pickle=False)
        self._names: list[str] = self._arrays["names"].tolist()
        self.count = 1 + max((int(key.partition("_")[0]) for key in self._arrays.files if "_" in key), default=-1)
        if not self.count:
            raise ValueError(f"{path} holds no sample")

    def batches(self, size: int) -> Iterator[list[int]]:
        for start in range(0, self.count, size):
            yield list(range(start, min(start + size, self.count)))

    def joined(self, indices: Sequence[int]) -> Arrays:
        found: Arrays = {}
        for place, name in enumerate(self._names):
            parts = [self._arrays[f"{index}_{place}"] for index in indices]
            found[name] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return found


if __name__ == "__main__":
    from worker_side import main  # type: ignore[import-not-found]

    main({"infer": infer})
