"""Non-maximum suppression: exact, greedy, by class.

Candidates are taken in order of score, in blocks: each block is compared with the boxes kept so far, then with itself.
The best `max_results` of greedy suppression are the first `max_results` that it keeps, so the walk may end there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256  # a block against itself is 65 thousand overlaps: large enough for NumPy, small enough for the cache


def descending(scores: NDArray[np.float32], limit: int | None = None) -> NDArray[np.int64]:
    """Indices of scores (n,), best first, the first index first among equals; at most `limit`.

    One integer holds score and index, so that a fast unstable sort gives the same order on every machine.
    """
    bits = np.ascontiguousarray(scores, np.float32).view(np.int32).astype(np.int64)
    # the bit patterns of negative floats grow with their magnitude: mirror them
    rank = np.where(bits >= 0, bits, -2147483648 - bits)
    keys = (-rank << 32) | np.arange(len(scores), dtype=np.int64)
    if limit is not None and limit < len(keys):
        keys = np.partition(keys, limit)[:limit] if limit else keys[:0]
    return np.asarray(np.sort(keys) & 0xFFFFFFFF, np.int64)


def box_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes (n, 4) and (m, 4), xyxy: (n, m) float32; 0 where both boxes are empty."""
    with np.errstate(over="ignore", invalid="ignore"):  # boxes of 1e30 pixels come from broken networks
        return _iou(a, b)


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
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


def nms(
    xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    iou: float,
    max_results: int,
) -> NDArray[np.int64]:
    """Indices of the boxes that are kept, best score first.

    A box is dropped if it overlaps a kept box of its class by more than `iou` (equal overlap stays, as in torchvision
    and OpenCV).

    Args:
        xyxy: finite corners, (n, 4).
        scores: (n,), finite.
        class_ids: (n,).
        iou: largest overlap of two kept boxes of a class, 0..1.
        max_results: largest number of boxes kept.
    """
    order = descending(scores)
    boxes, classes = np.ascontiguousarray(xyxy, np.float32)[order], np.asarray(class_ids)[order]
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), _BLOCK):
        if len(kept) >= max_results:
            break
        block = np.arange(start, min(start + _BLOCK, len(order)))
        if len(kept):
            block = block[~_conflicts(boxes, classes, block, kept, iou).any(axis=1)]
        kept = np.concatenate([kept, block[_greedy(_conflicts(boxes, classes, block, block, iou))]])
    return np.asarray(order[kept[:max_results]], np.int64)


def _conflicts(
    boxes: NDArray[Any], classes: NDArray[Any], a: NDArray[Any], b: NDArray[Any], iou: float
) -> NDArray[Any]:
    """Whether boxes `a` and `b` (index arrays) exclude each other: (len(a), len(b)) bool."""
    return np.asarray((classes[a][:, None] == classes[b][None, :]) & (box_iou(boxes[a], boxes[b]) > iou))


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
