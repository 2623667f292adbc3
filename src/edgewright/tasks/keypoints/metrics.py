"""How well keypoints hold on two views of a plane: repeatability, matching accuracy, homography accuracy.

Source of the definitions: DeTone et al., "SuperPoint", arXiv:1712.07629, appendices A to C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import DataError
from edgewright.tasks.keypoints.homography import homography_pairs, warp_points
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.metric import Metric

_CORRECT = 3.0  # pixels
_CORNER_ERRORS = (1, 3, 5)  # pixels
_RANSAC_THRESHOLD = 3.0  # pixels


@dataclass
class _Counts:
    """Sums over all pairs of views."""

    pairs: int = 0
    points: int = 0
    shared: int = 0
    repeated: int = 0
    matches: int = 0
    correct: int = 0
    good_homographies: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_CORNER_ERRORS, 0))


def keypoint_metrics(
    run: Callable[[NDArray[np.uint8]], Keypoints],
    images: Sequence[NDArray[np.uint8]],
    seed: int,
    pairs_per_image: int,
) -> Metric:
    """Matching accuracy on generated pairs of views, with repeatability and homography accuracy.

    Pixels are those of `images`: give them at the network's input size for figures that compare with published ones.

    Args:
        run: keypoints of an image, in its pixels, for (height, width, 3) BGR or (height, width) gray uint8.
        images: at least one.
        seed: of the views; the same seed gives the same pairs.
        pairs_per_image: number of views generated from each image.

    Returns:
        A metric "matching accuracy": correct matches (within 3 pixels) among mutual nearest neighbours, percent, over
        all pairs together, 0 if nothing matches. Points that the other view does not show take no part. Details, 0..1:
        "repeatability@3px"; "homography@1px", "@3px", "@5px", the share of pairs whose estimated homography moves the
        corners by at most so much on average; counts.

    Raises:
        DataError: there are no images.
    """
    if not images or pairs_per_image < 1:
        raise DataError("keypoint metrics need at least one image and one pair for each")
    counts = _Counts()
    for place, image in enumerate(images):
        first = run(image)
        for pair in range(pairs_per_image):
            warped, matrix = homography_pairs(image, seed + place * pairs_per_image + pair)
            _count(counts, first, run(warped), matrix, image.shape[:2])
    accuracy = 100.0 * counts.correct / counts.matches if counts.matches else 0.0
    details: dict[str, Any] = {
        "repeatability@3px": counts.repeated / counts.shared if counts.shared else 0.0,
        **{f"homography@{limit}px": good / counts.pairs for limit, good in counts.good_homographies.items()},
        "pairs": counts.pairs,
        "points per image": counts.points / (2 * counts.pairs),
        "matches per pair": counts.matches / counts.pairs,
    }
    return Metric("matching accuracy", accuracy, len(images), details=details)


def mutual_matches(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index pairs (m, 2) of descriptors (n, d) and (k, d) of length 1 that are each other's nearest."""
    if not len(a) or not len(b):
        return np.zeros((0, 2), np.int64)
    similarity = a @ b.T
    forth, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    mutual = np.flatnonzero(back[forth] == np.arange(len(a)))
    return np.stack([mutual, forth[mutual]], axis=1)


def _count(counts: _Counts, a: Keypoints, b: Keypoints, matrix: NDArray[np.float64], size: tuple[int, ...]) -> None:
    there, back = warp_points(a.xy, matrix), warp_points(b.xy, np.asarray(np.linalg.inv(matrix), np.float64))
    seen_a, seen_b = _inside(there, size), _inside(back, size)
    counts.pairs += 1
    counts.points += len(a) + len(b)
    a, b, there = a[seen_a], b[seen_b], there[seen_a]
    if len(a) and len(b):
        near = np.linalg.norm(there[:, None] - b.xy[None], axis=2) <= _CORRECT
        counts.repeated += int(near.any(axis=1).sum() + near.any(axis=0).sum())
    counts.shared += len(a) + len(b)
    matches = mutual_matches(a.descriptors, b.descriptors)
    distance = np.linalg.norm(there[matches[:, 0]] - b.xy[matches[:, 1]], axis=1)
    counts.matches += len(matches)
    counts.correct += int((distance <= _CORRECT).sum())
    error = _corner_error(a.xy[matches[:, 0]], b.xy[matches[:, 1]], matrix, size)
    for limit in _CORNER_ERRORS:
        counts.good_homographies[limit] += error <= limit


def _corner_error(
    a: NDArray[np.float32], b: NDArray[np.float32], matrix: NDArray[np.float64], size: tuple[int, ...]
) -> float:
    """Mean distance, pixels, of the corners under the estimated and the true homography; inf without estimate."""
    import cv2

    if len(a) < 4:
        return float("inf")
    cv2.setRNGSeed(0)  # RANSAC draws from OpenCV's global generator
    found, _ = cv2.findHomography(a, b, cv2.RANSAC, _RANSAC_THRESHOLD)
    if found is None:
        return float("inf")
    height, width = size
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    error = np.linalg.norm(warp_points(corners, np.asarray(found)) - warp_points(corners, matrix), axis=1).mean()
    return float(error) if np.isfinite(error) else float("inf")


def _inside(xy: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.asarray(((xy >= 0) & (xy <= np.array([size[1] - 1, size[0] - 1]))).all(axis=1), np.bool_)
