"""Which entries of a table of quantised scores, or of floats, reach a limit: without converting any of them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.choice import loops

Kind = Literal["integer", "half", "float"]
_BLOCK = 128  # a constant of the compiled loops, which need at least one block


Places = tuple[NDArray[np.int64], NDArray[np.int64]]


def reaching(codes: NDArray[Any], lows: NDArray[Any], high: Any, kind: Kind) -> Places:
    """Rows and columns, row by row, of the entries of a table that lie in lows[row]..high.

    Args:
        codes: (rows, columns): integers; bit patterns of half floats as int16; or float32. Rows or columns should be
            contiguous.
        lows: (rows,), of the type of `codes`; for half floats in the order of `half_order`.
        high: largest entry that counts, in the same order: what lies above is NaN. Infinity for floats.
        kind: what the entries are.
    """
    blocks_of = loops("scan", f"{kind}_blocks")
    if blocks_of is not None and codes.strides[1] == codes.itemsize and codes.shape[1] >= _BLOCK:
        blocks = np.empty(codes.shape[0] * -(-codes.shape[1] // _BLOCK), np.int64)
        places: Any = loops("scan", "half_places" if kind == "half" else "places")
        found: Places = places(codes, lows, high, blocks, blocks_of(codes, lows, blocks))
        return found
    slim = loops("scan", "columns")
    if slim is not None and kind != "half" and codes.strides[0] == codes.itemsize:
        flat = slim(codes.T, lows, high)
        flat.sort()
        return np.divmod(flat, codes.shape[1])
    return _plain(codes, lows, high, kind)


def half_order(bits: NDArray[np.int16]) -> NDArray[np.int16]:
    """Bit patterns of half floats to integers that ascend as the values do; positive NaN above, negative NaN below."""
    return np.asarray(bits ^ ((bits >> 15) & 0x7FFF), np.int16)


def _plain(codes: NDArray[Any], lows: NDArray[Any], high: Any, kind: Kind) -> Places:
    """In NumPy: the largest of a row is found at the memory's speed, so rows without a hit cost no more than that."""
    if kind == "half":
        codes = half_order(codes)
    if kind == "float" or not codes.size:
        with np.errstate(invalid="ignore"):
            row, column = np.nonzero(codes >= lows[:, None])
            return row.astype(np.int64, copy=False), column.astype(np.int64, copy=False)
    rows = np.flatnonzero(codes.max(axis=1) >= lows)
    part = codes[rows]
    row, column = np.nonzero((part >= lows[rows, None]) & (part <= np.asarray(high, codes.dtype)))
    return rows[row], column
