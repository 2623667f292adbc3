"""Loops of `kernels.distribution`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.compiled.jit import kernel


@kernel
def mean_bins(
    codes: NDArray[Any], lowest: int, powers: NDArray[np.float32], places: NDArray[np.int64], bins: int
) -> NDArray[np.float32]:
    """Mean bin of each side at each place, (4, n).

    Args:
        codes: (4 * bins, places of the map).
        lowest: smallest code of the type.
        powers: exp(value of the column's code - value of the row's code), (codes, codes).
        places: (n,).
        bins: entries of a side's distribution.
    """
    found = np.empty((4, len(places)), np.float32)
    local = np.empty(bins, np.int64)
    for number in range(len(places)):
        place = places[number]
        for side in range(4):
            top = np.int64(0)
            for entry in range(bins):
                code = np.int64(codes[side * bins + entry, place]) - lowest
                local[entry] = code
                top = max(top, code)
            line = powers[top]
            total, moment = np.float32(0), np.float32(0)
            for entry in range(bins):
                power = line[local[entry]]
                total += power
                moment += power * np.float32(entry)
            found[side, number] = moment / total
    return found
