"""Loops of `kernels.scan`: which of many numbers reach a limit.

Most do not. First each block is asked for its largest entry, which the compiler does for a whole register at once; then
only the blocks that have one that reaches the limit are looked at one by one. Each loop stands alone and its length is
a constant: so the compiler turns it into vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.compiled.jit import kernel

BLOCK = 128


@kernel
def integer_blocks(codes: NDArray[Any], lows: NDArray[Any], blocks: NDArray[np.int64]) -> int:
    """Fill `blocks` with the first place of each block of integers (rows, columns) that reaches its row's low.

    A row has at least `BLOCK` columns; `blocks` has room for each block of each row.
    """
    rows, columns = codes.shape
    count = 0
    for row in range(rows):
        line, low = codes[row], lows[row]
        for block in range(np.uint64(-(-columns // BLOCK))):
            # the last block reaches back into the one before
            first = min(block * np.uint64(BLOCK), np.uint64(columns - BLOCK))
            found = line[first]
            for place in range(np.uint64(BLOCK)):
                found = max(found, line[first + place])
            if found >= low:
                blocks[count] = row * columns + np.int64(first)
                count += 1
    return count


@kernel
def half_blocks(codes: NDArray[np.int16], lows: NDArray[np.int16], blocks: NDArray[np.int64]) -> int:
    """As `integer_blocks` for bit patterns of half floats, mirrored to the order of their values."""
    rows, columns = codes.shape
    count = 0
    for row in range(rows):
        line, low = codes[row], lows[row]
        for block in range(np.uint64(-(-columns // BLOCK))):
            # the last block reaches back into the one before
            first = min(block * np.uint64(BLOCK), np.uint64(columns - BLOCK))
            found = np.int16(-32768)
            for place in range(np.uint64(BLOCK)):
                bits = line[first + place]
                found = max(found, np.int16(bits ^ ((bits >> 15) & 0x7FFF)))
            if found >= low:
                blocks[count] = row * columns + np.int64(first)
                count += 1
    return count


@kernel
def float_blocks(values: NDArray[np.float32], lows: NDArray[np.float32], blocks: NDArray[np.int64]) -> int:
    """As `integer_blocks` for floats; NaN reaches nothing."""
    rows, columns = values.shape
    count = 0
    for row in range(rows):
        line, low = values[row], lows[row]
        for block in range(np.uint64(-(-columns // BLOCK))):
            # the last block reaches back into the one before
            first = min(block * np.uint64(BLOCK), np.uint64(columns - BLOCK))
            found = np.int32(0)
            for place in range(np.uint64(BLOCK)):
                found |= np.int32(line[first + place] >= low)
            if found != 0:
                blocks[count] = row * columns + np.int64(first)
                count += 1
    return count


@kernel
def places(
    codes: NDArray[Any], lows: NDArray[Any], high: Any, blocks: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns, in order, of the entries of the blocks that lie in lows[row]..high.

    Args:
        codes: (rows, columns).
        lows: (rows,).
        high: largest entry that counts; NaN lies above it or compares to nothing.
        blocks, count: what a search for blocks found.
    """
    columns = codes.shape[1]
    rows_found, columns_found = np.empty(count * BLOCK, np.int64), np.empty(count * BLOCK, np.int64)
    flags = np.empty(BLOCK, np.bool_)
    words = flags.view(np.uint64)
    total, seen = 0, np.int64(0)
    for number in range(count):
        row, first = blocks[number] // columns, blocks[number] % columns
        _flag(codes[row], first, lows[row], flags)
        for word in range(BLOCK // 8):
            if words[word] == 0:
                continue
            for lane in range(8 * word, 8 * word + 8):
                column = first + lane
                if flags[lane] and row * columns + column >= seen and codes[row, column] <= high:
                    rows_found[total], columns_found[total] = row, column
                    total += 1
        seen = blocks[number] + BLOCK
    return rows_found[:total], columns_found[:total]


@kernel
def _flag(line: NDArray[Any], first: int, low: Any, flags: NDArray[np.bool_]) -> None:
    start = np.uint64(first)
    for lane in range(np.uint64(BLOCK)):
        flags[lane] = line[start + lane] >= low


@kernel
def half_places(
    codes: NDArray[np.int16], lows: NDArray[np.int16], high: int, blocks: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `places` for bit patterns of half floats, mirrored."""
    columns = codes.shape[1]
    rows_found, columns_found = np.empty(count * BLOCK, np.int64), np.empty(count * BLOCK, np.int64)
    total, seen = 0, np.int64(0)
    for number in range(count):
        row, first = blocks[number] // columns, blocks[number] % columns
        low = lows[row]
        for column in range(first, first + BLOCK):
            bits = codes[row, column]
            entry = bits ^ ((bits >> 15) & 0x7FFF)
            if low <= entry and entry <= high and row * columns + column >= seen:
                rows_found[total], columns_found[total] = row, column
                total += 1
        seen = blocks[number] + BLOCK
    return rows_found[:total], columns_found[:total]


@kernel
def columns(codes: NDArray[Any], lows: NDArray[Any], high: Any) -> NDArray[np.int64]:
    """Places column * rows + row, in order of rows, of entries of (rows, columns) in lows[column]..high.

    For tables whose rows are short and contiguous: one row for each anchor.
    """
    rows, width = codes.shape
    found, total = np.empty(1024, np.int64), 0
    for row in range(rows):
        line = codes[row]
        hit = np.int32(0)
        for column in range(np.uint64(width)):
            hit |= np.int32(line[column] >= lows[column])
        if hit == 0:
            continue
        if total + width > len(found):
            larger = np.empty(2 * len(found) + width, np.int64)
            larger[:total] = found[:total]
            found = larger
        for column in range(width):
            found[total] = column * rows + row
            total += np.int64(lows[column] <= line[column]) & np.int64(line[column] <= high)
    return found[:total]
