"""How long each stage of a frame takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_FRAMES = 10_000
"""Frames whose times are kept: a stream of days must not grow."""


class Laps:
    """Seconds of the stages of one frame, in the order in which they first ended."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def start(self) -> None:
        """What comes now counts for the next lap; what was before counts for none."""
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        """All since the last lap was `stage`."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


class _Untimed(Laps):
    """Where nobody asks for times."""

    def start(self) -> None:
        pass

    def lap(self, stage: str) -> None:
        pass


UNTIMED: Laps = _Untimed()
"""Keeps no times."""


@dataclass(frozen=True)
class StageTime:
    """Times of a stage over the frames.

    Attributes:
        median, p90: milliseconds.
        share: part of the sum of all stages' medians.
    """

    stage: str
    median: float
    p90: float
    share: float

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return {
            "stage": self.stage,
            "median_ms": round(self.median, 4),
            "p90_ms": round(self.p90, 4),
            "share": round(self.share, 4),
        }


class StageTimes:
    """Times of all stages over the last `MOST_FRAMES` frames.

    Attributes:
        frames: number of frames seen.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._seconds: dict[str, deque[float]] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Enter a frame."""
        self.frames += 1
        for stage, taken in seconds.items():
            self._seconds.setdefault(stage, deque(maxlen=MOST_FRAMES)).append(taken)

    def table(self) -> tuple[StageTime, ...]:
        """Figures by stage, in the order of a frame's way; empty before the first frame."""
        seen = {stage: np.asarray(list(taken)) * 1e3 for stage, taken in self._seconds.items()}
        whole = sum(float(np.median(taken)) for taken in seen.values())
        return tuple(
            StageTime(
                stage,
                float(np.median(taken)),
                float(np.percentile(taken, 90)),
                float(np.median(taken)) / whole if whole else 0.0,
            )
            for stage, taken in seen.items()
        )
