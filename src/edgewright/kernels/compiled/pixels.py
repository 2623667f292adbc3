"""Loops of `kernels.pixels`: 64 pixels a step, written for LLVM's own vectors.

A plain loop over pixels with three channels, or with a look-up, is compiled to one pixel a step. These steps are given
to LLVM as vectors of 64 bytes, which it makes into the registers that the processor has.

Everything that a step emits is in this file: Numba's cache on disk looks only at the file of the loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from edgewright.kernels.arithmetic import BLOCK, FIXED, FLIP, LANES, PERMUTE, ROUNDED, SCALED, SHUFFLE, TABLES
from edgewright.kernels.compiled.jit import kernel
from edgewright.kernels.forms import PLAIN, PLANES, PLANES_SWAPPED, SWAPPED

_I8, _I16, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_PERMUTE_128 = "llvm.x86.avx512.vpermi2var.qi.512"
_SHUFFLE_16 = "llvm.x86.avx2.pshuf.b"
_TABLE_64 = "llvm.aarch64.neon.tbl4.v16i8"


@functools.cache
def loop_of(kind: int, form: int, width: int) -> Callable[..., int]:
    """The loop for one kind of arithmetic.

    Args:
        kind, form: constants of `kernels.arithmetic` and `kernels.forms`.
        width: bytes of an element of the result: 1, 2 or 4.

    Returns:
        A function of flat, contiguous arrays that do not overlap: `src`, raw bytes, channel by channel of each pixel;
        `dst`, the bytes of the result, as `form` says; `params`, `BLOCK` bytes for each channel of the result, as
        `kind` says. Then `total`, the pixels of the image, and `start` and `stop`, those that are wanted. It computes
        whole steps and returns the pixel where it ended. The caller has looked at the sizes.
    """
    channels = 1 if form == PLAIN else 3
    pace = width if form in (PLANES, PLANES_SWAPPED) else channels * width  # from a pixel to the next, in the result
    step = 4 * LANES if form == PLAIN and width == 1 else LANES

    @kernel
    def run(
        src: NDArray[np.uint8], dst: NDArray[np.uint8], params: NDArray[np.uint8], total: int, start: int, stop: int
    ) -> int:
        source, to, values = src.ctypes.data, dst.ctypes.data, params.ctypes.data
        at = start
        while at + step <= stop:
            _step(to + at * pace, source + at * channels, values, total * pace, kind, form, width)
            at += step
        return at

    return run


def _typed_step(
    _context: Any, _dst: Any, _src: Any, _params: Any, _plane: Any, kind: Any, form: Any, width: Any
) -> Any:
    """One block of pixels: addresses, bytes from a plane to the next, and what is known when it is compiled."""
    if not all(isinstance(given, types.IntegerLiteral) for given in (kind, form, width)):
        return None
    how, shape, size = kind.literal_value, form.literal_value, width.literal_value

    def emit(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        emitted = _Emitter(builder, how, size)
        to, source, values = (builder.inttoptr(address, _I8.as_pointer()) for address in args[:3])
        distance = args[3]
        if shape == PLAIN:
            for part in range(4 if size == 1 else 1):
                pixels = emitted.load(emitted.beside(source, part * LANES), LANES)
                emitted.store(emitted.pixels(pixels, values), emitted.beside(to, part * LANES * size))
        else:
            emitted.three(to, source, values, distance, shape)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp, kind, form, width), emit


_step: Any = intrinsic(_typed_step)


class _Emitter:
    """Writes the instructions of one block."""

    def __init__(self, builder: Any, kind: int, width: int) -> None:
        self.b, self.kind, self.width = builder, kind, width

    def three(self, to: Any, source: Any, values: Any, distance: Any, form: int) -> None:
        """Blocks of three channels: taken apart, mapped, and put in planes or together again."""
        pixels = self.load(source, 3 * LANES)
        order = (2, 1, 0) if form in (PLANES_SWAPPED, SWAPPED) else (0, 1, 2)
        done = []
        for channel in range(3):
            raw = self.pick(pixels, pixels, [order[channel] + 3 * lane for lane in range(LANES)])
            done.append(self.pixels(raw, self.beside(values, channel * BLOCK)))
        if form in (PLANES, PLANES_SWAPPED):
            for channel, mapped in enumerate(done):
                self.store(mapped, self.b.gep(to, [self.b.mul(distance, ir.Constant(_I64, channel))]))
            return
        pair = self.pick(done[0], done[1], list(range(2 * LANES)))
        last = self.pick(done[2], done[2], list(range(2 * LANES)))
        self.store(self.pick(pair, last, [c * LANES + lane for lane in range(LANES) for c in range(3)]), to)

    def pixels(self, raw: Any, values: Any) -> Any:
        """The result for a vector of raw bytes, one element a pixel."""
        if self.kind in (PERMUTE, SHUFFLE, TABLES):
            return self._looked_up(raw, values)
        by_kind = {FLIP: self._flip, FIXED: self._fixed, ROUNDED: self._rounded, SCALED: self._scaled}
        return by_kind[self.kind](raw, values)

    def _flip(self, raw: Any, values: Any) -> Any:
        return self.b.xor(raw, self.spread(values, _I8, 0))

    def _fixed(self, raw: Any, values: Any) -> Any:
        """((raw << 8 | carry) * factor >> 16) + plus - minus, saturated, >> shift, at most 255, ^ flip."""
        half = LANES // 2
        carry, plus, minus, shift = (self.spread(values, _I16, 64 + 2 * place, half) for place in range(4))
        # read in each block: its widening then stays beside the product, where LLVM knows both as one instruction
        factor = self.b.zext(self.load(values, half, _I16), _vector(_I32, half))
        words = self.b.bitcast(raw, _vector(_I16, half))
        even = self.b.shl(words, _constant(_I16, 8, half))
        odd = self.b.and_(words, _constant(_I16, 0xFF00, half))
        done = []
        for word in (even, odd):
            product = self.b.mul(self.b.zext(self.b.or_(word, carry), factor.type), factor)
            high = self.b.trunc(self.b.lshr(product, _constant(_I32, 16, half)), words.type)
            high = self.call(f"llvm.usub.sat.v{half}i16", self.call(f"llvm.uadd.sat.v{half}i16", high, plus), minus)
            done.append(self.call(f"llvm.umin.v{half}i16", self.b.lshr(high, shift), _constant(_I16, 255, half)))
        joined = self.b.or_(done[0], self.b.shl(done[1], _constant(_I16, 8, half)))
        return self.b.xor(self.b.bitcast(joined, raw.type), self.spread(values, _I8, 72))

    def _rounded(self, raw: Any, values: Any) -> Any:
        """rint(raw * factor + offset) + zero point, between low and high; each step rounded to float32."""
        factor, offset, zero, low, high = (self.spread(values, _F32, 4 * place) for place in range(5))
        real = self.b.fadd(self.b.fmul(self.b.uitofp(raw, factor.type), factor), offset)
        real = self.b.fadd(self.call(f"llvm.rint.v{LANES}f32", real), zero)
        real = self.b.select(self.b.fcmp_ordered("<", real, low), low, real)
        real = self.b.select(self.b.fcmp_ordered(">", real, high), high, real)
        return self.b.trunc(self.b.fptosi(real, _vector(_I32, LANES)), raw.type)

    def _scaled(self, raw: Any, values: Any) -> Any:
        """(raw - mean) / std, each step rounded to float32."""
        mean, std = (self.spread(values, _F32, 4 * place) for place in range(2))
        return self.b.fdiv(self.b.fsub(self.b.uitofp(raw, mean.type), mean), std)

    def _looked_up(self, raw: Any, values: Any) -> Any:
        """A look-up in 256 entries held in registers, one byte of the entries after the other."""
        look_up = {PERMUTE: self._permute, SHUFFLE: self._shuffle, TABLES: self._tables}[self.kind]
        found = [look_up(raw, self.beside(values, 256 * byte)) for byte in range(self.width)]
        if self.width == 1:
            return found[0]
        pairs = [self._join(found[place], found[place + 1], _I8) for place in range(0, self.width, 2)]
        whole = pairs[0] if self.width == 2 else self._join(pairs[0], pairs[1], _I16)
        return self.b.bitcast(whole, _vector(_I16 if self.width == 2 else _I32, LANES))

    def _permute(self, raw: Any, table: Any) -> Any:
        """Two look-ups among 128 bytes (AVX-512 VBMI); the highest bit says which one counts."""
        parts = [self.load(self.beside(table, LANES * part), LANES) for part in range(4)]
        halves = [self.call(_PERMUTE_128, parts[2 * half], raw, parts[2 * half + 1]) for half in range(2)]
        return self._by_highest_bit(raw, halves[1], halves[0])

    def _shuffle(self, raw: Any, table: Any) -> Any:
        """Sixteen look-ups among 16 bytes (AVX2). A place below 0, which has the highest bit set, gives 0."""
        found = []
        for piece in range(0, LANES, 32):
            places = self.pick(raw, raw, list(range(piece, piece + 32)))
            low = self.b.and_(places, _constant(_I8, 127, 32))
            halves = []
            for half in range(2):
                place, total = low, None
                for row in range(8):
                    sixteen = self.load(self.beside(table, 128 * half + 16 * row), 16)
                    one = self.call(_SHUFFLE_16, self.pick(sixteen, sixteen, [*range(16), *range(16)]), place)
                    total = one if total is None else self.b.xor(total, one)
                    place = self.b.sub(place, _constant(_I8, 16, 32))
                halves.append(total)
            found.append(self._by_highest_bit(places, halves[1], halves[0]))
        return self.pick(found[0], found[1], list(range(LANES)))

    def _tables(self, raw: Any, table: Any) -> Any:
        """Four look-ups among 64 bytes (NEON). A place beyond the table gives 0."""
        parts = [self.load(self.beside(table, 16 * part), 16) for part in range(16)]
        found = []
        for piece in range(0, LANES, 16):
            place, total = self.pick(raw, raw, list(range(piece, piece + 16))), None
            for first in range(0, 16, 4):
                one = self.call(_TABLE_64, *parts[first : first + 4], place)
                total = one if total is None else self.b.or_(total, one)
                place = self.b.sub(place, _constant(_I8, 64, 16))
            found.append(total)
        pairs = [self.pick(found[place], found[place + 1], list(range(32))) for place in (0, 2)]
        return self.pick(pairs[0], pairs[1], list(range(LANES)))

    def _by_highest_bit(self, raw: Any, is_set: Any, is_not: Any) -> Any:
        return self.b.select(self.b.icmp_signed("<", raw, ir.Constant(raw.type, [0] * raw.type.count)), is_set, is_not)

    def _join(self, low: Any, high: Any, part: Any) -> Any:
        """Elements of twice the width, of their low and high halves."""
        low, high = (self.b.bitcast(half, _vector(part, LANES)) for half in (low, high))
        return self.pick(low, high, [lane + half * LANES for lane in range(LANES) for half in range(2)])

    def load(self, pointer: Any, lanes: int, element: Any = _I8) -> Any:
        """A vector from memory, of any alignment."""
        return self.b.load(self.b.bitcast(pointer, _vector(element, lanes).as_pointer()), align=1)

    def store(self, vector: Any, pointer: Any) -> None:
        """A vector to memory, of any alignment."""
        self.b.store(vector, self.b.bitcast(pointer, vector.type.as_pointer()), align=1)

    def spread(self, pointer: Any, element: Any, offset: int, lanes: int = LANES) -> Any:
        """A value from memory in every lane."""
        value = self.b.load(self.b.bitcast(self.beside(pointer, offset), element.as_pointer()), align=1)
        first = self.b.insert_element(ir.Constant(_vector(element, lanes), ir.Undefined), value, ir.Constant(_I32, 0))
        return self.pick(first, first, [0] * lanes)

    def pick(self, first: Any, second: Any, places: list[int]) -> Any:
        """Elements of two vectors laid end to end, by place."""
        return self.b.shuffle_vector(first, second, ir.Constant(_vector(_I32, len(places)), places))

    def beside(self, pointer: Any, offset: int) -> Any:
        """The address so many bytes on."""
        return self.b.gep(pointer, [ir.Constant(_I64, offset)])

    def call(self, name: str, *args: Any) -> Any:
        """One of LLVM's own functions, whose result is of the type of its first argument."""
        known = self.b.module.globals.get(name)
        found = known or ir.Function(self.b.module, ir.FunctionType(args[0].type, [arg.type for arg in args]), name)
        return self.b.call(found, args)


def _vector(element: Any, lanes: int) -> Any:
    return ir.VectorType(element, lanes)


def _constant(element: Any, value: int, lanes: int) -> Any:
    return ir.Constant(_vector(element, lanes), [value] * lanes)
