"""Keypoints: the softmax of cells, the choice of points that keep apart, and descriptors between cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.choice import loops

Float = NDArray[np.float32]


def softmax_rows(values: Float) -> Float:
    """Softmax of (channels, n) along the channels; NaN where a value is NaN or +Inf.

    NumPy's own sum changes its order with the shape: the score of a cell would depend on how many others are looked at.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(values - values.max(axis=0))
        return np.asarray(powers / lane_sums(powers, 4), np.float32)


def lane_sums(rows: Float, count: int) -> Float:
    """Sums of (rows, n) along the rows by one order of additions: `count` sums side by side, then halved and added."""
    lanes = np.zeros((count, rows.shape[1]), np.float32)
    for first in range(0, len(rows), count):
        piece = rows[first : first + count]
        lanes[: len(piece)] += piece
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = lanes[:half] + lanes[half:]
    return np.asarray(lanes[0], np.float32)


def largest_score(top: Float, dustbin: Float) -> Float:
    """A bound on the scores of cells, from their largest pixel and their dustbin; elementwise.

    A score is exp(v - m) / sum. The sum of numbers that are not negative, rounded at each addition, in whatever order,
    is never less than the rounded sum of two of them: here the largest pixel's and the dustbin's.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        most = np.maximum(top, dustbin)
        power = np.exp(top - most)
        return np.asarray(power / (power + np.exp(dustbin - most)), np.float32)


def byte_order(powers: Float, dtype: np.dtype[Any]) -> Float:
    """The columns of a `power_table` of 8-bit codes, from the order of codes to that of their bytes."""
    return powers if dtype.kind == "u" else np.roll(powers, 128, axis=1)


def pixels_of_codes(
    codes: NDArray[Any], powers: Float, tops: NDArray[np.int64], confidence: float, columns: int, side: int
) -> tuple[NDArray[np.int64], Float] | None:
    """Places and scores of the pixels of cells that pass, through a table of exponentials; None without compiler.

    Args:
        codes: (side * side + 1, cells), 8 bits, the dustbin last; `side` divides by 4.
        powers: `power_table` of the values of all codes, in `byte_order`.
        tops: for each dustbin code, from 0, the smallest largest pixel code, from 0, with which a pixel can pass.
        confidence: smallest score, above 0.
        columns: of cells.
        side: pixels of a cell along one axis.

    Returns:
        Places, row << 16 | column, in the map of pixels, and scores.
    """
    cells, fast = loops("points", "passing_cells"), loops("points", "pixels_of_bytes")
    if cells is None or fast is None:
        return None
    passing = cells(codes, np.iinfo(codes.dtype).min, tops)
    found: tuple[NDArray[np.int64], Float] = fast(
        np.ascontiguousarray(codes).view(np.uint8), *passing, powers, np.float32(confidence), columns, side
    )
    return found


def spread_points(
    scores: Float, places: NDArray[np.int64], size: tuple[int, int], radius: int, border: int, most: int
) -> tuple[Float, Float] | None:
    """Positions (n, 2) and scores of the points that greedy suppression keeps, best first; None without compiler.

    Args:
        scores: (n,), above 0.
        places: row << 16 | column, (n,).
        size: height and width of the map, below 2^15.
        radius: a point suppresses the others within so many pixels along both axes.
        border: points closer to the edge suppress others, but are not kept.
        most: largest number of points.
    """
    fast, order = loops("points", "spread"), loops("points", "place_keys")
    if fast is None or order is None:
        return None
    keys = order(scores, places)
    keys.sort()
    room = max(min(most, len(keys)), 0) + 1
    xy, kept = np.empty((room, 2), np.float32), np.empty(room, np.float32)
    count = fast(keys, size, radius, border, most, xy, kept)
    return xy[:count], kept[:count]


def to_image(
    xy: Float, scale: tuple[float, float], pad: tuple[float, float], size: tuple[int, int]
) -> tuple[Float, NDArray[np.bool_] | None]:
    """Points from network pixels to image pixels, pixel centre to pixel centre, and a mask of those in the image.

    A network pixel's centre lies half a network pixel in, which is half an image pixel times the scale.

    Args:
        xy: (n, 2) float32; whole numbers are the centres of pixels.
        scale, pad: of the network's pixels, along x and y.
        size: width and height of the image.

    Returns:
        (n, 2) float32, computed in float64 and rounded before the last half pixel is taken off; the mask is None if all
        lie in the image.
    """
    fast = loops("points", "to_image")
    if fast is not None:
        moved, inside = np.empty(xy.shape, np.float32), np.empty(len(xy), np.bool_)
        count = fast(xy, *map(float, (*scale, *pad)), *map(float, size), moved, inside)
        return moved, None if count == len(xy) else inside
    half = np.float32(0.5)
    moved = ((xy + half - np.array(pad, np.float64)) / np.array(scale, np.float64)).astype(np.float32) - half
    inside = ((moved >= -0.5) & (moved <= np.array(size) - 0.5)).all(axis=1)
    return moved, None if inside.all() else inside


def sample_codes(
    codes: NDArray[Any], zero: Float, scale: Float, xy: Float, grid: tuple[int, int], side: int
) -> Float | None:
    """Bilinear mixtures of the columns of a table of 8-bit codes, of length 1: (n, channels); None without compiler.

    Args:
        codes: (channels, cells), worth (code - zero) * scale.
        zero, scale: (channels,).
        xy: points, (n, 2), pixels.
        grid: rows and columns of cells.
        side: pixels of a cell along one axis.
    """
    fast = loops("points", "sample")
    if fast is None:
        return None
    import cv2

    # OpenCV turns a matrix of bytes ten times faster than NumPy does
    turned = np.asarray(cv2.transpose(np.ascontiguousarray(codes).view(np.uint8))).view(codes.dtype)
    found: Float = fast(turned, zero, scale, xy, grid, np.float32(side))
    return found


def unit_columns(columns: Float) -> Float:
    """Columns of (d, n) divided by their length, as rows (n, d); what is zero or not finite becomes zero."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        unit = columns * (np.float32(1) / np.sqrt(lane_sums(columns * columns, 64)))
        return np.ascontiguousarray(np.where(np.isfinite(unit), unit, 0).T, np.float32)
