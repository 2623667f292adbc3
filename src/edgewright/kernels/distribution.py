"""Distribution Focal Loss: the mean of a softmax over bins 0, 1, 2..., with one order of additions everywhere.

Numerator and denominator are summed bin by bin and divided once. NumPy's own sums change their order with the shape of
the array: a box would depend on how many others pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.choice import loops

Float = NDArray[np.float32]


def mean_bins(logits: Float) -> Float:
    """Mean bin of distributions.

    Args:
        logits: (4, bins, n) float32.

    Returns:
        (4, n) float32; NaN where a logit is NaN or infinite.
    """
    logits = np.ascontiguousarray(logits, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        total, moment = np.zeros_like(powers[:, 0]), np.zeros_like(powers[:, 0])
        for entry in range(logits.shape[1]):
            total += powers[:, entry]
            moment += powers[:, entry] * np.float32(entry)
        return np.asarray(moment / total, np.float32)


def power_table(values: Float) -> Float:
    """exp(values[column] - values[row]), (n, n) float32, for the ascending values of all codes; 1 beyond the diagonal.

    A row for each largest code: with it the softmax of codes needs no exponential.
    """
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(np.minimum(values[None, :] - values[:, None], np.float32(0))), np.float32)


def mean_bins_of_codes(
    codes: NDArray[Any], lowest: int, powers: Float, places: NDArray[np.int64], bins: int
) -> Float | None:
    """As `mean_bins` for codes at some places of a map, through a table; None where there is no compiler.

    Args:
        codes: (4 * bins, places of the map).
        lowest: smallest code of the type.
        powers: `power_table` of the values of all codes.
        places: (n,).
        bins: entries of a side's distribution.
    """
    fast = loops("distribution", "mean_bins")
    if fast is None:
        return None
    found: Float = fast(codes, lowest, powers, places, bins)
    return found
