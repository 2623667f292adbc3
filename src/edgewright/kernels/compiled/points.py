"""Loops of `kernels.points`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.compiled.jit import kernel

LANES = 64  # partial sums: enough that one need not wait for the one before


@kernel
def passing_cells(
    codes: NDArray[Any], lowest: int, tops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells in which a pixel can pass, ascending, and the largest code of each, from 0.

    Args:
        codes: (bins + 1, cells), the dustbin last.
        lowest: smallest code of the type.
        tops: for each dustbin code (from 0) the smallest largest pixel code (from 0) with which a pixel can pass.
    """
    bins, count = len(codes) - 1, codes.shape[1]
    largest = codes[0].copy()
    for entry in range(1, bins):
        line = codes[entry]
        for cell in range(np.uint64(count)):
            largest[cell] = max(largest[cell], line[cell])
    found, most, total = np.empty(count, np.int64), np.empty(count, np.int64), 0
    last = codes[bins]
    for cell in range(count):
        top, dustbin = np.int64(largest[cell]) - lowest, np.int64(last[cell]) - lowest
        found[total], most[total] = cell, max(top, dustbin)
        total += top >= tops[dustbin]
    return found[:total], most[:total]


@kernel
def pixels_of_bytes(
    table: NDArray[np.uint8],
    cells: NDArray[np.int64],
    most: NDArray[np.int64],
    powers: NDArray[np.float32],
    confidence: np.float32,
    columns: int,
    side: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places, row << 16 | column, and scores of the pixels that pass, cell by cell.

    Args:
        table: codes as bytes (side * side + 1, all cells), the dustbin last; `side` divides by 4.
        cells, most: those to look at, ascending, so that their bytes are near; and the largest code of each, from 0.
        powers: exp(value of the column's byte - value of the row's code).
        confidence: smallest score, above 0.
        columns: of cells.
        side: pixels of a cell along one axis.
    """
    bins = side * side
    places, scores = np.empty(1024, np.int64), np.empty(1024, np.float32)
    local, flags = np.zeros(bins, np.float32), np.empty(bins, np.bool_)
    words = flags.view(np.uint64)
    count = 0
    for number in range(len(cells)):
        cell = cells[number]
        total = _powers(table, np.uint64(cell), powers[most[number]], local)
        if count + bins > len(places):
            more_places, more_scores = np.empty(2 * len(places), np.int64), np.empty(2 * len(places), np.float32)
            more_places[:count], more_scores[:count] = places[:count], scores[:count]
            places, scores = more_places, more_scores
        least = total * confidence * np.float32(0.9999)
        for entry in range(np.uint64(bins)):
            flags[entry] = local[entry] >= least
        origin = ((cell // columns) << 16 | (cell % columns)) * side
        for word in range(bins // 8):
            if words[word] == 0:
                continue
            for pixel in range(8 * word, 8 * word + 8):
                score = local[pixel] / total
                places[count] = origin + ((pixel // side) << 16 | (pixel % side))
                scores[count] = score
                count += score >= confidence
    return places[:count], scores[:count]


@kernel
def _powers(table: NDArray[np.uint8], cell: Any, row: NDArray[np.float32], local: NDArray[np.float32]) -> Any:
    """Fill `local` with the powers of a cell's entries but the last; the sum of all, in four sums side by side."""
    a = b = c = d = np.float32(0)
    one, two, three, last = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(len(local))
    for block in range(np.uint64(len(local) // 4)):
        first = block * np.uint64(4)
        e, f = row[np.uint64(table[first, cell])], row[np.uint64(table[first + one, cell])]
        g, h = row[np.uint64(table[first + two, cell])], row[np.uint64(table[first + three, cell])]
        local[first], local[first + one], local[first + two], local[first + three] = e, f, g, h
        a, b, c, d = a + e, b + f, c + g, d + h
    a += row[np.uint64(table[last, cell])]
    return (a + c) + (b + d)


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
    keys: NDArray[np.int64],
    size: tuple[int, int],
    radius: int,
    border: int,
    most: int,
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> int:
    """Write positions and scores of points that greedy suppression keeps, in order; returns their number.

    Args:
        keys: of `place_keys`, ascending.
        size: height and width of the score map, pixels.
        radius: a point suppresses the others within so many pixels along both axes.
        border: points closer to the edge suppress others, but are not kept.
        most: largest number of points.
        xy, scores: room for one point more than that.
    """
    height, width = size
    bits = scores.view(np.int32)
    # two points in one tile exclude each other, so a tile holds one point at most: its place, or one far away
    side = radius + 1
    tile_of = np.arange(max(height, width)) // side + 1  # a table, for a division takes longer than all the rest
    tiles = np.full((height // side + 3, width // side + 3), np.int64(-(1 << 40)))
    count = 0
    for key in keys:
        if count >= most:
            break
        place = key & 0xFFFFFFFF
        y, x = place >> 16, place & 0xFFFF
        row, column = tile_of[y], tile_of[x]
        free = True
        for tile_row in range(row - 1, row + 2):
            for tile_column in range(column - 1, column + 2):
                other = tiles[tile_row, tile_column]
                free &= abs((other >> 16) - y) > radius or abs((other & 0xFFFF) - x) > radius
        if free:
            tiles[row, column] = place
            xy[count, 0], xy[count, 1], bits[count] = x, y, -(key >> 32)
            count += y >= border and y < height - border and x >= border and x < width - border
    return count


@kernel
def _low(value: np.float32, side: np.float32, cells: int) -> tuple[int, np.float32]:
    """The cell at or before a pixel, and the share of the next one."""
    half = np.float32(0.5)
    place = min(max((value + half) / side - half, np.float32(0)), np.float32(cells - 1))
    low = min(int(place), max(cells - 2, 0))
    return low, place - np.float32(low)


@kernel
def to_image(
    xy: NDArray[np.float32],
    scale_x: float,
    scale_y: float,
    pad_x: float,
    pad_y: float,
    width: float,
    height: float,
    moved: NDArray[np.float32],
    inside: NDArray[np.bool_],
) -> int:
    """Fill `moved` and `inside`; the number of points that lie in the image."""
    half, count = np.float32(0.5), 0
    for point in range(len(xy)):
        x = np.float32((np.float64(xy[point, 0] + half) - pad_x) / scale_x) - half
        y = np.float32((np.float64(xy[point, 1] + half) - pad_y) / scale_y) - half
        moved[point, 0], moved[point, 1] = x, y
        inside[point] = x >= -0.5 and y >= -0.5 and x <= width - 0.5 and y <= height - 0.5
        count += inside[point]
    return count


@kernel
def sample(
    table: NDArray[Any],
    zero: NDArray[np.float32],
    scale: NDArray[np.float32],
    xy: NDArray[np.float32],
    grid: tuple[int, int],
    side: np.float32,
) -> NDArray[np.float32]:
    """Bilinear mixtures of the entries of cells at points, of length 1: (n, width).

    Args:
        table: (cells, width), integers worth (entry - zero) * scale.
        zero, scale: (width,).
        xy: points, (n, 2), pixels.
        grid: rows and columns of cells.
        side: pixels of a cell along one axis.
    """
    rows, columns = grid
    width = table.shape[1]
    one, none = np.float32(1), np.float32(0)
    lanes = np.empty(LANES, np.float32)
    line = np.zeros(-(-width // LANES) * LANES, np.float32)
    found = np.empty((len(xy), width), np.float32)
    for point in range(len(xy)):
        low_x, right = _low(xy[point, 0], side, columns)
        low_y, down = _low(xy[point, 1], side, rows)
        next_x, next_y = min(low_x + 1, columns - 1), min(low_y + 1, rows - 1)
        upper, lower = low_y * columns, next_y * columns
        a, b, c, d = table[upper + low_x], table[upper + next_x], table[lower + low_x], table[lower + next_x]
        left, up = one - right, one - down
        at_a, at_b, at_c, at_d = left * up, right * up, left * down, right * down
        for entry in range(np.uint64(width)):
            offset, step = zero[entry], scale[entry]
            above = (np.float32(a[entry]) - offset) * step * at_a
            above += (np.float32(b[entry]) - offset) * step * at_b
            below = (np.float32(c[entry]) - offset) * step * at_c
            below += (np.float32(d[entry]) - offset) * step * at_d
            line[entry] = above + below
        inverse = one / np.sqrt(_squares(line, lanes))
        out = found[point]
        if none < inverse < np.float32(np.inf):  # then no entry is infinite or NaN, for the sum of squares is not
            for entry in range(np.uint64(width)):
                out[entry] = line[entry] * inverse
            continue
        for entry in range(width):
            value = line[entry] * inverse
            out[entry] = value if np.isfinite(value) else none
    return found


@kernel
def _squares(line: NDArray[np.float32], lanes: NDArray[np.float32]) -> Any:
    """Sum of squares of entries, whose number divides by 64, in the order of `kernels.points.lane_sums`."""
    for lane in range(LANES):
        lanes[lane] = np.float32(0)
    for block in range(np.uint64(len(line) // LANES)):
        for lane in range(np.uint64(LANES)):
            value = line[block * np.uint64(LANES) + lane]
            lanes[lane] += value * value
    return _halved(lanes)


@kernel
def _halved(lanes: NDArray[np.float32]) -> Any:
    # each loop's length is a constant, so that each becomes a vector instruction or two
    for lane in range(32):
        lanes[lane] += lanes[lane + 32]
    for lane in range(16):
        lanes[lane] += lanes[lane + 16]
    for lane in range(8):
        lanes[lane] += lanes[lane + 8]
    for lane in range(4):
        lanes[lane] += lanes[lane + 4]
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
