"""Wall and CPU seconds and peak memory of a piece of work in this process."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any


class Meter:
    """What the work inside `with` costs.

    CPU seconds are those of all threads of this process. Memory is the resident set without file pages (RssAnon), read
    every `interval` seconds: the high-water mark that the system keeps would count mapped inputs, and a child inherits
    its parent's. Where the system does not tell (no /proc), the peak is None.

    Args:
        limit_gib: the process ends itself with status 3 when it takes more; 0 for no limit.
        interval: seconds between two looks at the memory.
    """

    def __init__(self, limit_gib: float = 0.0, interval: float = 0.01) -> None:
        self.limit_kb = limit_gib * 2**20
        self.interval = interval
        self.peak_kb = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.start_kb = anonymous_kb()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s, self.cpu_s = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self._done.set()
        self._thread.join()
        self.peak_kb = max(self.peak_kb, anonymous_kb())

    def to_json(self) -> dict[str, Any]:
        """Figures after the work; `start_mb` is what imports had taken before it, which the peak includes."""
        return {
            "wall_s": round(self.wall_s, 2),
            "cpu_s": round(self.cpu_s, 2),
            "peak_mb": round(self.peak_kb / 1024) or None,
            "start_mb": round(self.start_kb / 1024) or None,
        }

    def _watch(self) -> None:
        while not self._done.wait(self.interval):
            self.peak_kb = max(self.peak_kb, anonymous_kb())
            if self.limit_kb and self.peak_kb > self.limit_kb:
                print(f"more than {self.limit_kb / 2**20:g} GiB", file=sys.stderr, flush=True)
                os._exit(3)


def anonymous_kb() -> int:
    """Anonymous resident memory of this process, KiB; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
