"""Limits on codes against the scores of all codes."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.runtime.output_path.limits import all_codes, limit_of, unchanged
from edgewright.runtime.output_path.slots import Slot, slot_of
from edgewright.tasks.numerics import sigmoid
from edgewright.tensors import Grid

CONFIDENCES = (0.0, 1e-6, 0.001, 0.05, 0.25, 0.5, 0.75, 0.999, 1.0)


def slot(kind, scale=0.02, zero=3):
    grid = None if kind.startswith("float") else Grid(kind, np.float32(scale), np.int64(zero))
    found = slot_of("o", (1, 2, 5), kind, grid, 1)
    assert found is not None
    return found


@pytest.mark.parametrize("activation", [unchanged, sigmoid])
@pytest.mark.parametrize("scale", [1e-6, 0.004, 0.02, 0.7, 1000.0])
@pytest.mark.parametrize("zero", [0, 3, 127])
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16"])
def test_all_codes(kind, scale, zero, activation):
    one = slot(kind, scale, zero)
    entries, order = all_codes(one)
    assert len(entries) == 2 ** (8 * entries.itemsize)
    assert (np.diff(order) == 1).all()
    scores = activation(Grid(kind, np.float32(scale), np.int64(zero)).dequantise(entries))
    for confidence in CONFIDENCES:
        limit = limit_of(one, activation, confidence)
        passes = scores >= np.float32(confidence)
        assert limit is not None
        assert limit.empty == (not passes.any())
        if limit.exact:
            np.testing.assert_array_equal(order >= limit.lows[0], passes)


@pytest.mark.parametrize("activation", [unchanged, sigmoid])
def test_all_half_floats(activation):
    one = slot("float16")
    entries, order = all_codes(one)
    assert len(entries) == 65536
    with np.errstate(invalid="ignore"):
        scores = activation(entries.astype(np.float32))
        for confidence in CONFIDENCES:
            limit = limit_of(one, activation, confidence)
            assert limit is not None
            assert limit.exact
            within = (order >= limit.lows[0]) & (order <= limit.high)
            np.testing.assert_array_equal(within, scores >= np.float32(confidence))


@pytest.mark.parametrize("activation", [unchanged, sigmoid])
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_single_floats(activation, confidence):
    limit = limit_of(slot("float32"), activation, confidence)
    assert limit is not None
    low = limit.lows[0]
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**32, 400_000, dtype=np.uint32).view(np.float32)
    near = low + np.float32(1e-3) * random.normal(0, 1, 100_000).astype(np.float32)
    neighbours = np.full(4000, low).view(np.int32) + np.arange(-2000, 2000, dtype=np.int32)
    special = np.array([np.nan, np.inf, -np.inf, 0, -0.0], np.float32)
    values = np.concatenate([bits, near, neighbours.view(np.float32), special])
    with np.errstate(invalid="ignore", over="ignore"):
        passes = activation(values) >= np.float32(confidence)
        assert not (passes & ~(values >= low)).any()  # nothing that passes is left out
        assert (passes == (values >= low)).mean() > 0.9  # and little that does not is let through


def test_a_restoration_multiplies():
    one = slot("int8", 0.01, 0)
    scaled = Slot(one.output, 1, 0, 2, one.dtype, one.scale, one.zero, np.array([1, 2], np.float32))
    limit = limit_of(scaled, unchanged, 0.5)
    assert limit is not None
    assert limit.lows.tolist() == [50, 25]
    floats = Slot("o", 1, 0, 2, np.dtype(np.float32), factor=np.array([1, 2], np.float32))
    limit = limit_of(floats, unchanged, 0.5)
    assert limit is not None
    assert limit.lows.tolist() == [0.5, 0.25]


def test_scores_that_turn_have_no_limit():
    assert limit_of(slot("int8"), lambda values: -np.asarray(values, np.float32), 0.5) is None
    assert limit_of(slot("int8"), lambda values: np.abs(values).astype(np.float32), 0.5) is None
    assert limit_of(slot("float16"), lambda values: np.isnan(values).astype(np.float32), 0.5) is None


def test_no_code_passes():
    limit = limit_of(slot("int8", 0.001, 0), unchanged, 0.5)
    assert limit is not None
    assert limit.empty


@pytest.mark.parametrize(
    ("shape", "dtype", "grid", "axis"),
    [
        ((1, 4, 5), "float64", None, 1),
        ((1, 4, 5), "int64", None, 1),
        ((2, 4, 5), "float32", None, 1),
        ((1, 4), "float32", None, 1),
        ((1, 4, 5, 6), "float32", None, 2),
        ((1, None, 5), "float32", None, 1),
        ((1, 4, 5), "int32", Grid("int32", np.float32(1), np.int64(0)), 1),
        ((1, 4, 5), "int8", Grid("int8", np.ones(5, np.float32), np.zeros(5, np.int64), 2), 1),
    ],
)
def test_what_needs_the_plain_way(shape, dtype, grid, axis):
    assert slot_of("o", shape, dtype, grid, axis) is None


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be positive and finite"):
        Grid("int8", np.float32(scale), np.int64(0))


def test_founding_case_e():
    """(124 - 136) * 4.625256 = -55.503072, converted at one point only."""
    one = slot_of("o", (1, 1, 3), "uint8", Grid("uint8", np.float32(4.625256), np.int64(136)), 1)
    assert one is not None
    outputs = {"o": np.array([[[0, 124, 255]]], np.uint8)}
    found = one.at(outputs, np.array([1]))[0, 0]
    assert found == np.float32(-12) * np.float32(4.625256)
    assert found == pytest.approx(-55.503072, abs=4e-6)  # a step of float32 there
