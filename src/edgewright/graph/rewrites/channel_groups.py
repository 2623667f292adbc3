"""Which output channels of a layer may share one step: those whose weights are of like size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DEEPEST = 7.0
"""Bits below the largest weight at which nothing is left on 8-bit codes: what lies deeper is lost just as well."""
_FINE = 4.0
"""Mean loss from which on groups are merged no further: one bit of every channel."""

Array = NDArray[np.float64]


def lost_bits(sizes: NDArray[np.floating]) -> Array:
    """Bits that each channel loses on a step made for the largest one.

    Args:
        sizes: largest absolute weight, (channels, layers); a channel of zeros loses nothing.

    Returns:
        the same shape, 0.._DEEPEST.
    """
    whole = np.maximum(sizes.max(axis=0, keepdims=True), np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore"):
        bits = np.log2(whole / np.maximum(sizes, 0.0))
    return np.where(sizes > 0, np.clip(bits, 0.0, _DEEPEST), 0.0)


def mean_loss(bits: Array, groups: list[NDArray[np.int64]]) -> float:
    """Mean over channels and layers of the squared rounding error relative to that on a step of the channel's own."""
    total = sum(float((4.0 ** (bits[group] - bits[group].min(axis=0))).sum()) for group in groups)
    return total / bits.size


def channel_groups(bits: Array, most: int) -> list[NDArray[np.int64]]:
    """Channels in groups that lose little to each other: at most so many, and fewer where these lose little too.

    Groups are merged two by two, those first that lose least by it.

    Args:
        bits: from `lost_bits`.
        most: largest number of groups.

    Returns:
        Indices of channels, in order within each group; groups from the largest weights to the smallest.
    """
    members = [np.flatnonzero((bits == row).all(axis=1)) for row in np.unique(bits, axis=0)]
    sums = np.array([(4.0 ** bits[group]).sum(axis=0) for group in members])
    least = np.array([bits[group].min(axis=0) for group in members])
    while len(members) > 1:
        together = (sums[:, None] + sums[None]) * 4.0 ** -np.minimum(least[:, None], least[None])
        alone = (sums * 4.0**-least).sum(axis=1)
        rise = together.sum(axis=2) - alone[:, None] - alone[None]
        np.fill_diagonal(rise, np.inf)
        first, second = sorted(int(index) for index in np.unravel_index(np.argmin(rise), rise.shape))
        if len(members) <= most and (alone.sum() + rise[first, second]) / bits.size > _FINE:
            break
        members[first] = np.sort(np.concatenate([members[first], members[second]]))
        sums[first] += sums[second]
        least[first] = np.minimum(least[first], least[second])
        del members[second]
        sums, least = np.delete(sums, second, axis=0), np.delete(least, second, axis=0)
    return [members[index] for index in np.argsort(least.sum(axis=1), kind="stable")]
