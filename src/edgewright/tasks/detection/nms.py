"""Non-maximum suppression: exact, greedy, by class. The work is done by `kernels.suppression`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.suppression import descending, overlaps, suppress_boxes

__all__ = ["box_iou", "descending", "nms"]

box_iou = overlaps


def nms(
    xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    iou: float,
    max_results: int,
) -> NDArray[np.int64]:
    """Indices of the boxes that are kept, best score first.

    A box is dropped if it overlaps a kept box of its class by more than `iou` (equal overlap stays, as in torchvision
    and OpenCV). The best `max_results` of greedy suppression are the first `max_results` that it keeps, so the walk
    ends there.

    Args:
        xyxy: finite corners, (n, 4).
        scores: (n,), finite.
        class_ids: (n,).
        iou: largest overlap of two kept boxes of a class, 0..1.
        max_results: largest number of boxes kept.
    """
    boxes, classes = np.ascontiguousarray(xyxy, np.float32), np.ascontiguousarray(class_ids, np.int64)
    return suppress_boxes(boxes, classes, descending(scores), iou, max_results)
