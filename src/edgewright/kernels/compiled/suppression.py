"""Loops of `kernels.suppression`: greedy suppression by class, one pass in order of score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.compiled.jit import kernel

CHUNK = 64  # boxes that are looked at together: one cache line of one coordinate each, four times
_SHORT = 12  # lists of kept boxes up to here are walked one by one
_CLOSE = np.float32(0.9999)  # overlaps below this share of the limit are below it, whatever the rounding
_TINY = np.float32(1e-30)  # areas so small that relative errors are no bound
_MAX_CLASSES = 65536


@kernel
def sort_keys(scores: NDArray[np.float32], keys: NDArray[np.int64]) -> bool:
    """Fill `keys`, whose ascending order is that of falling scores, first index first; whether they ascend already."""
    bits = scores.view(np.int32)
    last = np.int64(-(2**63))
    ascending = True
    for place in range(len(bits)):
        value = np.int64(bits[place])
        rank = value if value >= 0 else -2147483648 - value  # negative floats grow with their magnitude
        key = (-rank << 32) | place
        ascending &= key > last
        keys[place] = last = key
    return ascending


@kernel
def class_regions(class_ids: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Start of each class's region among all boxes, one entry more than classes; empty if the ids are not small."""
    largest = np.int64(-1)
    for place in places:
        found = class_ids[place]
        if found < 0 or found >= _MAX_CLASSES:
            return np.empty(0, np.int64)
        largest = max(largest, found)
    starts = np.zeros(largest + 2, np.int64)
    for place in places:
        starts[class_ids[place] + 1] += 1
    for index in range(1, len(starts)):
        starts[index] += starts[index - 1]
    return starts


@kernel
def greedy(
    xyxy: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    places: NDArray[np.int64],
    starts: NDArray[np.int64],
    iou: np.float32,
    most: int,
    kept: NDArray[np.int64],
) -> int:
    """Write the places of the boxes that are kept, in order, to `kept`; returns their number.

    Kept boxes lie by class, so that a box is compared with its own class only, and by coordinate, so that the compiler
    can compare many at once.
    """
    count = len(places)
    corners = np.empty((4, count + CHUNK), np.float32)
    areas = np.empty(count + CHUNK, np.float32)
    filled = np.zeros(max(len(starts) - 1, 0), np.int64)
    total = 0
    for place in places:
        if total >= most:
            break
        left, top, right, bottom = xyxy[place, 0], xyxy[place, 1], xyxy[place, 2], xyxy[place, 3]
        area = max(right - left, np.float32(0)) * max(bottom - top, np.float32(0))
        group = class_ids[place]
        start = starts[group]
        stop = start + filled[group]
        if not _excluded(corners, areas, start, stop, left, top, right, bottom, area, iou):
            corners[0, stop], corners[1, stop], corners[2, stop], corners[3, stop] = left, top, right, bottom
            areas[stop] = area
            filled[group] += 1
            kept[total] = place
            total += 1
    return total


@kernel
def _excluded(
    corners: NDArray[Any],
    areas: NDArray[Any],
    start: int,
    stop: int,
    left: np.float32,
    top: np.float32,
    right: np.float32,
    bottom: np.float32,
    area: np.float32,
    iou: np.float32,
) -> bool:
    """Whether a kept box at start..stop overlaps the box by more than `iou`."""
    if stop - start > _SHORT:
        whole = start + (stop - start) // CHUNK * CHUNK
        for first in range(start, whole, CHUNK):
            if _maybe(corners, areas, first, left, top, right, bottom, area, iou) and _exact(
                corners, areas, first, first + CHUNK, left, top, right, bottom, area, iou
            ):
                return True
        start = whole
    return _exact(corners, areas, start, stop, left, top, right, bottom, area, iou)


@kernel
def _exact(
    corners: NDArray[Any],
    areas: NDArray[Any],
    start: int,
    stop: int,
    left: np.float32,
    top: np.float32,
    right: np.float32,
    bottom: np.float32,
    area: np.float32,
    iou: np.float32,
) -> bool:
    """As `_excluded`, one by one, in the arithmetic of `kernels.suppression.overlaps`."""
    zero = np.float32(0)
    for other in range(start, stop):
        width = min(right, corners[2, other]) - max(left, corners[0, other])
        height = min(bottom, corners[3, other]) - max(top, corners[1, other])
        if width > zero and height > zero:
            inter = width * height
            union = area + areas[other] - inter
            if union > zero and inter / union > iou:
                return True
    return False


@kernel
def _maybe(
    corners: NDArray[Any],
    areas: NDArray[Any],
    first: int,
    left: np.float32,
    top: np.float32,
    right: np.float32,
    bottom: np.float32,
    area: np.float32,
    iou: np.float32,
) -> bool:
    """Whether one of a chunk of kept boxes may overlap by more than `iou`; false only if none does.

    inter / (a + b - inter) > iou is inter * (1 + iou) > iou * (a + b), up to rounding: no division, and no branch.
    """
    zero, factor, share = np.float32(0), np.float32(1) + iou, iou * _CLOSE
    lefts, tops = corners[0, first : first + CHUNK], corners[1, first : first + CHUNK]
    rights, bottoms = corners[2, first : first + CHUNK], corners[3, first : first + CHUNK]
    others = areas[first : first + CHUNK]
    found = np.int32(0)
    for lane in range(CHUNK):
        low_x = lefts[lane] if lefts[lane] > left else left
        high_x = rights[lane] if rights[lane] < right else right
        low_y = tops[lane] if tops[lane] > top else top
        high_y = bottoms[lane] if bottoms[lane] < bottom else bottom
        width, height = high_x - low_x, high_y - low_y
        inter = (width if width > zero else zero) * (height if height > zero else zero)
        found |= np.int32(inter * factor + _TINY >= (area + others[lane]) * share)
    return bool(found != 0)
