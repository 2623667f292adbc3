"""Random homographies: two views of a plane with a known mapping between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_CORNER_SHIFT = 0.12  # perspective: largest shift of a corner, as a share of the side
_ROTATION = 25.0  # degrees
_SCALE = (0.8, 1.25)
_TRANSLATION = 0.1  # share of the side


def homography_pairs(image: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A warped view of an image, like the viewpoint changes of HPatches.

    Corners are shifted, then the view is rotated, scaled and moved, each uniformly at random; what lies outside is
    black.

    Args:
        image: (height, width) or (height, width, 3), uint8.
        seed: of the random numbers; the same seed gives the same view on every machine.

    Returns:
        The view, of the image's shape, and the 3 x 3 matrix from pixels of the image to pixels of the view.
    """
    import cv2

    height, width = image.shape[:2]
    matrix = random_homography(width, height, seed)
    warped = cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, np.uint8), matrix


def random_homography(width: int, height: int, seed: int) -> NDArray[np.float64]:
    """The 3 x 3 matrix of `homography_pairs`."""
    import cv2

    random = np.random.default_rng(seed)
    size = np.array([width, height], np.float64)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    moved = corners + random.uniform(-_CORNER_SHIFT, _CORNER_SHIFT, (4, 2))
    angle, scale = np.deg2rad(random.uniform(-_ROTATION, _ROTATION)), random.uniform(*_SCALE)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = random.uniform(-_TRANSLATION, _TRANSLATION, 2)
    # turned in pixels, not in shares of the sides, so that a square stays one
    target = ((moved - 0.5) * size) @ turn.T + (0.5 + shift) * size
    matrix = cv2.getPerspectiveTransform((corners * size).astype(np.float32), target.astype(np.float32))
    return np.asarray(matrix, np.float64)


def warp_points(xy: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) through a 3 x 3 homography; points on its horizon become infinite."""
    homogeneous = np.concatenate([np.asarray(xy, np.float64), np.ones((len(xy), 1))], axis=1) @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], np.float64)
