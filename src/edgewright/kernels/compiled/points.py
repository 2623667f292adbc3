"""Loops of `kernels.points`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.compiled.jit import kernel

LANES = 16


@kernel
def pixels_of_codes(
    cells: NDArray[Any],
    lowest: int,
    powers: NDArray[np.float32],
    tops: NDArray[np.int64],
    confidence: np.float32,
    columns: int,
    side: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places and scores of the pixels that pass, cell by cell.

    Args:
        cells: codes (cells, side * side + 1), the dustbin last.
        lowest: smallest code of the type.
        powers: exp(value of the column's code - value of the row's code).
        tops: for each dustbin code (from 0) the smallest largest pixel code (from 0) with which a pixel can pass.
        confidence: smallest score, above 0.
        columns: of cells.
        side: pixels of a cell along one axis.
    """
    bins = side * side
    places, scores = np.empty(4096, np.int64), np.empty(4096, np.float32)
    count = 0
    local = np.empty(bins + 1, np.float32)
    for cell in range(len(cells)):
        line = cells[cell]
        top = line[0]
        for entry in range(bins):
            top = max(top, line[entry])
        dustbin = np.int64(line[bins]) - lowest
        if np.int64(top) - lowest < tops[dustbin]:
            continue
        row = powers[max(np.int64(top) - lowest, dustbin)]
        total = np.float32(0)
        for entry in range(bins + 1):
            power = row[np.int64(line[entry]) - lowest]
            local[entry] = power
            total += power
        if count + bins > len(places):
            more_places, more_scores = np.empty(2 * len(places), np.int64), np.empty(2 * len(places), np.float32)
            more_places[:count], more_scores[:count] = places[:count], scores[:count]
            places, scores = more_places, more_scores
        least = total * confidence * np.float32(0.9999)
        origin = (cell // columns) * side * columns * side + (cell % columns) * side
        for entry in range(bins):
            if local[entry] >= least:
                score = local[entry] / total
                places[count] = origin + (entry // side) * columns * side + entry % side
                scores[count] = score
                count += score >= confidence
    return places[:count], scores[:count]


@kernel
def place_keys(scores: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers that ascend as scores, 0 or more, fall, and as places ascend among equals."""
    bits = scores.view(np.int32)
    keys = np.empty(len(bits), np.int64)
    for number in range(len(bits)):
        keys[number] = (-np.int64(bits[number]) << 32) | places[number]
    return keys


@kernel
def spread(
    keys: NDArray[np.int64], height: int, width: int, radius: int, border: int, most: int, kept: NDArray[np.int64]
) -> int:
    """Write the keys of points that greedy suppression keeps, in order, to `kept`; returns their number.

    Args:
        keys: of `place_keys`, ascending.
        height, width: of the score map, pixels.
        radius: a point suppresses the others within so many pixels along both axes.
        border: points closer to the edge suppress others, but are not kept.
        most: largest number of points.
    """
    taken = np.zeros((height, width), np.bool_)
    count = 0
    for key in keys:
        if count >= most:
            break
        place = key & 0xFFFFFFFF
        y, x = place // width, place % width
        if taken[y, x]:
            continue
        for row in range(max(y - radius, 0), min(y + radius + 1, height)):
            taken[row, max(x - radius, 0) : min(x + radius + 1, width)] = True
        kept[count] = key
        count += y >= border and y < height - border and x >= border and x < width - border
    return count


@kernel
def sample(
    table: NDArray[Any],
    zero: NDArray[np.float32],
    scale: NDArray[np.float32],
    factor: NDArray[np.float32],
    corners: NDArray[np.int64],
    parts: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Bilinear mixtures of rows, of length 1: (n, width).

    Args:
        table: (rows, width), integers or floats of the real values (entry - zero) * scale * factor.
        zero, scale, factor: (width,).
        corners: rows at the upper left, upper right, lower left and lower right, (4, n).
        parts: share of the right and of the lower ones, (2, n).
    """
    width = table.shape[1]
    found = np.empty((corners.shape[1], width), np.float32)
    one, none = np.float32(1), np.float32(0)
    lanes = np.empty(LANES, np.float32)
    for point in range(corners.shape[1]):
        right, down = parts[0, point], parts[1, point]
        left, up = one - right, one - down
        a, b = table[corners[0, point]], table[corners[1, point]]
        c, d = table[corners[2, point]], table[corners[3, point]]
        line = found[point]
        for entry in range(width):
            offset, step, times = zero[entry], scale[entry], factor[entry]
            upper = (np.float32(a[entry]) - offset) * step * times * left
            upper += (np.float32(b[entry]) - offset) * step * times * right
            lower = (np.float32(c[entry]) - offset) * step * times * left
            lower += (np.float32(d[entry]) - offset) * step * times * right
            line[entry] = upper * up + lower * down
        length = np.sqrt(_square(line, lanes))
        for entry in range(width):
            value = line[entry] / length
            line[entry] = value if np.isfinite(value) else none
    return found


@kernel
def _square(line: NDArray[np.float32], lanes: NDArray[np.float32]) -> Any:
    """Sum of squares, in the order of `kernels.points.squares`."""
    for lane in range(LANES):
        lanes[lane] = np.float32(0)
    whole = len(line) // LANES * LANES
    for first in range(0, whole, LANES):
        for lane in range(np.uint64(LANES)):
            value = line[np.uint64(first) + lane]
            lanes[lane] += value * value
    for entry in range(whole, len(line)):
        lanes[entry - whole] += line[entry] * line[entry]
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            lanes[lane] += lanes[lane + half]
        half //= 2
    return lanes[0]
