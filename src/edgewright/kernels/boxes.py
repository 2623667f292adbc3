"""Boxes: from entries of a table to corners, and which of them are boxes at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.choice import loops

Float = NDArray[np.float32]


def corners(centre_size: Float) -> Float:
    """Boxes (4, n) of rows cx, cy, w, h to corners (n, 4)."""
    fast = loops("boxes", "corners")
    if fast is not None:
        found: Float = fast(np.asarray(centre_size, np.float32))
        return found
    # values may be Inf where a quantised network is broken
    with np.errstate(invalid="ignore", over="ignore"):
        half = centre_size[2:] / 2
        return np.ascontiguousarray(np.concatenate([centre_size[:2] - half, centre_size[:2] + half]).T, np.float32)


def cell_corners(distance: Float, cells: NDArray[np.int64], columns: int, stride: int) -> Float:
    """Corners (n, 4), pixels, from distances (4, n), in cells, of cells (n,) in a map of so many columns."""
    fast = loops("boxes", "cell_corners")
    if fast is not None:
        found: Float = fast(distance, cells, columns, np.float32(stride))
        return found
    with np.errstate(invalid="ignore", over="ignore"):
        centre = np.stack([cells % columns, cells // columns]).astype(np.float32) + np.float32(0.5)
        sides = np.concatenate([centre - distance[:2], centre + distance[2:]])
        return np.ascontiguousarray(sides.T * np.float32(stride), np.float32)


def usable(xyxy: Float, scores: Float) -> NDArray[np.bool_] | None:
    """Which boxes (n, 4) are boxes: corners and score finite, right not left of left, bottom not above top.

    Returns:
        Mask (n,); None if all are.
    """
    fast = loops("boxes", "usable")
    if fast is not None:
        good = np.empty(len(xyxy), np.bool_)
        return None if fast(xyxy, scores, good) == len(xyxy) else good
    with np.errstate(invalid="ignore"):
        good = np.isfinite(xyxy).all(axis=1) & np.isfinite(scores) & (xyxy[:, 2:] >= xyxy[:, :2]).all(axis=1)
    return None if good.all() else good


def to_image(xyxy: Float, scale: tuple[float, float], pad: tuple[float, float], limit: tuple[int, int] | None) -> Float:
    """(x - pad) / scale of corners (n, 4), cut at 0 and `limit` unless that is None; in float32, as NumPy clips.

    Args:
        xyxy: finite corners, (n, 4).
        scale, pad, limit: along x and y.
    """
    fast = loops("boxes", "to_image")
    numbers = np.array([*scale, *pad, *(limit or (0, 0))], np.float32)
    if fast is not None:
        found: Float = fast(xyxy, numbers, limit is not None)
        return found
    steps, offset, most = np.tile(numbers.reshape(3, 2), 2)
    moved = (xyxy - offset) / steps
    return np.asarray(moved if limit is None else np.clip(moved, 0, most), np.float32)


def real_at(table: NDArray[Any], zero: Float, scale: Float, factor: Float, places: NDArray[np.int64]) -> Float:
    """(entry - zero) * scale * factor of all rows at some columns.

    Args:
        table: (rows, columns), integers of at most 16 bits, whose difference to a zero point float32 holds, or float32.
        zero, scale, factor: (rows,).
        places: columns, (n,).

    Returns:
        (rows, n) float32, rounded after each operation.
    """
    fast = loops("boxes", "real_at")
    if fast is not None:
        found: Float = fast(table, zero, scale, factor, places)
        return found
    entries = np.take(table, places, axis=1)
    return _real(entries, zero[:, None], scale[:, None], factor[:, None])


def real_of(
    table: NDArray[Any],
    zero: Float,
    scale: Float,
    factor: Float,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> Float:
    """As `real_at` for single entries: (n,) float32."""
    fast = loops("boxes", "real_of")
    if fast is not None:
        found: Float = fast(table, zero, scale, factor, rows, columns)
        return found
    return _real(table[rows, columns], zero[rows], scale[rows], factor[rows])


def _real(entries: NDArray[Any], zero: Float, scale: Float, factor: Float) -> Float:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.ascontiguousarray((entries.astype(np.float32) - zero) * scale * factor)
