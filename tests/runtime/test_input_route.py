"""Codes of all 256 raw values, and the route that is proven to give them."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.data.contract import Contract, value_tables
from edgewright.errors import BundleError
from edgewright.kernels.arithmetic import Fixed, Flip, Rounded, Scaled
from edgewright.runtime.input_path.fit import as_fixed, as_flip, as_rounded, as_scaled, equal_values
from edgewright.runtime.input_path.route import choose_route
from edgewright.runtime.input_path.tables import port_tables
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import ROUNDINGS, Grid, TensorSpec

IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def contract(**changes):
    return Contract(**{"input": "x", "width": 4, "height": 2, **changes})


def gray(mean=0.0, std=255.0, **changes):
    return contract(colour="GRAY", mean=(mean,), std=(std,), **changes)


def port(dtype, scale=None, zero=0, channels=3, layout="", axis=None):
    grid = None if scale is None else Grid(dtype, np.asarray(scale, np.float32), np.asarray(zero, np.int64), axis)
    shape = (1, 2, 4, channels) if layout == "NHWC" else (1, channels, 2, 4)
    return PortSpec(TensorSpec("x", dtype, shape), layout, grid)


def by_hand(mean, std, grid, rounding):
    """The code of each raw byte, one after the other, in words of float32 as a runtime has them."""
    codes = []
    low, high = np.iinfo(grid.dtype).min, np.iinfo(grid.dtype).max
    for raw in range(256):
        real = np.float32((raw - mean) / std)
        steps = float(real / np.float32(grid.scale))
        whole, part = np.floor(steps), steps - np.floor(steps)
        if rounding == "half-even":
            code = whole if part < 0.5 or (part == 0.5 and whole % 2 == 0) else whole + 1
        elif rounding == "half-up":
            code = whole + (part >= 0.5)
        elif rounding == "half-away":
            code = whole + (part > 0.5 or (part == 0.5 and steps > 0))
        else:
            code = whole if steps >= 0 or part == 0 else whole + 1
        codes.append(int(min(max(code + int(grid.zero_point), low), high)))
    return codes


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("mean", [0.0, 127.5, 128.0, 103.53])
@pytest.mark.parametrize(
    ("std", "scale"), [(255.0, 1 / 255), (255.0, 1 / 128), (128.0, 2**-6), (58.395, 0.019), (1.0, 3.0)]
)
def test_every_code_with_every_rounding(rounding, dtype, mean, std, scale):
    zero = -100 if dtype == "int8" else 17
    tables = port_tables(gray(mean, std), port(dtype, scale, zero, 1), rounding)
    grid = Grid(dtype, np.float32(scale), np.int64(zero))
    assert tables[0].tolist() == by_hand(mean, std, grid, rounding)
    route = choose_route(gray(mean, std), port(dtype, scale, zero, 1), rounding)
    assert route.proof == "256 of 256 codes of 1 channel equal"
    for fit, table in zip(route.arithmetic, route.tables, strict=bool(route.arithmetic)):
        assert equal_values(fit, table) == 256


def test_a_half_just_below_does_not_round_up():
    value = np.float32(0.49999997)
    assert ROUNDINGS["half-up"](np.array([value, 0.5, -0.5, 1.5, -1.5], np.float32)).tolist() == [0, 1, 0, 2, -1]
    assert ROUNDINGS["half-away"](np.array([value, 0.5, -0.5, 1.5, -1.5], np.float32)).tolist() == [0, 1, -1, 2, -2]
    with pytest.raises(KeyError):
        Grid("int8", np.float32(1), np.int64(0)).quantise(np.zeros(1), "sideways")


@pytest.mark.parametrize(
    ("made", "wanted", "kind"),
    [
        (contract(), port("uint8", 1 / 255), "identity"),
        (contract(), port("int8", 1 / 255, -128), "sign flip"),
        (contract(mean=(127.0,) * 3, std=(128.0,) * 3), port("int8", 1 / 128, -1), "sign flip"),
        (contract(**IMAGENET), port("int8", 0.019, -14), "affine"),
        (contract(**IMAGENET), port("int8", [0.017, 0.018, 0.02], [-5, 0, 3], axis=1), "affine"),
        (contract(mean=(128.0,) * 3, std=(128.0,) * 3), port("int8", 2**-6), "affine"),  # halves everywhere
        (contract(std=(-255.0,) * 3), port("uint8", 1 / 255, 255), "affine"),  # a negative
        (contract(mean=(127.5,) * 3), port("int8", 1 / 255, 0), "table"),  # every value a half, as float32 has it
        (contract(), port("int16", 2**-15), "table"),
        (contract(), port("float32"), "float"),
        (contract(**IMAGENET), port("float32"), "float"),
        (contract(dtype="float16"), port("float16"), "float"),
        (contract(dtype="uint8"), port("uint8"), "identity"),
        (contract(), port("uint8", 1 / 255, layout="NHWC"), "identity"),
        (gray(), port("uint8", 1 / 255, channels=1), "identity"),
    ],
)
def test_the_cheapest_proven_route(made, wanted, kind):
    route = choose_route(made, wanted)
    assert route.kind == kind
    assert route.proof.startswith("256 of 256")
    assert route.formula


def test_truncation_is_a_table_where_it_meets_zero():
    """Towards zero, the codes around 0 have twice the room: no line has them."""
    assert choose_route(gray(127.0, 255.0), port("int8", 1 / 120, 0, 1), "truncate").kind == "table"
    assert choose_route(gray(-0.3, 255.0), port("int8", 1 / 120, 0, 1), "truncate").kind == "affine"


def test_one_code_that_is_off_is_no_pass_through():
    codes = np.arange(256, dtype=np.uint8)
    assert as_flip(codes) == Flip(0)
    codes[200] = 201
    assert as_flip(codes) is None
    assert as_fixed(codes) is None


def test_arithmetic_is_found_for_what_grids_really_are():
    """Of 300 random contracts and grids that round to nearest, nearly all need no table; what is found is exact."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        mean, std = rng.uniform(0, 255), rng.uniform(1, 300)
        values = value_tables((mean,), (std,))[0]
        scale = (values.max() - values.min()) / 255 * rng.uniform(0.6, 1.5)
        grid = Grid("int8", np.float32(scale), np.int64(rng.integers(-128, 128)))
        codes = grid.quantise(values)
        fit = as_fixed(codes)
        if fit is not None:
            np.testing.assert_array_equal(fit.values().view(np.int8), codes)
            found += 1
    assert found >= 295


@pytest.mark.parametrize(
    "codes", [np.zeros(256), np.full(256, 255), np.repeat([0, 255], 128), np.arange(256) // 255 * 255]
)
def test_flat_and_steep_codes_have_a_fit_or_none_but_no_wrong_one(codes):
    codes = codes.astype(np.uint8)
    fit = as_fixed(codes)
    assert fit is None or np.array_equal(fit.values(), codes)


def test_falling_codes_have_no_fixed_point_but_a_product():
    codes = np.arange(255, -1, -1).astype(np.uint8)
    assert as_fixed(codes) is None
    assert as_rounded(codes, -1.0, 255.0, 0) == Rounded(-1.0, 255.0, 0, 0, 255)


def test_division_in_float32_is_taken_only_where_it_is_exact():
    assert as_scaled(value_tables((0.0,), (255.0,))[0], 0.0, 255.0) == Scaled(0.0, 255.0)
    exact = value_tables((123.675,), (58.395,))[0]
    assert as_scaled(exact, 123.675, 58.395) is None
    assert (Scaled(123.675, 58.395).values() != exact).any()
    assert as_scaled(exact.astype(np.float64), 0.0, 1.0) is None


def test_a_port_that_is_not_the_contracts():
    with pytest.raises(BundleError, match="wants shape"):
        choose_route(contract(width=5), port("float32"))
    with pytest.raises(BundleError, match="axis 2"):
        choose_route(contract(), port("int8", [1.0, 1.0], [0, 0], axis=2))
    with pytest.raises(BundleError, match="wants uint8"):
        choose_route(contract(), port("uint8"))
    with pytest.raises(ValueError, match="rounding must be one of half-even"):
        choose_route(contract(), port("uint8", 1.0), "sideways")


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf"), -1.0])
def test_a_scale_that_is_none(scale):
    with pytest.raises(ValueError, match="positive and finite"):
        port("int8", scale)


def test_founding_case_e():
    """RV1126, zero point 136, scale 4.625256: code 124 is the driver's own -55.503072."""
    grid = Grid("uint8", np.float32(4.625256), np.int64(136))
    assert pytest.approx(-55.503072, abs=1e-9) == (124 - 136) * 4.625256
    assert float(grid.dequantise(np.array([124], np.uint8))[0]) == pytest.approx(-55.503072, abs=4e-6)
    assert grid.quantise(np.array([-55.503072], np.float32)).tolist() == [124]


def test_fixed_point_reads_as_arithmetic():
    route = choose_route(gray(), port("int8", 1 / 201, -97, 1))
    (one,) = route.arithmetic
    assert isinstance(one, Fixed)
    raw = 77
    inner = (((raw * 256 + one.carry) * one.factor >> 16) + one.offset) >> one.shift
    assert min(255, max(0, inner)) - 128 == int(route.tables[0][raw])
    assert route.formula.endswith("- 128")
    assert str(one.factor) in route.formula
