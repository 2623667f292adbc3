"""Functions of a raw byte that need no look-up, one for each channel: what vectors compute fastest.

Each says with NumPy what it gives for all 256 bytes, and packs its numbers for the loops of `compiled.pixels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

LANES = 64
"""Pixels a step of the compiled loops."""

FLIP, FIXED, ROUNDED, SCALED, PERMUTE, SHUFFLE, TABLES = range(7)
"""Kinds of compiled arithmetic; the last three look up in a table held in registers: by AVX-512 VBMI, AVX2, NEON."""

BLOCK = 1024
"""Bytes of a channel's numbers for a compiled loop: 256 elements of four bytes."""

_RAW = np.arange(256)


@dataclass(frozen=True)
class Flip:
    """raw XOR mask: 0 leaves the byte as it is, 0x80 makes raw - 128 in int8 of it."""

    mask: int
    kind: ClassVar[int] = FLIP

    def values(self) -> NDArray[Any]:
        """The 256 results, as unsigned bytes."""
        return (_RAW ^ self.mask).astype(np.uint8)

    def params(self) -> bytes:
        """The numbers for the compiled loop."""
        return bytes([self.mask])


@dataclass(frozen=True)
class Fixed:
    """Fixed point in 16 bits: ((raw * 256 + carry) * factor >> 16) + offset, within 0..65535, >> shift, at most 255.

    Attributes:
        factor, carry: 0..65535 and 0..255.
        offset: -65535..65535.
        shift: 0..8.
        mask: XOR at the end, 0x80 for int8.
    """

    factor: int
    carry: int
    offset: int
    shift: int
    mask: int
    kind: ClassVar[int] = FIXED

    def values(self) -> NDArray[Any]:
        """The 256 results, as unsigned bytes."""
        high = ((_RAW * 256 + self.carry) * self.factor >> 16) + self.offset
        return np.asarray(np.minimum(np.clip(high, 0, 65535) >> self.shift, 255) ^ self.mask, np.uint8)

    def params(self) -> bytes:
        """The numbers for the compiled loop."""
        words = [self.factor] * (LANES // 2) + [self.carry, max(self.offset, 0), max(-self.offset, 0), self.shift]
        return np.array([*words, self.mask], np.uint16).tobytes()


@dataclass(frozen=True)
class Rounded:
    """rint(raw * factor + offset) + zero, within low..high, each step in float32; rint rounds half to even."""

    factor: float
    offset: float
    zero: int
    low: int
    high: int
    kind: ClassVar[int] = ROUNDED

    def values(self) -> NDArray[Any]:
        """The 256 results, as unsigned bytes."""
        real = _RAW.astype(np.float32) * np.float32(self.factor) + np.float32(self.offset)
        codes = np.clip(np.rint(real) + np.float32(self.zero), self.low, self.high)
        return np.asarray(codes.astype(np.int64).astype(np.uint8))

    def params(self) -> bytes:
        """The numbers for the compiled loop."""
        return np.array([self.factor, self.offset, self.zero, self.low, self.high], np.float32).tobytes()


@dataclass(frozen=True)
class Scaled:
    """(raw - mean) / std in float32, each step rounded."""

    mean: float
    std: float
    kind: ClassVar[int] = SCALED

    def values(self) -> NDArray[Any]:
        """The 256 results, float32."""
        return np.asarray((_RAW.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std), np.float32)

    def params(self) -> bytes:
        """The numbers for the compiled loop."""
        return np.array([self.mean, self.std], np.float32).tobytes()


Arithmetic = Flip | Fixed | Rounded | Scaled


def table_params(table: NDArray[Any], kind: int) -> bytes:
    """256 elements of 1, 2 or 4 bytes for a loop that looks up: the lowest byte of each, then the next.

    For `SHUFFLE`, each 16 bytes but the first of each half hold the difference (XOR) to the 16 before them: what the
    loop XORs together, up to the 16 that a raw byte means, is then the entry itself.
    """
    planes = np.ascontiguousarray(table.view(np.uint8).reshape(256, table.itemsize).T)
    if kind == SHUFFLE:
        rows = planes.reshape(-1, 2, 8, 16)
        planes = np.concatenate([rows[:, :, :1], rows[:, :, 1:] ^ rows[:, :, :-1]], axis=2)
    return planes.tobytes()
