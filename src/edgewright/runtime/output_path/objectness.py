"""Objectness as a first filter: an anchor whose objectness is too small for any class is looked at no further.

The bound: for a given objectness the score is largest at an end of the classes' range. What codes can express gives
that range before any frame is seen, and the bound becomes a limit on the objectness's codes. Probabilities as floats
have no such range, and on a grid with many codes below 0 two negative values have a product that could pass: there the
largest and the smallest class score of the frame give it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.scan import half_order, reaching
from edgewright.runtime.output_path.base import Survivors
from edgewright.runtime.output_path.limits import Limit, all_codes, limit_of
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tensors import Float

Joint = Callable[[Float, Float], Float]
Ends = tuple[float, ...]
_KNOWN = 8
_NONE = np.zeros(0, np.int64)
_SLACK = np.float32(1.00001)  # more than any rounding of a score
_HALF_INFINITY = 0x7C00


class JointScores:
    """Scores that are a function of an anchor's objectness and a class entry.

    Args:
        objectness, classes: where they lie; one channel, and one for each class.
        joint: scores from real values of objectness (1, n) and classes (classes, n), elementwise; for a given
            objectness it must not turn between two class values.
        logits: whether a sigmoid is part of `joint`, so that classes from -infinity to infinity give 0..1.
    """

    def __init__(self, objectness: Slot, classes: Slot, joint: Joint, *, logits: bool) -> None:
        self._objectness, self._classes, self._joint = objectness, classes, joint
        self._ends = (-float("inf"), float("inf")) if logits else _ends_of_codes(classes)
        self._limit = functools.lru_cache(_KNOWN)(self._limit_of)

    def passing(self, outputs: Arrays, threshold: float) -> Survivors | None:
        """Scores of at least `threshold`, in order of class and place; None where nothing bounds them."""
        anchors = self._anchors(outputs, threshold)
        if anchors is None:
            return None
        with np.errstate(invalid="ignore", over="ignore"):
            scores = self._joint(self._objectness.at(outputs, anchors), self._classes.at(outputs, anchors))
            class_ids, places = np.nonzero(scores >= np.float32(threshold))
        return Survivors(class_ids, anchors[places], scores[class_ids, places])

    def _anchors(self, outputs: Arrays, threshold: float) -> NDArray[np.int64] | None:
        """Anchors whose bound passes, ascending."""
        limit = None if self._ends is None else self._limit(threshold)
        if limit is not None:
            codes = self._objectness.codes(outputs)
            return _NONE if limit.empty else reaching(codes, limit.lows, limit.high, limit.kind)[1]
        ends = _ends_of_frame(self._classes, outputs)
        if ends is None:
            return None
        values = self._objectness.real(self._objectness.table(outputs))[0]
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.flatnonzero(self._bound(values, ends) >= np.float32(threshold)), np.int64)

    def _limit_of(self, threshold: float) -> Limit | None:
        ends = self._ends or ()
        return limit_of(self._objectness, lambda values: self._bound(values, ends), threshold)

    def _bound(self, objectness: NDArray[Any], ends: Ends) -> Float:
        """Largest score of each objectness (n,)."""
        classes = np.array(ends, np.float32)[:, None] * np.ones(len(objectness), np.float32)
        scores = self._joint(np.asarray(objectness, np.float32)[None], classes)
        return np.asarray(np.fmax.reduce(scores, axis=0) * _SLACK, np.float32)


def _ends_of_codes(slot: Slot) -> Ends | None:
    """Smallest and largest real value that the codes of any channel have; None for floats."""
    if slot.kind != "integer":
        return None
    entries, _ = all_codes(slot)
    ends = slot.real(np.broadcast_to(entries[[0, -1]], (slot.channels, 2)))
    return float(ends.min()), float(ends.max())


def _ends_of_frame(slot: Slot, outputs: Arrays) -> Ends | None:
    """Smallest and largest value of this frame; None if one is not a number."""
    codes = slot.codes(outputs)
    if not codes.size:
        return None
    if slot.kind == "half":
        order = half_order(codes)
        low, high = order.min(axis=1), order.max(axis=1)
        if high.max() > _HALF_INFINITY or low.min() < ~_HALF_INFINITY:
            return None
        ends = np.stack([half_order(low), half_order(high)], axis=1).view(np.float16)
    else:
        ends = np.stack([codes.min(axis=1), codes.max(axis=1)], axis=1)
    values = slot.real(ends)
    return None if np.isnan(values).any() else (float(values.min()), float(values.max()))
