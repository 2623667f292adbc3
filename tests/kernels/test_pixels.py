"""A function of 256 values over pixels: every engine, every form, to the bit."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.kernels import pixels
from edgewright.kernels.arithmetic import FIXED, PERMUTE, SHUFFLE, TABLES, Fixed, Flip, Rounded, Scaled
from edgewright.kernels.choice import has_compiler, loops
from edgewright.kernels.forms import INTERLEAVED, PLAIN, PLANES, PLANES_SWAPPED, SWAPPED
from edgewright.kernels.pixels import PixelMap

FORMS = (PLAIN, PLANES, PLANES_SWAPPED, INTERLEAVED, SWAPPED)
DTYPES = ("uint8", "int8", "int16", "uint16", "float16", "float32", "float64")
COMPILED = has_compiler()
HERE = loops("processor", "table_kind")() if COMPILED else None  # what this processor holds tables in
ENGINES = ["library", *(["here", "arithmetic"] if COMPILED else []), *(["AVX2"] if HERE in (PERMUTE, SHUFFLE) else [])]


def tables_of(dtype: str, channels: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (channels, 256 * np.dtype(dtype).itemsize), dtype=np.uint8).view(dtype)


def mapped(engine: str, tables, form: int, arithmetic=()):
    """A map as another processor would have it."""
    real = pixels.loops
    kinds = {"arithmetic": None, "AVX2": SHUFFLE}

    def other(module: str, name: str):
        return mock.Mock(return_value=kinds[engine]) if module == "processor" else real(module, name)

    if engine == "here":
        return PixelMap(tables, form, arithmetic)
    replaced = {"new": other} if engine in kinds else {"return_value": None}
    with mock.patch.object(pixels, "loops", **replaced):
        return PixelMap(tables, form, arithmetic)


def plain_result(tables, form: int, raw):
    """The same with indexing, as bytes."""
    raw = raw[:, ::-1] if form in (PLANES_SWAPPED, SWAPPED) else raw
    columns = [tables[channel][raw[:, channel]] for channel in range(len(tables))]
    whole = np.stack(columns, 0 if form in (PLANES, PLANES_SWAPPED) else 1)
    return np.ascontiguousarray(whole).view(np.uint8).reshape(-1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_any_table_in_any_form(engine, dtype, form):
    channels = 1 if form == PLAIN else 3
    tables = tables_of(dtype, channels)
    run = mapped(engine, tables, form)
    for count in (0, 1, 63, 64, 65, 255, 256, 300, 1400):
        raw = np.random.default_rng(count).integers(0, 256, (count, channels), dtype=np.uint8)
        dst = np.zeros(raw.size * tables.itemsize, np.uint8)
        run(raw.reshape(-1), dst)
        np.testing.assert_array_equal(dst, plain_result(tables, form, raw))


ARITHMETIC = {
    "identity": Flip(0),
    "flip": Flip(0x80),
    "fixed": Fixed(32571, 5, -300, 7, 0x80),
    "fixed, saturating": Fixed(65535, 200, 40000, 6, 0),
    "rounded": Rounded(0.5, 0.25, -3, -128, 127),
    "rounded, falling": Rounded(-1.7, 300.5, 0, 0, 255),
    "scaled": Scaled(123.675, 58.395),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_its_own_table(engine, form, name):
    one = ARITHMETIC[name]
    channels = 1 if form == PLAIN else 3
    tables = np.stack([one.values()] * channels)
    run = mapped(engine, tables, form, (one,) * channels)
    raw = np.repeat(np.arange(256, dtype=np.uint8), 7 * channels).reshape(-1, channels)
    dst = np.zeros(raw.size * tables.itemsize, np.uint8)
    run(raw.reshape(-1), dst)
    np.testing.assert_array_equal(dst, plain_result(tables, form, raw))


def test_fixed_point_says_what_a_person_would_compute():
    one = Fixed(factor=32768, carry=0, offset=128, shift=7, mask=0)
    assert one.values()[:6].tolist() == [1, 2, 3, 4, 5, 6]
    assert one.values()[255] == 255


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_range_of_pixels_leaves_the_others_alone(engine, data):
    form = data.draw(st.sampled_from(FORMS))
    count = data.draw(st.integers(1, 700))
    start = data.draw(st.integers(0, count))
    stop = data.draw(st.integers(start, count))
    channels = 1 if form == PLAIN else 3
    tables = tables_of(data.draw(st.sampled_from(("uint8", "float32"))), channels)
    raw = np.random.default_rng(count).integers(0, 256, (count, channels), dtype=np.uint8)
    whole, part = (np.full(raw.size * tables.itemsize, 77, np.uint8) for _ in range(2))
    run = mapped(engine, tables, form)
    run(raw.reshape(-1), whole)
    run(raw.reshape(-1), part, start, stop)
    rows = 3 if form in (PLANES, PLANES_SWAPPED) else 1
    pace = channels * tables.itemsize // rows
    inside = np.zeros((rows, count * pace), bool)
    inside[:, start * pace : stop * pace] = True
    np.testing.assert_array_equal(part, np.where(inside.reshape(-1), whole, 77))


@pytest.mark.parametrize("engine", ENGINES)
def test_read_only_pixels_are_read(engine):
    tables = tables_of("uint8", 3)
    raw = np.random.default_rng(0).integers(0, 256, (300, 3), dtype=np.uint8)
    frozen = np.frombuffer(raw.tobytes(), np.uint8)
    assert not frozen.flags.writeable
    dst = np.zeros(raw.size, np.uint8)
    mapped(engine, tables, PLANES)(frozen, dst)
    np.testing.assert_array_equal(dst, plain_result(tables, PLANES, raw))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("src", "dst", "span"),
    [
        (np.zeros(30, np.uint8), np.zeros(29, np.uint8), (0, 10)),
        (np.zeros(31, np.uint8), np.zeros(31, np.uint8), (0, 10)),
        (np.zeros(30, np.int8), np.zeros(30, np.uint8), (0, 10)),
        (np.zeros(60, np.uint8)[::2], np.zeros(30, np.uint8), (0, 10)),
        (np.zeros((10, 3), np.uint8), np.zeros(30, np.uint8), (0, 10)),
        (np.zeros(30, np.uint8), np.frombuffer(bytes(30), np.uint8), (0, 10)),
        (np.zeros(30, np.uint8), np.zeros(30, np.uint8), (0, 11)),
        (np.zeros(30, np.uint8), np.zeros(30, np.uint8), (-1, 5)),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_any_byte_is_touched(engine, src, dst, span):
    run = mapped(engine, tables_of("uint8", 3), PLANES)
    with pytest.raises(ValueError, match="do not fit"):
        run(src, dst, *span)


def test_tables_of_another_number_of_channels():
    with pytest.raises(ValueError, match=r"shape \(3, 256\)"):
        PixelMap(tables_of("uint8", 1), PLANES)


@pytest.mark.parametrize("engine", ENGINES)
def test_arithmetic_that_is_not_the_table_is_found_out(engine):
    """The proof is on the code that runs: whatever it is told to be, it must give the tables."""
    tables = np.stack([ARITHMETIC["fixed"].values()] * 3)
    wrong = [ARITHMETIC["fixed"], ARITHMETIC["fixed"], Fixed(32571, 5, -301, 7, 0x80)]
    run = mapped("library", tables, PLANES, wrong)  # looks up: it does not use them
    assert run.engine == "OpenCV look-up"
    if engine == "arithmetic":
        with pytest.raises(ArithmeticError, match="vector arithmetic does not give"):
            mapped(engine, tables, PLANES, wrong)


@pytest.mark.skipif(not COMPILED, reason="no compiler")
def test_a_processor_without_wide_look_ups_computes():
    tables = np.stack([ARITHMETIC["fixed"].values()] * 3)
    assert mapped("arithmetic", tables, PLANES, [ARITHMETIC["fixed"]] * 3).engine == "vector arithmetic"
    assert mapped("arithmetic", tables, PLANES).engine == "OpenCV look-up"
    assert mapped("library", np.stack([Flip(0x80).values()] * 3), PLANES, [Flip(0x80)] * 3).engine.endswith("NumPy XOR")


@pytest.mark.skipif(not COMPILED, reason="no compiler")
@pytest.mark.parametrize("setting", [("ENABLE_AVX", False), ("CPU_NAME", "generic"), ("CPU_FEATURES", "-avx2")])
def test_a_compiler_that_is_told_of_another_processor_uses_no_wide_look_up(setting):
    import numba.core.config

    with mock.patch.object(numba.core.config, *setting):
        assert loops("processor", "table_kind")() is None


@pytest.mark.skipif(not COMPILED, reason="no compiler")
@pytest.mark.parametrize("kind", [TABLES, FIXED])
def test_boards_get_vector_instructions(kind):
    """Compiled for aarch64, not run: the intrinsics exist, and nothing falls apart into single bytes."""
    import llvmlite.binding as llvm
    from llvmlite import ir

    from edgewright.kernels.compiled.pixels import _Emitter

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        pytest.skip("this LLVM has no aarch64")
    module, pointer = ir.Module(), ir.IntType(8).as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * 3), "step")
    builder = ir.IRBuilder(function.append_basic_block())
    emitter = _Emitter(builder, kind, 1)
    dst, src, params = function.args
    emitter.store(emitter.pixels(emitter.load(src, 64), params), dst)
    builder.ret_void()
    text = target.create_target_machine(opt=3).emit_assembly(llvm.parse_assembly(str(module)))
    lines = [line.split()[0] for line in text.splitlines() if line.startswith("\t") and not line.startswith("\t.")]
    assert ("tbl" if kind == TABLES else "umull") in lines
    assert len(lines) < 150  # for 64 pixels
