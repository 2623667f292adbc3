"""Loops of `kernels.boxes`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.compiled.jit import kernel


@kernel
def real_at(
    table: NDArray[Any],
    zero: NDArray[np.float32],
    scale: NDArray[np.float32],
    factor: NDArray[np.float32],
    places: NDArray[np.int64],
) -> NDArray[np.float32]:
    """(entry - zero) * scale * factor, rounded at each step, of all rows at some columns: (rows, n)."""
    rows = len(table)
    found = np.empty((rows, len(places)), np.float32)
    for row in range(rows):
        line, offset, step, times = table[row], zero[row], scale[row], factor[row]
        for number in range(len(places)):
            found[row, number] = (np.float32(line[places[number]]) - offset) * step * times
    return found


@kernel
def real_of(
    table: NDArray[Any],
    zero: NDArray[np.float32],
    scale: NDArray[np.float32],
    factor: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float32]:
    """As `real_at` for single entries: (n,)."""
    found = np.empty(len(rows), np.float32)
    for number in range(len(rows)):
        row = rows[number]
        entry = np.float32(table[row, columns[number]]) - zero[row]
        found[number] = entry * scale[row] * factor[row]
    return found


@kernel
def corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows cx, cy, w, h (4, n) to corners (n, 4)."""
    found = np.empty((boxes.shape[1], 4), np.float32)
    two = np.float32(2)
    for number in range(boxes.shape[1]):
        half_width, half_height = boxes[2, number] / two, boxes[3, number] / two
        found[number, 0], found[number, 1] = boxes[0, number] - half_width, boxes[1, number] - half_height
        found[number, 2], found[number, 3] = boxes[0, number] + half_width, boxes[1, number] + half_height
    return found


@kernel
def cell_corners(
    distance: NDArray[np.float32], cells: NDArray[np.int64], columns: int, stride: np.float32
) -> NDArray[np.float32]:
    """Distances (4, n) to the sides, in cells, to corners (n, 4) in pixels."""
    found = np.empty((len(cells), 4), np.float32)
    half = np.float32(0.5)
    for number in range(len(cells)):
        x, y = np.float32(cells[number] % columns) + half, np.float32(cells[number] // columns) + half
        found[number, 0] = (x - distance[0, number]) * stride
        found[number, 1] = (y - distance[1, number]) * stride
        found[number, 2] = (x + distance[2, number]) * stride
        found[number, 3] = (y + distance[3, number]) * stride
    return found


@kernel
def usable(xyxy: NDArray[np.float32], scores: NDArray[np.float32], good: NDArray[np.bool_]) -> int:
    """Whether boxes are boxes: finite, not turned over, with a finite score; their number."""
    count = 0
    for number in range(len(xyxy)):
        left, top, right, bottom = xyxy[number, 0], xyxy[number, 1], xyxy[number, 2], xyxy[number, 3]
        fine = left <= right and top <= bottom and np.isfinite(scores[number])
        fine = fine and np.isfinite(left) and np.isfinite(top) and np.isfinite(right) and np.isfinite(bottom)
        good[number] = fine
        count += fine
    return count


@kernel
def to_image(xyxy: NDArray[np.float32], numbers: NDArray[np.float32], clip: bool) -> NDArray[np.float32]:
    """Corners (n, 4) from network pixels to image pixels; `numbers` are scale, pad and limit, x and y of each."""
    found = np.empty(xyxy.shape, np.float32)
    zero = np.float32(0)
    for number in range(len(xyxy)):
        for side in range(4):
            axis = side % 2
            value = (xyxy[number, side] - numbers[2 + axis]) / numbers[axis]
            if clip:
                value = value if value > zero else zero
                value = value if value < numbers[4 + axis] else numbers[4 + axis]
            found[number, side] = value
    return found
