"""The way from a keypoint network's outputs to keypoints on the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, Placement
from edgewright.kernels.points import to_image
from edgewright.tasks.base import DecodeSettings, Head, HeadFamily
from edgewright.tasks.detection.nms import descending
from edgewright.tasks.keypoints.keypoints import Keypoints


def radius_nms(scores: NDArray[np.float32], radius: int) -> NDArray[np.bool_]:
    """Mask of the points of a score map (h, w) that greedy suppression keeps.

    Points are the entries above 0, taken best first (row-major order among equals); each suppresses the others within
    `radius` pixels along both axes. Equal scores, common after quantisation, are told apart by their rank.
    """
    import cv2

    places = np.flatnonzero(scores > 0)
    rank = np.zeros(scores.shape, np.float32)  # exact up to 2^24 pixels
    rank.reshape(-1)[places[descending(scores.reshape(-1)[places])]] = np.arange(len(places), 0, -1)
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    kept = np.zeros(scores.shape, bool)
    # all points that are the best of their surroundings are kept at once; what they suppress can free others
    while rank.any():
        peaks = (rank > 0) & (rank == cv2.dilate(rank, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0))
        kept |= peaks
        rank[cv2.dilate(peaks.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0] = 0
    return kept


def decode_keypoints(
    family: HeadFamily,
    outputs: Mapping[str, NDArray[Any]],
    head: Head,
    contract: Contract,
    settings: DecodeSettings,
    placement: Placement,
) -> Keypoints:
    """Outputs of one image to keypoints in image pixels, best score first; points in the padding are left out."""
    return in_image(family.decode(outputs, head, contract, settings), placement)


def in_image(points: Keypoints, placement: Placement) -> Keypoints:
    """Keypoints from network pixels to pixels of the image, without those in the padding."""
    xy, inside = to_image(
        points.xy,
        (placement.scale_x, placement.scale_y),
        (placement.pad_x, placement.pad_y),
        (placement.width, placement.height),
    )
    found = points.moved(xy)
    return found if inside is None else found[inside]
