"""How far raw bytes are from the codes, and what makes them the same."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.data.contract import Contract
from edgewright.runtime.input_path.measure import describe_path, measure_path
from edgewright.runtime.input_path.pass_through import changes, distance, natural_grid
from edgewright.runtime.input_path.path import InputPath
from edgewright.runtime.input_path.tables import port_tables
from edgewright.runtime.input_path.ways import input_ways, output_ways
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import Grid, TensorSpec


def contract(mean=0.0, std=255.0, **more):
    return Contract(input="x", width=32, height=16, mean=(mean,) * 3, std=(std,) * 3, **more)


def port(grid):
    return PortSpec(TensorSpec("x", grid.dtype, (1, 3, 16, 32)), "NCHW", grid)


def grid(dtype="uint8", scale=1 / 255, zero=0):
    return Grid(dtype, np.float32(scale), np.int64(zero))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 255.0), (127.0, 128.0), (128.0, 1.0), (103.0, 57.375)])
def test_the_natural_grid_passes_raw_bytes_through(dtype, mean, std):
    made = contract(mean, std)
    far = distance(port_tables(made, port(natural_grid(made, dtype))))
    assert (far.exact, far.largest, far.differing) == (True, 0, (0, 0, 0))
    assert changes(made, natural_grid(made, dtype)) == ()


def test_a_zero_point_off_by_one():
    far = distance(port_tables(contract(), port(grid(zero=1))))
    assert (far.exact, far.near, far.largest, far.differing) == (False, True, 1, (255, 255, 255))
    first, second = changes(contract(), grid(zero=1))
    assert (first.kind, first.told) == ("grid", ("zero point 1 becomes 0",))
    assert first.contract == contract()
    assert (second.kind, second.told) == ("contract", ("mean 0 becomes 1",))


def test_a_scale_of_three_percent_less():
    first, second = changes(contract(), grid(scale=0.0038))
    assert first.told == ("scale 0.0038 becomes 0.00392157 (+3.20%)",)
    assert second.told == ("std 255 becomes 263.158",)
    for change in (first, second):
        assert distance(port_tables(change.contract, port(change.grid))).exact


def test_far_off_is_said_to_be_far():
    assert not distance(port_tables(contract(), port(grid(scale=1 / 128)))).near


def test_kinds_of_grids_that_no_change_helps():
    assert changes(contract(), Grid("int16", np.float32(1), np.int64(0))) == ()
    assert changes(contract(std=-255.0), grid()) == ()


def test_the_cost_of_each_way():
    ways = {way.name: way for way in input_ways(contract(), port(grid(scale=0.003)), grid(scale=0.003), "")}
    assert list(ways) == ["float", "table", "fused", "pass-through"]
    assert ways["float"].bytes == 4 * ways["fused"].bytes == 4 * 3 * 16 * 32
    assert all(way.microseconds > 0 for way in ways.values())
    assert "fused" not in {way.name for way in input_ways(contract(), port(grid()), grid(), "")}


def test_a_target_that_takes_codes_as_they_lie_in_a_frame_copies_none():
    made = contract(colour="BGR")
    ways = {way.name: way for way in input_ways(made, port(grid()), grid(), "NHWC")}
    assert ways["pass-through"].copies == 0
    per_channel = Grid("int8", np.full(3, 1 / 250, np.float32), np.zeros(3, np.int64), axis=1)
    assert {way.name for way in input_ways(made, port(per_channel), per_channel, "NHWC")} >= {"fused", "table"}


def test_outputs_as_they_are_read():
    spec = TensorSpec("y", "uint8", (1, 84, 100))
    real, codes = output_ways(PortSpec(spec, "", grid()), None)
    assert (real.name, real.bytes, real.copies) == ("float", 4 * 8400, 1)
    assert (codes.name, codes.bytes, codes.copies) == ("codes", 8400, 0)
    half = output_ways(PortSpec(TensorSpec("y", "float16", (1, 8)), "", None), None)
    assert [(way.name, way.bytes) for way in half] == [("float", 32), ("float16", 16)]
    (plain,) = output_ways(PortSpec(TensorSpec("y", "float32", (1, 8)), "", None), None)
    assert (plain.bytes, plain.microseconds) == (32, 0.0)


def test_what_the_bundle_says_of_a_path():
    path = InputPath(contract(), port(grid(scale=0.003)))
    told = describe_path(path)
    assert told["route"] == "affine"
    assert told["proof"] == "256 of 256 codes of each of 3 channels equal"
    assert told["engine"] == path.engine
    mine, copy, copies = measure_path(path)
    assert mine > 0
    assert copy > 0
    assert copies == told["copies"] == 1
