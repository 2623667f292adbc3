"""Greedy suppression of overlapping boxes, by class, exact; and the order of scores that it takes them in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.choice import loops

_BLOCK = 256  # a block against itself is 65 thousand overlaps: large enough for NumPy, small enough for the cache


def descending(scores: NDArray[np.float32], limit: int | None = None) -> NDArray[np.int64]:
    """Indices of scores (n,), best first, the first index first among equals; at most `limit`.

    One integer holds score and index, so that a fast unstable sort gives the same order on every machine.
    """
    scores = np.ascontiguousarray(scores, np.float32)
    fill = loops("suppression", "sort_keys")
    if fill is None:
        keys = _sort_keys(scores)
    else:
        keys = np.empty(len(scores), np.int64)
        if fill(scores, keys):  # they fall already
            return np.arange(len(scores) if limit is None else min(limit, len(scores)))
    if limit is not None and limit < len(keys):
        keys = np.partition(keys, limit)[:limit] if limit else keys[:0]
    keys.sort()
    keys &= 0xFFFFFFFF
    return keys


def suppress_boxes(
    xyxy: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    order: NDArray[np.int64],
    iou: float,
    most: int,
) -> NDArray[np.int64]:
    """Indices of the boxes that greedy suppression keeps, at most `most`, in `order`.

    A box is dropped if it overlaps a kept box of its class by more than `iou`; equal overlap stays.

    Args:
        xyxy: finite corners, (n, 4) float32.
        class_ids: (n,) int64.
        order: indices of boxes, best first.
        iou: largest overlap of two kept boxes of a class, 0 or more.
        most: largest number of boxes kept.
    """
    greedy, regions = loops("suppression", "greedy"), loops("suppression", "class_regions")
    if greedy is None or regions is None:
        return order[_in_blocks(xyxy[order], class_ids[order], iou, most)]
    starts = regions(class_ids, order)
    if not len(starts):  # ids that are no small numbers
        class_ids = np.unique(class_ids, return_inverse=True)[1].astype(np.int64)
        starts = regions(class_ids, order)
    kept = np.empty(min(len(order), max(most, 0)), np.int64)
    count = greedy(np.ascontiguousarray(xyxy), class_ids, order, starts, np.float32(iou), most, kept)
    return kept[:count]


def overlaps(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes (n, 4) and (m, 4), xyxy: (n, m) float32; 0 where both boxes are empty."""
    with np.errstate(over="ignore", invalid="ignore"):  # boxes of 1e30 pixels come from broken networks
        left, top = np.maximum(a[:, None, 0], b[None, :, 0]), np.maximum(a[:, None, 1], b[None, :, 1])
        width = np.minimum(a[:, None, 2], b[None, :, 2])
        height = np.minimum(a[:, None, 3], b[None, :, 3])
        width -= left
        height -= top
        inter = np.maximum(width, 0, out=width)
        inter *= np.maximum(height, 0, out=height)
        union = _area(a)[:, None] + _area(b)[None, :]
        union -= inter
        return np.asarray(np.divide(inter, union, out=np.zeros_like(inter), where=union > 0), np.float32)


def _sort_keys(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    bits = scores.view(np.int32).astype(np.int64)
    # the bit patterns of negative floats grow with their magnitude: mirror them
    rank = np.where(bits >= 0, bits, -2147483648 - bits)
    return np.asarray((-rank << 32) | np.arange(len(scores), dtype=np.int64), np.int64)


def _in_blocks(boxes: NDArray[np.float32], classes: NDArray[np.int64], iou: float, most: int) -> NDArray[np.int64]:
    """Places that are kept of boxes in order of score: each block against those kept so far, then against itself."""
    kept = np.zeros(0, np.int64)
    for start in range(0, len(boxes), _BLOCK):
        if len(kept) >= most:
            break
        block = np.arange(start, min(start + _BLOCK, len(boxes)))
        if len(kept):
            block = block[~_conflicts(boxes, classes, block, kept, iou).any(axis=1)]
        kept = np.concatenate([kept, block[_greedy(_conflicts(boxes, classes, block, block, iou))]])
    return kept[: max(most, 0)]


def _conflicts(
    boxes: NDArray[Any], classes: NDArray[Any], a: NDArray[Any], b: NDArray[Any], iou: float
) -> NDArray[Any]:
    """Whether boxes `a` and `b` (index arrays) exclude each other: (len(a), len(b)) bool."""
    return np.asarray((classes[a][:, None] == classes[b][None, :]) & (overlaps(boxes[a], boxes[b]) > np.float32(iou)))


def _greedy(conflict: NDArray[Any]) -> NDArray[Any]:
    """Mask of the boxes that greedy suppression keeps, given all conflicts within a block in order of score."""
    keep = np.ones(len(conflict), bool)
    later = np.triu(conflict, 1)
    for row in np.flatnonzero(later.any(axis=1)):
        if keep[row]:
            keep[later[row]] = False
    return keep


def _area(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(xyxy[:, 2] - xyxy[:, 0], 0) * np.maximum(xyxy[:, 3] - xyxy[:, 1], 0))
