"""A function of 256 values a channel, over all pixels of an image, to the order of axes that is wanted: in one pass."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgewright.kernels.arithmetic import BLOCK, LANES, PERMUTE, SHUFFLE, TABLES, Arithmetic, Flip, Scaled, table_params
from edgewright.kernels.choice import loops
from edgewright.kernels.forms import INTERLEAVED, PLAIN, PLANES, PLANES_SWAPPED, SWAPPED

Bytes = NDArray[np.uint8]
_BYTE = np.dtype(np.uint8)
_WORDS: dict[int, Any] = {1: np.uint8, 2: np.int16, 4: np.float32, 8: np.float64}  # what OpenCV moves without a change
_IN_REGISTERS = {
    PERMUTE: "look-up in registers (AVX-512 VBMI)",
    SHUFFLE: "look-up in registers (AVX2)",
    TABLES: "look-up in registers (NEON)",
}
_SLOWER = (SHUFFLE, TABLES)  # than arithmetic, where there is any
_SPLIT = "OpenCV split and NumPy XOR"


class PixelMap:
    """Such a function, ready to run; proven over all 256 values on the very code that will run.

    Args:
        tables: (channels, 256), in the order of the result's channels; elements of 1, 2, 4 or 8 bytes.
        form: `PLAIN` for one channel, one of the others for three.
        arithmetic: what computes the tables' bits, one entry a channel; empty where nothing does.

    Attributes:
        engine: what runs, in words.

    Raises:
        ArithmeticError: the code gives another result than the tables for some value.
    """

    def __init__(self, tables: NDArray[Any], form: int, arithmetic: Sequence[Arithmetic] = ()) -> None:
        if tables.shape != (1 if form == PLAIN else 3, 256):
            raise ValueError(f"tables must have shape ({1 if form == PLAIN else 3}, 256), but got {tables.shape}")
        self._elements = 1  # a pixel, to the loops
        if form == INTERLEAVED and (tables == tables[0]).all():
            form, tables, arithmetic, self._elements = PLAIN, tables[:1], arithmetic[:1], 3
        self.tables, self.form = np.ascontiguousarray(tables), form
        self.channels = 1 if form == PLAIN else 3
        self._words = self.tables.view(_WORDS[self.tables.itemsize])
        self._width = self.tables.itemsize
        self._scratch = np.empty(0, np.uint8)
        self._loop, self._params, self.engine = _choose(self.tables, form, tuple(arithmetic))
        if self._loop is None and arithmetic and all(isinstance(one, Flip) for one in arithmetic):
            self._mask = [one.mask for one in arithmetic if isinstance(one, Flip)]
            self.engine = {PLAIN: "NumPy XOR", PLANES: _SPLIT, PLANES_SWAPPED: _SPLIT}.get(form, self.engine)
        else:
            self._mask = []
        self._prove()

    def __call__(self, src: Bytes, dst: Bytes, start: int = 0, stop: int | None = None) -> None:
        """Pixels `start` to `stop`.

        Args:
            src: raw bytes, flat and contiguous, channel by channel of each pixel.
            dst: bytes of the result, flat and contiguous; it does not overlap `src`.
        """
        total = src.size // self.channels
        start, stop = start * self._elements, total if stop is None else stop * self._elements
        fits = src.size == total * self.channels and dst.size == src.size * self._width
        if not (fits and _plain(src) and _plain(dst) and dst.flags.writeable and 0 <= start <= stop <= total):
            raise ValueError(
                f"pixels {start}..{stop} of src {src.dtype} {src.shape} do not fit dst {dst.dtype} {dst.shape}"
            )
        if self._loop is not None:
            readable = src if src.flags.writeable else _reopened(src)
            done = self._loop(readable, dst, self._params, total, start, stop)
            if done < stop:
                self._rest(src, dst, done, stop)
        elif stop > start:
            self._by_library(src[start * self.channels : stop * self.channels], dst, start, stop)

    def _rest(self, src: Bytes, dst: Bytes, start: int, stop: int) -> None:
        """Pixels that fill no step, through a buffer of one: nothing beyond them is read or written."""
        count, most = stop - start, 4 * LANES
        raw = np.zeros(most * self.channels, np.uint8)
        raw[: count * self.channels] = src[start * self.channels : stop * self.channels]
        mapped = np.empty(raw.size * self._width, np.uint8)
        self._loop(raw, mapped, self._params, most, 0, most)
        shape = (self.channels, -1) if self.form in (PLANES, PLANES_SWAPPED) else (1, -1)
        pace = self.channels * self._width // shape[0]
        dst.reshape(shape)[:, start * pace : stop * pace] = mapped.reshape(shape)[:, : count * pace]

    def _by_library(self, src: Bytes, dst: Bytes, start: int, stop: int) -> None:
        out = dst.view(self._words.dtype)
        if self.form == PLAIN:
            self._map(0, src, out[start:stop])
            return
        pixels = src.reshape(1, -1, 3)
        if self.form in (PLANES, PLANES_SWAPPED):
            planes = out.reshape(3, -1)[:, start:stop]
            for channel in range(3):
                raw = self._plane(pixels, 2 - channel if self.form == PLANES_SWAPPED else channel)
                self._map(channel, raw, planes[channel])
            return
        whole = out.reshape(1, -1, 3)[:, start:stop]
        if self.form == SWAPPED:
            pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        cv2.LUT(pixels, self._words.T[None], dst=whole)

    def _plane(self, pixels: Bytes, channel: int) -> Bytes:
        if self._scratch.size != pixels.shape[1]:
            self._scratch = np.empty(pixels.shape[1], np.uint8)
        cv2.extractChannel(pixels, channel, dst=self._scratch[None])
        return self._scratch

    def _map(self, channel: int, raw: Bytes, out: NDArray[Any]) -> None:
        if self._mask:
            np.bitwise_xor(raw, np.uint8(self._mask[channel]), out=out)
        else:
            cv2.LUT(raw[None], self._words[channel], dst=out[None])

    def _prove(self) -> None:
        """Every value of every channel, in whole steps and in the rest that no step fills."""
        values = np.arange(256 + 37, dtype=np.uint8)
        src = np.repeat(values, self.channels)
        dst = np.zeros(src.size * self.tables.itemsize, np.uint8)
        self(src, dst)
        wanted = np.take(self._words, values, axis=1)
        if self.form in (INTERLEAVED, SWAPPED):
            wanted = wanted.T
        if not np.array_equal(dst, np.ascontiguousarray(wanted).view(np.uint8).reshape(-1)):
            raise ArithmeticError(f"{self.engine} does not give the table's values; set EDGEWRIGHT_COMPILER=off")


def _reopened(array: Bytes) -> Bytes:
    """The same bytes without the read-only mark, which to Numba is another type, compiled anew. Nothing writes them."""
    whole: Any = (ctypes.c_uint8 * array.size).from_address(array.ctypes.data)
    return np.frombuffer(whole, np.uint8)


def _plain(array: Bytes) -> bool:
    return array.dtype == _BYTE and array.ndim == 1 and array.flags.c_contiguous


def _choose(tables: NDArray[Any], form: int, arithmetic: tuple[Arithmetic, ...]) -> tuple[Any, Bytes, str]:
    """The compiled loop, its numbers, and what it is; no loop where OpenCV has to do."""
    none = np.empty(0, np.uint8)
    loop_of, table_kind = loops("pixels", "loop_of"), loops("processor", "table_kind")
    if loop_of is None or table_kind is None or tables.itemsize not in (1, 2, 4):
        return None, none, "OpenCV look-up"
    held = table_kind()
    cheap = bool(arithmetic) and (held in _SLOWER or isinstance(arithmetic[0], (Flip, Scaled)))
    if held is not None and not cheap:
        packed, kind, engine = [table_params(row, held) for row in tables], held, _IN_REGISTERS[held]
    elif arithmetic:
        packed, kind, engine = [one.params() for one in arithmetic], arithmetic[0].kind, "vector arithmetic"
    else:
        return None, none, "OpenCV look-up"
    params = b"".join(block.ljust(BLOCK, b"\0") for block in packed)
    return loop_of(kind, form, tables.itemsize), np.frombuffer(params, np.uint8).copy(), engine
