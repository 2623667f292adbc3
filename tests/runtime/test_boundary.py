from __future__ import annotations

import numpy as np
import pytest

from edgewright.errors import BundleError
from edgewright.runtime.boundary import from_port, to_port
from edgewright.runtime.golden import record_golden, relative_l2
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import Grid, TensorSpec
from tests.bundle.bundle_fakes import CONTRACT, FakeBackend, fake_artifact, sample_image


def port(dtype, shape, layout="", grid=None):
    return PortSpec(TensorSpec("x", dtype, shape), layout, grid)


def test_codes_follow_the_grid_and_come_back():
    grid = Grid("uint8", np.float32(0.5), np.int64(10))
    codes = to_port(np.array([[0.0, 1.0, -5.0, 1000.0]], np.float32), port("uint8", (1, 4), grid=grid))
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[10, 12, 0, 255]]
    real = from_port(codes, port("uint8", (1, 4), grid=grid))
    assert real.dtype == np.float32
    assert real.tolist() == [[0.0, 1.0, -5.0, 122.5]]


def test_the_channel_axis_of_a_grid_is_that_of_the_port():
    grid = Grid("int8", np.array([1, 2, 4], np.float32), np.zeros(3, np.int64), axis=3)
    values = np.full((1, 3, 2, 2), 8, np.float32)
    codes = to_port(values, port("int8", (1, 2, 2, 3), "NHWC", grid), "NCHW")
    assert codes[0, 0, 0].tolist() == [8, 4, 2]
    assert codes.flags.c_contiguous
    np.testing.assert_array_equal(from_port(codes, port("int8", (1, 2, 2, 3), "NHWC", grid), "NCHW"), values)


def test_layouts_move_axes_and_not_values():
    values = np.arange(24, dtype=np.float32).reshape(1, 3, 4, 2)
    moved = to_port(values, port("float32", (1, 4, 2, 3), "NHWC"), "NCHW")
    np.testing.assert_array_equal(moved, values.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(to_port(moved, port("float32", (1, 3, 4, 2), "NCHW"), "NHWC"), values)


@pytest.mark.parametrize(("given", "wanted"), [("float32", "float16"), ("uint8", "float32"), ("float32", "float32")])
def test_types_that_keep_their_meaning_are_converted(given, wanted):
    assert to_port(np.array([3], given), port(wanted, (1,))).dtype == wanted


@pytest.mark.parametrize(("given", "wanted"), [("float32", "uint8"), ("uint8", "int8"), ("float32", "int64")])
def test_types_that_need_a_grid_are_refused(given, wanted):
    with pytest.raises(BundleError, match=f"wants {wanted}"):
        to_port(np.array([3], given), port(wanted, (1,)))


def test_another_shape_is_refused_and_an_unknown_one_is_taken():
    with pytest.raises(BundleError, match="shape"):
        to_port(np.zeros((1, 3), np.float32), port("float32", (1, 4)))
    assert to_port(np.zeros((1, 3), np.float32), port("float32", (1, None))).shape == (1, 3)


def test_integers_without_a_grid_and_half_floats():
    assert from_port(np.array([5], np.int64), port("int64", (1,))).dtype == np.int64
    assert from_port(np.array([5], np.float16), port("float16", (1,))).dtype == np.float32


@pytest.mark.parametrize(
    ("values", "reference", "expected"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([3.0, 4.5], [3.0, 4.0], 0.1),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([1e-9, 0.0], [0.0, 0.0], np.inf),
        ([np.nan, 4.0], [3.0, 4.0], np.inf),
        ([np.nan, 4.0], [np.nan, 4.0], 0.0),
        ([np.nan, 4.4], [np.nan, 4.0], 0.1),
        ([np.inf, 4.0], [-np.inf, 4.0], np.inf),
        ([np.inf, 4.0], [np.inf, 4.0], 0.0),
        ([], [], 0.0),
    ],
)
def test_relative_l2(values, reference, expected):
    assert relative_l2(np.array(values, np.float32), np.array(reference, np.float32)) == pytest.approx(
        expected, rel=1e-5
    )


def test_relative_l2_of_another_shape():
    assert relative_l2(np.zeros(3), np.zeros(4)) == np.inf


def test_recording_keeps_codes_and_the_image(tmp_path):
    artifact = fake_artifact(tmp_path / "built", codes=True)
    image = sample_image(tmp_path / "a.png")
    (sample,) = record_golden(FakeBackend().open(artifact), artifact, CONTRACT, [image], 0.02)
    assert sample.inputs["image"].dtype == np.uint8
    assert sample.outputs["y"].dtype == np.int16
    assert sample.image == image.read_bytes()
    assert sample.tolerance == 0.02
