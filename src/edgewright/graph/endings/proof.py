"""That a cut model holds what the whole chose from: every row that the whole gives is found in what the cut gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.endings.selection import Cut
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession

Feeds = Mapping[str, NDArray[Any]]

_WHOLE = 1e-3
"""What rounding may make of a whole number, or of 0 and 1."""


def largest_gap(whole: Model, cut: Cut, samples: Iterable[Feeds]) -> float | None:
    """How far the rows of `whole` lie from the nearest box with the same class in `cut`, over all samples.

    A row is (class, score, x1, y1, x2, y2). The gap is the larger of the difference of scores and that of corners, the
    latter by the largest corner of the image's boxes.

    Args:
        whole: the model with its selection, whose only input is the image.
        cut: the same, cut.
        samples: inputs, one image each.

    Returns:
        None where the whole gives no such rows; infinite where a row has no counterpart at all.
    """
    before, after = ReferenceSession(whole.data, name=whole.name), ReferenceSession(cut.model.data, name=whole.name)
    shape = next((spec.shape for spec in whole.inputs if len(spec.shape) == 4), ())
    worst: float | None = None
    for feeds in samples:
        rows = _rows(before(feeds, list(cut.dropped)))
        found = after(feeds, [cut.boxes, cut.scores])
        if rows is None:
            return None
        boxes, scores = found[cut.boxes][0], found[cut.scores][0]
        if cut.by == "topk":
            boxes, scores = _corners(boxes, shape), scores.T
        gaps = [_gap(row, boxes, scores) for row in rows[rows[:, 0] >= 0]]
        worst = max([*gaps, *([] if worst is None else [worst])], default=None)
    return worst


def _rows(outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    for values in outputs.values():
        if values.ndim >= 1 and values.shape[-1] == 6 and values.dtype.kind == "f":
            rows = np.asarray(values.reshape(-1, 6), np.float64)
            return rows if _has_form(rows[rows[:, 0] >= 0]) else None
    return None


def _has_form(rows: NDArray[np.float64]) -> bool:
    """Whether rows begin with a class and its score: others (Ultralytics: corners first) have six columns too."""
    classes, scores = rows[:, 0], rows[:, 1]
    return bool(
        np.all(np.abs(classes - np.rint(classes)) < _WHOLE) and np.all((scores > -_WHOLE) & (scores < 1 + _WHOLE))
    )


def _corners(boxes: NDArray[Any], shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    height, width = (shape[2], shape[3]) if shape[1] in (1, 3) else (shape[1], shape[2])
    centre, half = np.asarray(boxes[:, :2], np.float64), np.asarray(boxes[:, 2:], np.float64) / 2
    size = np.array([width or 1, height or 1] * 2, np.float64)
    return np.asarray(np.concatenate([centre - half, centre + half], axis=1) * size)


def _gap(row: NDArray[np.float64], boxes: NDArray[Any], scores: NDArray[Any]) -> float:
    """Smallest distance of a row from any box with its class, (boxes, 4) and (classes, boxes)."""
    class_id = round(float(row[0]))
    if not 0 <= class_id < len(scores):
        return float("inf")
    scale = max(float(np.abs(boxes).max()), 1e-12)
    apart = np.abs(np.asarray(boxes, np.float64) - row[2:]).max(axis=1) / scale
    gap = float(np.maximum(apart, np.abs(scores[class_id].astype(np.float64) - row[1])).min())
    return gap if np.isfinite(gap) else float("inf")  # NaN compares with nothing, and would pass for no gap
