"""How fast this machine copies memory: what host work cannot beat."""

from __future__ import annotations

import statistics
import time

import numpy as np

_SECONDS = 0.05
_FEWEST = 9


def copy_seconds(size: int) -> float:
    """Median time of copying so many bytes from one block to another, on one thread.

    Args:
        size: bytes; 0 takes no time.
    """
    if size <= 0:
        return 0.0
    source, to = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    taken: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(taken) < _FEWEST or time.perf_counter() < end:
        began = time.perf_counter()
        np.copyto(to, source)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
