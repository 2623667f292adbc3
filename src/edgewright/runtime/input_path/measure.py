"""What the input path of an artifact is and costs here, as data for the manifest and for people."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.runtime.input_path.path import InputPath

_ROUNDS, _INNER = 15, 3


def describe_path(path: InputPath) -> dict[str, Any]:
    """The path's manifest entry (`bundle.schema.InputPathInfo`), measured on this host."""
    mine, copy, copies = measure_path(path)
    return {
        "route": path.route.kind,
        "formula": path.route.formula,
        "proof": path.route.proof,
        "engine": path.engine,
        "copies": copies,
        "microseconds": round(mine, 1),
        "copy_microseconds": round(copy, 1),
    }


def measure_path(path: InputPath) -> tuple[float, float, int]:
    """Microseconds of a BGR or gray frame of the network's size, of a copy of the same bytes, and passes over it.

    Median of rounds in which both take turns; wall time.
    """
    shape = (path.contract.height, path.contract.width, 3)[: 2 if path.contract.channels == 1 else 3]
    frame = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    copy = np.empty_like(frame)
    mine, base = take_turns(lambda: path(frame), lambda: np.copyto(copy, frame))
    return mine, base, int(not np.shares_memory(path(frame)[0], frame))


def take_turns(*works: Callable[[], Any], rounds: int = _ROUNDS) -> list[float]:
    """Median microseconds of each work."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(rounds):
        for work, found in zip(works, times, strict=True):
            started = time.perf_counter()
            for _ in range(_INNER):
                work()
            found.append((time.perf_counter() - started) / _INNER * 1e6)
    return [statistics.median(found) for found in times]
