"""What degenerate-output rules look at, and their registry.

A rule sees what was watched of one part, in the reference and in the candidate, and answers with a finding or None. The
first rule that answers for a part is the one that is reported: an output that is zero everywhere is also constant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.findings import Finding
from edgewright.registry import Registry
from edgewright.tensors import Part

_DISTINCT_LIMIT = 4096
_DISTINCT_IMAGES = 8


class Watch:
    """What is remembered of one part over all images: a few numbers, never the values.

    Attributes:
        images: images seen.
        low, high: smallest and largest finite value; inf and -inf before the first.
        count, zeros, non_finite, at_top: numbers of values: all, zero, NaN or Inf, equal to the largest of an image
            (where that is above zero).
        distinct: number of distinct values over the first images, at most 4096.
        varies: whether two images gave different values.
    """

    def __init__(self) -> None:
        self.images = self.count = self.zeros = self.non_finite = self.at_top = 0
        self.low, self.high = np.inf, -np.inf
        self.varies = False
        self._first = b""
        self._seen: NDArray[Any] = np.zeros(0, np.float32)

    @property
    def distinct(self) -> int:
        """Number of distinct values over the first images."""
        return len(self._seen)

    def update(self, values: NDArray[Any]) -> None:
        """Add one image's values."""
        self.images += 1
        if values.size == 0:
            return
        finite = np.isfinite(values)
        bad = int(values.size - np.count_nonzero(finite))
        usable = values[finite] if bad else values
        self.count += values.size
        self.non_finite += bad
        if usable.size:
            low, high = float(usable.min()), float(usable.max())
            self.low, self.high = min(self.low, low), max(self.high, high)
            self.zeros += int(usable.size - np.count_nonzero(usable))
            if high > 0:  # an image without objects, all scores rounded to zero, is no saturated one
                self.at_top += int(np.count_nonzero(usable == high))
        self._compare_images(values)
        if self.images <= _DISTINCT_IMAGES and len(self._seen) < _DISTINCT_LIMIT:
            # a stride keeps the cost of sorting down; a grid's few values show up in a sample as well
            sample = usable.ravel()[:: max(1, usable.size // 65536)]
            self._seen = np.union1d(self._seen, sample)[:_DISTINCT_LIMIT]

    def _compare_images(self, values: NDArray[Any]) -> None:
        if self.varies:
            return
        digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()
        if not self._first:
            self._first = digest
        elif digest != self._first:
            self.varies = True


@dataclass(frozen=True)
class PartView:
    """One part as a rule sees it.

    Attributes:
        part: what it is.
        stage: name of the candidate stage, for messages.
        reference, candidate: what was watched.
    """

    part: Part
    stage: str
    reference: Watch
    candidate: Watch

    @property
    def where(self) -> str:
        """Stage and part, for findings."""
        return f"{self.stage}: {self.part.name}"


Rule = Callable[[PartView], Finding | None]
RULES: Registry[Rule] = Registry("degenerate-output rule")


def first_finding(view: PartView) -> Finding | None:
    """The answer of the first rule that has one."""
    for rule in RULES:
        finding = rule(view)
        if finding is not None:
            return finding
    return None
