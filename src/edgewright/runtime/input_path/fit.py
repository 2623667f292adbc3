"""Arithmetic that gives a channel's table exactly: found by bounds, proven over all 256 values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.arithmetic import Arithmetic, Fixed, Flip, Rounded, Scaled
from edgewright.tensors import QUANTISED_DTYPES

_RAW = np.arange(256)
_TRIES = 256  # factors of fixed point that are looked at for each shift
_NUDGES = tuple(sign * 2.0**-power for power in (20, 16, 12, 9) for sign in (1, -1))  # past a tie, to either side


def as_flip(codes: NDArray[Any]) -> Flip | None:
    """raw, or raw - 128 in int8."""
    for mask in (0, 0x80):
        if np.array_equal(codes.view(np.uint8), Flip(mask).values()):
            return Flip(mask)
    return None


def as_fixed(codes: NDArray[Any]) -> Fixed | None:
    """Fixed point in 16 bits, for codes that do not fall.

    With T = offset * 65536 + carry * factor, a code k of a raw byte asks for
    k * 2**(16 + shift) <= raw * 256 * factor + T < (k + 1) * 2**(16 + shift); a code at the end of the range for one of
    the two. What T may be follows from the 256 values for each factor.
    """
    mask = 0x80 if codes.dtype == np.int8 else 0
    wanted = (codes.view(np.uint8) ^ mask).astype(np.int64)
    slopes = _slopes(wanted)
    if slopes is None:
        return None
    for shift in (8, 7, 6, 5):
        unit = 2 ** (8 + shift)
        first, last = max(0, int(np.ceil(slopes[0] * unit))), min(65535, int(slopes[1] * unit))
        step = max(1, (last - first) // _TRIES)
        factors = np.arange(first, last + 1, step, dtype=np.int64)
        for factor, low, high in _bounds(wanted, factors, shift):
            found = _split(factor, low, high)
            if found is not None:
                fit = Fixed(factor, found[1], found[0], shift, mask)
                if np.array_equal(fit.values(), codes.view(np.uint8)):
                    return fit
    return None


def as_rounded(codes: NDArray[Any], slope: float, offset: float, zero: int) -> Rounded | None:
    """A product and a sum in float32, rounded half to even.

    Args:
        codes: 256 codes of 8 bits.
        slope, offset: value / scale is about raw * slope + offset.
        zero: zero point.
    """
    low, high = QUANTISED_DTYPES[str(codes.dtype)]
    factors = [np.float32(slope), *(np.nextafter(np.float32(slope), np.float32(end)) for end in (-np.inf, np.inf))]
    for factor, nudge in product(factors, (0.0, *_NUDGES)):
        fit = Rounded(float(factor), float(np.float32(offset + nudge)), zero, low, high)
        if np.array_equal(fit.values(), codes.view(np.uint8)):
            return fit
    return None


def as_scaled(values: NDArray[Any], mean: float, std: float) -> Scaled | None:
    """(raw - mean) / std in float32, if that is the float64 formula rounded to float32 for all 256 values."""
    if values.dtype != np.float32:
        return None
    fit = Scaled(float(np.float32(mean)), float(np.float32(std)))
    return fit if np.array_equal(fit.values().view(np.uint32), values.view(np.uint32)) else None


def equal_values(fit: Arithmetic, table: NDArray[Any]) -> int:
    """How many of the 256 elements the arithmetic gives, to the bit."""
    bits = {1: np.uint8, 4: np.uint32}[table.itemsize]
    return int((fit.values().view(bits) == table.view(bits)).sum())


def _slopes(wanted: NDArray[np.int64]) -> tuple[float, float] | None:
    """Bounds of the codes' rise for a raw step; None if they fall somewhere or no line has these codes.

    Two inner codes k at i and m at j > i allow a slope above (m - k - 1) / (j - i) and below (m - k + 1) / (j - i); one
    at the lower end says only that the line is below 1 there, one at the upper end only that it is at 255 or above.
    """
    if (np.diff(wanted) < 0).any():
        return None
    above = np.where(wanted == 0, -np.inf, wanted)  # the line is at least here
    below = np.where(wanted == 255, np.inf, wanted + 1)  # and less than here
    distance = _RAW[None] - _RAW[:, None]
    later = distance > 0
    with np.errstate(invalid="ignore"):
        least = np.where(later, (above[None] - below[:, None]) / np.where(later, distance, 1), -np.inf)
        most = np.where(later, (below[None] - above[:, None]) / np.where(later, distance, 1), np.inf)
    low, high = float(np.nanmax(least)), float(np.nanmin(most))
    low = max(low, 0.0)
    return (low, min(high, 8.0)) if low < high else None


def _bounds(wanted: NDArray[np.int64], factors: NDArray[np.int64], shift: int) -> Iterator[tuple[int, int, int]]:
    """Factors with the least T and the first that is too large, those with the widest choice first."""
    whole = wanted << (16 + shift)
    ends = np.int64(2**62)
    product = (_RAW << 8)[None] * factors[:, None]
    low = np.where(wanted == 0, -ends, whole - product).max(axis=1)
    high = np.where(wanted == 255, ends, whole + (1 << (16 + shift)) - product).min(axis=1)
    good = np.flatnonzero(low < high)
    for index in good[np.argsort(low[good] - high[good], kind="stable")]:
        yield int(factors[index]), int(low[index]), int(high[index])


def _split(factor: int, low: int, high: int) -> tuple[int, int] | None:
    """Offset and carry with low <= offset * 65536 + carry * factor < high."""
    carry = np.arange(256, dtype=np.int64)
    if low <= -(2**61):  # no code above 0: as low as can be
        return -65535, 0
    offset = -((carry * factor - low) // 65536)
    good = (offset * 65536 + carry * factor < high) & (np.abs(offset) <= 65535)
    if not good.any():
        return None
    place = int(np.argmax(good))
    return int(offset[place]), int(carry[place])
