from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.quant.grids import activation_grid, bias_grid, weight_grid
from edgewright.tensors import QUANTISED_DTYPES, Grid

DTYPES = ["uint8", "int8", "uint16", "int16"]
LOWS = st.floats(-(2.0**100), 0, width=32)
HIGHS = st.floats(0, 2.0**100, width=32)


@settings(max_examples=300, deadline=None)
@given(LOWS, HIGHS, st.sampled_from(DTYPES), st.booleans())
def test_zero_is_exact_and_the_range_is_covered(low: float, high: float, dtype: str, symmetric: bool) -> None:
    grid = activation_grid(low, high, dtype, symmetric)
    assert grid.dequantise(grid.quantise(np.zeros(1, np.float32)))[0] == 0
    assert grid.dequantise(np.array([int(grid.zero_point)])) == 0
    # rounding the zero point moves an end by half a step at most, float32 by a little more
    slack = 0.51 * grid.step + 1e-6 * (high - low)
    assert grid.low <= low + slack
    assert grid.high >= high - slack
    if symmetric:
        assert int(grid.zero_point) in (0, 128, 32768)
    elif high - low > 1e-10:  # and no wider than needed
        assert grid.high - grid.low <= (high - low) * (1 + 1e-6)


@settings(max_examples=100, deadline=None)
@given(LOWS, HIGHS, st.sampled_from(DTYPES), st.booleans())
def test_codes_survive_the_round_trip(low: float, high: float, dtype: str, symmetric: bool) -> None:
    grid = activation_grid(low, high, dtype, symmetric)
    first, last = QUANTISED_DTYPES[dtype]
    codes = np.linspace(first, last, 999).astype(dtype)
    np.testing.assert_array_equal(grid.quantise(grid.dequantise(codes)), codes)


def test_error_inside_the_range_is_half_a_step() -> None:
    values = np.linspace(-1.3, 2.7, 10001).astype(np.float32)
    for dtype in DTYPES:
        grid = activation_grid(-1.3, 2.7, dtype, False)
        error = np.abs(grid.dequantise(grid.quantise(values)) - values)
        assert error.max() <= grid.step * 1.001
        assert np.mean(error <= grid.step * 0.501) > 0.99
        assert grid.step == pytest.approx(4.0 / (2**grid.bits - 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ends", [(0.0, 0.0), (0.0, 1e-44), (-1e-40, 0.0), (0.0, 3.4e38), (-3.4e38, 3.4e38)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_degenerate_ranges_have_valid_steps(dtype: str, ends: tuple[float, float], symmetric: bool) -> None:
    grid = activation_grid(*ends, dtype, symmetric)
    assert np.isfinite(grid.scale)
    assert grid.scale >= np.finfo(np.float32).tiny * 2**64  # a bias step, the product of two, is no denormal either
    assert grid.dequantise(grid.quantise(np.zeros(1, np.float32)))[0] == 0


def test_one_sided_ranges_use_all_codes() -> None:
    assert int(activation_grid(0, 6, "uint8", False).zero_point) == 0
    assert int(activation_grid(0, 6, "int8", False).zero_point) == -128
    assert int(activation_grid(-6, 0, "uint8", False).zero_point) == 255
    # a range that does not hold 0 is widened
    assert activation_grid(2, 6, "uint8", False).high == pytest.approx(6)
    assert activation_grid(2, 6, "uint8", False).low == 0


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(np.nan, 1, "uint8"), (0, np.inf, "uint8"), (1, 0, "uint8"), (0, 1, "int32")]
)
def test_bad_activation_ranges(low: float, high: float, dtype: str) -> None:
    with pytest.raises(ValueError, match=r"range|bits"):
        activation_grid(low, high, dtype, False)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_weights_are_symmetric_and_narrow(dtype: str, axis: int | None) -> None:
    values = np.random.default_rng(0).standard_normal((5, 4, 3)).astype(np.float32)
    grid = weight_grid(values, dtype, axis)
    codes = grid.quantise(values).astype(int)
    last = QUANTISED_DTYPES[dtype][1]
    assert not np.any(grid.zero_point)
    assert np.abs(codes).max() == last
    if axis is not None:  # each channel reaches the end of its own codes
        others = tuple(i for i in range(3) if i != axis % 3)
        assert np.all(np.abs(codes).max(axis=others) == last)
        assert grid.scale.shape == (values.shape[axis],)
    assert np.all(np.abs(grid.dequantise(codes) - values) <= grid.step * 0.501)


def test_zero_channels_take_the_widest_step() -> None:
    values = np.array([[1.0, -2.0], [0.0, 0.0], [0.25, 0.5]], np.float32)
    grid = weight_grid(values, "int8", 0)
    assert grid.scale[1] == grid.scale[0] == np.float32(2 / 127)
    np.testing.assert_array_equal(grid.dequantise(grid.quantise(values))[1], 0)
    assert np.isfinite(weight_grid(np.zeros((2, 2)), "int8", 0).scale).all()
    assert weight_grid(np.zeros((0, 2)), "int8", None).scale > 0


def test_bad_weights() -> None:
    with pytest.raises(ValueError, match="finite"):
        weight_grid(np.array([1.0, np.nan]), "int8", None)
    with pytest.raises(ValueError, match="int8 or int16"):
        weight_grid(np.ones(3), "uint8", None)


def test_bias_step_is_the_product() -> None:
    inputs = activation_grid(-1, 3, "uint8", False)
    weight = weight_grid(np.array([[1.0, 2.0], [3.0, -4.0]]), "int8", 0)
    grid = bias_grid(inputs, weight)
    assert (grid.dtype, grid.axis) == ("int32", 0)
    np.testing.assert_allclose(grid.scale, inputs.scale * weight.scale)
    assert bias_grid(inputs, weight_grid(np.ones(2), "int8", None)).axis is None
    with pytest.raises(ValueError, match="one grid"):
        bias_grid(Grid("int8", np.ones(2, np.float32), np.zeros(2, np.int64), 0), weight)
