"""Keypoints: the softmax of cells, the choice of points that keep apart, and descriptors between cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.choice import loops

Float = NDArray[np.float32]
_LANES = 16


def softmax_rows(values: Float) -> Float:
    """Softmax of (channels, n) along the channels, summed channel by channel; NaN where a value is NaN or +Inf.

    NumPy's own sum changes its order with the shape: the score of a cell would depend on how many others are looked at.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(values - values.max(axis=0))
        total = powers[0].copy()
        for row in powers[1:]:
            total += row
        return np.asarray(powers / total, np.float32)


def largest_score(top: Float, dustbin: Float) -> Float:
    """A bound on the scores of cells, from their largest pixel and their dustbin; elementwise.

    A score is exp(v - m) / sum. The sum, rounded at each addition of a number that is not negative, is never less than
    the rounded sum of two of its terms: the largest pixel's and the dustbin's, which is added last.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        most = np.maximum(top, dustbin)
        power = np.exp(top - most)
        return np.asarray(power / (power + np.exp(dustbin - most)), np.float32)


def pixels_of_codes(
    codes: NDArray[Any], lowest: int, powers: Float, tops: NDArray[np.int64], confidence: float, columns: int, side: int
) -> tuple[NDArray[np.int64], Float] | None:
    """Places and scores of the pixels of cells that pass, through a table of exponentials; None without compiler.

    Args:
        codes: (side * side + 1, cells), 8 bits, the dustbin last.
        lowest: smallest code of the type.
        powers: `power_table` of the values of all codes.
        tops: for each dustbin code, from 0, the smallest largest pixel code, from 0, with which a pixel can pass.
        confidence: smallest score, above 0.
        columns: of cells.
        side: pixels of a cell along one axis.

    Returns:
        Places row * width + column in the map of pixels, and scores.
    """
    fast = loops("points", "pixels_of_codes")
    if fast is None:
        return None
    found: tuple[NDArray[np.int64], Float] = fast(
        _turned(codes), lowest, powers, tops, np.float32(confidence), columns, side
    )
    return found


def spread_points(
    scores: Float, places: NDArray[np.int64], size: tuple[int, int], radius: int, border: int, most: int
) -> tuple[NDArray[np.int64], Float] | None:
    """Places and scores of the points that greedy suppression keeps, best first; None without compiler.

    Args:
        scores: (n,), above 0.
        places: row * width + column, (n,).
        size: height and width of the map, at most 2^32 pixels.
        radius: a point suppresses the others within so many pixels along both axes.
        border: points closer to the edge suppress others, but are not kept.
        most: largest number of points.
    """
    fast, order = loops("points", "spread"), loops("points", "place_keys")
    if fast is None or order is None:
        return None
    keys = order(scores, places)
    keys.sort()
    kept = np.empty(max(min(most, len(keys)), 0) + 1, np.int64)
    kept = kept[: fast(keys, size[0], size[1], radius, border, most, kept)]
    return kept & 0xFFFFFFFF, (-(kept >> 32)).astype(np.int32).view(np.float32)


def sample_codes(
    codes: NDArray[Any], zero: Float, scale: Float, factor: Float, corners: NDArray[np.int64], parts: Float
) -> Float | None:
    """Bilinear mixtures of the columns of a table of 8-bit codes, of length 1: (n, channels); None without compiler.

    Args:
        codes: (channels, cells), worth (code - zero) * scale * factor.
        zero, scale, factor: (channels,).
        corners: cells at the upper left, upper right, lower left and lower right, (4, n).
        parts: share of the right and of the lower ones, (2, n).
    """
    fast = loops("points", "sample")
    if fast is None:
        return None
    found: Float = fast(_turned(codes), zero, scale, factor, corners, parts)
    return found


def unit_rows(rows: Float) -> Float:
    """Rows (n, d) divided by their length; what is zero or not finite becomes zero."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        unit = rows / np.sqrt(squares(rows))[:, None]
        return np.ascontiguousarray(np.where(np.isfinite(unit), unit, 0), np.float32)


def squares(rows: Float) -> Float:
    """Sum of squares of each row of (n, d), by one order of additions: 16 sums side by side, then halved and added."""
    lanes = np.zeros((len(rows), _LANES), np.float32)
    for first in range(0, rows.shape[1], _LANES):
        piece = rows[:, first : first + _LANES]
        lanes[:, : piece.shape[1]] += piece * piece
    half = _LANES // 2
    while half:
        lanes = lanes[:, :half] + lanes[:, half:]
        half //= 2
    return np.asarray(lanes[:, 0], np.float32)


def _turned(codes: NDArray[Any]) -> NDArray[Any]:
    """The transpose of a matrix of bytes, contiguous: OpenCV turns it ten times faster than NumPy."""
    import cv2

    return np.asarray(cv2.transpose(np.ascontiguousarray(codes).view(np.uint8))).view(codes.dtype)
