"""A score threshold as a limit on codes, proven over every code that there is.

A score is a function of a code: dequantise, multiply, apply a sigmoid. For codes of 8 and 16 bits and for half floats
the function is evaluated for each code, by the very arithmetic of the plain decode, and compared with the threshold.
The smallest code that passes is the limit; that every code above it passes too is checked, not assumed. For single
floats the limit is found by bisection over their bit patterns, and the neighbourhood is checked one by one.

The limit of floats only chooses what is looked at: what it lets through is compared with the threshold once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.scan import Kind, half_order
from edgewright.runtime.output_path.slots import Slot
from edgewright.tensors import Float

Activation = Callable[[NDArray[Any]], Float]
_HALF_INFINITY = 0x7C00
_NEIGHBOURS = 1 << 15  # single floats on each side of the limit that are tried: far more than any sigmoid's error


@dataclass(frozen=True)
class Limit:
    """Which codes of each channel pass.

    Attributes:
        lows: smallest code that passes, by channel, of the code's type; for half floats in the order of `half_order`.
        high: largest code that is a number.
        kind: how codes are compared.
        empty: no code of any channel passes.
        exact: exactly these pass; else what the limit lets through has to be compared in real values.
    """

    lows: NDArray[Any]
    high: Any
    kind: Kind
    empty: bool
    exact: bool


def unchanged(values: NDArray[Any]) -> Float:
    """No activation."""
    return np.asarray(values, np.float32)


def limit_of(slot: Slot, activation: Activation, threshold: float) -> Limit | None:
    """The limit of a slot's codes for scores of at least `threshold`; None if codes and scores do not ascend together.

    Args:
        slot: where the scores lie.
        activation: from real values to scores, elementwise; must not fall.
        threshold: smallest score that passes.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if slot.kind == "float":
            return _float_limit(slot, activation, threshold)
        return _code_limit(slot, activation, threshold)


def all_codes(slot: Slot) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Every code of the slot's type, in the order of their values, as entries of a table and as integers."""
    if slot.kind == "half":
        bits = np.arange(-32768, 32768).astype(np.int16)
        bits = bits[np.argsort(half_order(bits), kind="stable")]
        return bits.view(np.float16), half_order(bits).astype(np.int64)
    info = np.iinfo(slot.dtype)
    codes = np.arange(info.min, info.max + 1)
    return codes.astype(slot.dtype), codes


def _code_limit(slot: Slot, activation: Activation, threshold: float) -> Limit | None:
    entries, order = all_codes(slot)
    numbers = order <= _HALF_INFINITY if slot.kind == "half" else np.ones(len(order), bool)
    lows = np.empty(slot.channels, np.int64)
    known: dict[tuple[float, ...], int | None] = {}
    nothing = int(order[-1]) + 1
    for channel in range(slot.channels):
        one = slot.part(channel, channel + 1)
        key = tuple(0.0 if n is None else float(n[0]) for n in (one.scale, one.zero, one.factor))
        if key not in known:
            passes = activation(one.real(entries[None], None)[0]) >= np.float32(threshold)
            known[key] = _first(passes[numbers], order[numbers], nothing)
            if passes[~numbers].any():
                return None
        found = known[key]
        if found is None:
            return None
        lows[channel] = found
    high = _HALF_INFINITY if slot.kind == "half" else int(order[-1])
    kind = np.int16 if slot.kind == "half" else slot.dtype
    never = lows == nothing
    return Limit(np.minimum(lows, nothing - 1).astype(kind), high, slot.kind, bool(never.all()), not never.any())


def _first(passes: NDArray[np.bool_], order: NDArray[np.int64], nothing: int) -> int | None:
    """The first code that passes; None unless all behind it pass too."""
    if not passes.any():
        return nothing
    first = int(passes.argmax())
    return int(order[first]) if passes[first:].all() else None


def _float_limit(slot: Slot, activation: Activation, threshold: float) -> Limit | None:
    lows = np.empty(slot.channels, np.float32)
    known: dict[float, float | None] = {}
    for channel in range(slot.channels):
        one = slot.part(channel, channel + 1)
        key = 1.0 if one.factor is None else float(one.factor[0])
        if key not in known:
            known[key] = _bisect(one, activation, threshold)
        found = known[key]
        if found is None:
            return None
        lows[channel] = found
    return Limit(lows, np.float32(np.inf), "float", bool(np.isnan(lows).all()), exact=False)


def _bisect(slot: Slot, activation: Activation, threshold: float) -> float | None:
    """The smallest single float that passes, NaN if none does; None if a smaller one passes than one that does not."""

    def passes(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(activation(slot.real(_floats(keys)[None], None)[0]) >= np.float32(threshold), bool)

    infinity = int(np.float32(np.inf).view(np.int32))
    low, high = -infinity - 1, infinity  # -infinity and infinity, in the order of values
    if not passes(np.array([high]))[0]:
        return float("nan")
    if passes(np.array([low]))[0]:
        return -float("inf")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(np.array([middle]))[0] else (middle, high)
    near = np.arange(max(-infinity - 1, high - _NEIGHBOURS), min(infinity, high + _NEIGHBOURS) + 1)
    found = passes(near)
    if not found[near >= high + _NEIGHBOURS // 2].all() or found[near < high - _NEIGHBOURS // 2].any():
        return None
    return float(_floats(near[found.argmax() :][:1])[0])


def _floats(keys: NDArray[np.int64]) -> Float:
    """Integers in the order of values to the single floats with these ranks: -1 is -0, 0 is 0."""
    bits = np.asarray(keys, np.int64).astype(np.int32)
    return np.asarray((bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32))
