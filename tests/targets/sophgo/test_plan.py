"""A plan in TPU-MLIR's tables, and what a chip is expected to make of it, against modules that TPU-MLIR lowered.

The modules in `modules/` were written by TPU-MLIR 1.30.2; `test_real_tool.py` makes them again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import ToolchainError, UserError
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.sophgo.backend import SophgoBackend
from edgewright.targets.sophgo.calibration import vendor_grids
from edgewright.targets.sophgo.lowered import Lookup, built_plan
from edgewright.targets.sophgo.mlir import MlirOp, parse_mlir
from edgewright.targets.sophgo.names import Names, match_names
from edgewright.targets.sophgo.plan import Tables, unplanned, write_tables
from edgewright.targets.sophgo.readback import changed_grids, check_modes, counts, estimated_ms
from edgewright.targets.sophgo.shifts import right_shift
from edgewright.targets.sophgo.signs import never_negative
from edgewright.targets.sophgo.tables import calibration_table, read_calibration_table, row_of, symmetric_grid
from edgewright.tensors import Grid
from tests.helpers import model_from_text
from tests.targets.sophgo.nets import TAIL, is_symmetric, network, planned

MODULES = Path(__file__).parent / "modules"


def lowered(chip: str, tag: str) -> list[MlirOp]:
    return parse_mlir((MODULES / f"{chip}_{tag}.mlir").read_text(encoding="utf-8"))


def built(chip: str, tag: str) -> PrecisionPlan:
    lookup = Lookup.from_json(json.loads((MODULES / "names.json").read_text(encoding="utf-8")))
    return built_plan(lowered(chip, tag), lookup)


def top() -> tuple[list[MlirOp], Names]:
    """The float module's ops: those of a lowered one, with every tensor real."""
    ops = [op for op in lowered("bm1684x", "all") if not op.converts]
    real = [replace(op, types=tuple(replace(kind, store="f32", scale=None) for kind in op.types)) for op in ops]
    return real, match_names(network(), real)


def tables(plan: PrecisionPlan) -> Tables:
    ops, names = top()
    return write_tables(network(), plan, ops, names, "F32", {})


@pytest.mark.parametrize(
    ("chip", "tag", "float_nodes"),
    [
        ("bm1684", "all", ()),
        ("bm1684", "tail", TAIL),
        ("bm1684x", "all", ()),
        ("bm1684x", "tail", TAIL),
        ("bm1684x", "asymmetric", ()),
        ("cv181x", "all", ()),
    ],
)
def test_what_is_expected_is_what_tpu_mlir_built(chip: str, tag: str, float_nodes: tuple[str, ...]) -> None:
    model = network()
    plan = planned(model, chip, float_nodes, symmetric=is_symmetric(chip, tag))
    expected = SophgoBackend(chip).expected_plan(model, plan)
    found = built(chip, tag)
    assert dict(expected.ops) == dict(found.ops)
    assert set(expected.activations) == set(found.activations)
    for name, grid in found.activations.items():
        assert expected.activations[name].dtype == grid.dtype, name
        assert int(expected.activations[name].zero_point) == int(grid.zero_point), name
        assert expected.activations[name].scale == pytest.approx(grid.scale, rel=1e-4), name
    assert set(expected.weights) >= set(found.weights) >= {"w1", "w2", "w3", "w4"}
    for name, grid in found.weights.items():
        assert expected.weights[name].scale == pytest.approx(grid.scale, rel=1e-4), name


def test_bm1684_has_one_power_of_two_for_a_layer_and_biases_of_16_bits() -> None:
    found = built("bm1684", "all")
    assert found.weights["w2"].scale.shape == ()
    assert found.weights["b2"].dtype == "int16"
    ratio = np.log2(
        float(found.activations["d"].scale) / float(found.activations["r"].scale * found.weights["w2"].scale)
    )
    assert ratio == pytest.approx(round(ratio), abs=1e-4)
    fine = built("bm1684x", "all").weights["w2"].scale
    assert float(found.weights["w2"].scale) > 100 * float(fine.min()), (
        "the smallest channel of a depthwise Conv is lost"
    )


@pytest.mark.parametrize(
    ("weight", "bias", "steps", "shift"),
    [
        (1.0, None, (1.0, 1.0), 6),
        (127.0, None, (1.0, 1.0), -1),
        (126.9, None, (1.0, 1.0), 0),
        (1.0, None, (1.0, 2.0), 7),
        (1.0, 100.0, (1.0, 1.0), 6),
        (1.0, 1000.0, (1.0, 1.0), 5),
        (0.0, None, (1.0, 1.0), 0),
    ],
)
def test_the_shift_of_a_layer(weight: float, bias: float | None, steps: tuple[float, float], shift: int) -> None:
    source, result = (Grid("int8", np.asarray(step, np.float32), np.asarray(0)) for step in steps)
    biases = None if bias is None else np.array([bias], np.float32)
    found = right_shift(np.array([weight, -weight / 2], np.float32), biases, source, result)
    assert found == (None if shift < 0 else shift)


def test_a_layer_that_no_shift_fits_is_expected_in_float() -> None:
    model, chip = network(), "bm1684"
    plan = planned(model, chip)
    tiny = replace(plan.activations["logits"], scale=np.float32(1e-6))
    narrow = {name: tiny if name in ("logits", "boxes", "both", "rows") else g for name, g in plan.activations.items()}
    assert "c4" not in SophgoBackend(chip).expected_plan(model, replace(plan, activations=narrow)).ops


def test_rows_give_back_the_grids_that_they_were_written_from() -> None:
    for low, high in ((0.0, 3.0), (-1.0, 3.0), (-4.0, 0.5)):
        grid = symmetric_grid(low, high)
        row = read_calibration_table(calibration_table([row_of("t", grid)]))["t"]
        assert row.grid.dtype == grid.dtype
        assert row.grid.scale == pytest.approx(grid.scale, rel=1e-5)


def test_an_asymmetric_grid_gets_the_symmetric_range_that_holds_it() -> None:
    grid = Grid("uint8", np.asarray(0.1, np.float32), np.asarray(55))
    row = row_of("t", grid)
    assert (row.low, row.high) == pytest.approx((-5.5, 20.0))
    assert row.grid.dtype == "int8"
    assert row.threshold == pytest.approx(20.0)
    signed = Grid("int8", np.asarray(0.1, np.float32), np.asarray(0))
    assert row_of("t", signed, never_negative=True).grid.dtype == "uint8"


@pytest.mark.parametrize("text", ["a 1.0 x 1.0\n", "a 1.0\n"])
def test_a_broken_calibration_table_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match="calibration table"):
        read_calibration_table(text)


def test_names_that_the_format_cannot_hold_are_refused() -> None:
    with pytest.raises(UserError, match="cannot stand"):
        calibration_table([row_of("a b", symmetric_grid(0, 1))])


def test_a_tail_in_float_gets_modes_and_no_ranges() -> None:
    """A range of the Concat would become that of the two Convs before it."""
    made = tables(planned(network(), "bm1684x", TAIL))
    assert set(made.modes) == {"both_Concat", "rows_Reshape", "out_Mul"}
    assert {row.name for row in made.rows}.isdisjoint(made.modes)
    assert {"boxes_Conv", "logits_Conv", "image"} <= {row.name for row in made.rows}


def test_an_op_is_as_wide_as_the_widest_node_in_it() -> None:
    made = tables(planned(network(), "bm1684x", ("s2",)))
    assert made.modes == {"body_Mul": "F32"}
    assert made.widened == {"body_Mul": ("m2",)}


def test_float_ops_inside_the_network_need_measured_ranges() -> None:
    plan = planned(network(), "bm1684x", ("dw", "s2", "m2"))
    ops, names = top()
    assert unplanned(ops, names, plan) == ["d"]
    with pytest.raises(UserError, match="d_Conv"):
        write_tables(network(), plan, ops, names, "F32", {})
    made = write_tables(network(), plan, ops, names, "F32", {"d": (-1.0, 2.0)})
    assert {row.name: row.high for row in made.rows}["d_Conv"] == 2.0


def test_tensors_that_are_not_the_models_are_an_error() -> None:
    ops, names = top()
    with pytest.raises(ToolchainError, match="cannot be matched"):
        write_tables(network(), planned(network(), "bm1684x"), ops, replace(names, strange=("odd",)), "F32", {})


def test_a_mode_that_was_ignored_is_an_error() -> None:
    made = tables(planned(network(), "bm1684x", TAIL))
    assert check_modes(lowered("bm1684x", "tail"), made) == []
    with pytest.raises(ToolchainError, match="both_Concat"):
        check_modes(lowered("bm1684x", "all"), made)


def test_ops_in_float_against_the_plan_are_told() -> None:
    made = tables(planned(network(), "bm1684x"))
    assert check_modes(lowered("bm1684x", "all"), made) == []
    assert set(check_modes(lowered("bm1684x", "tail"), made)) == {"both_Concat", "rows_Reshape", "out_Mul"}


def test_counts_are_of_what_was_built() -> None:
    assert counts(lowered("bm1684x", "all")) == {"int8": 10, "int16": 0, "float": 0, "conversions": 3}
    assert counts(lowered("bm1684x", "tail"))["float"] == 3


def test_grids_that_the_compiler_changed_are_found() -> None:
    asked = planned(network(), "bm1684x", symmetric=True)
    changed = changed_grids(asked, built("bm1684x", "all"))
    assert set(changed) == {"logits"}, "it took the range of the Concat; the others are as asked or wider by rounding"
    assert changed_grids(planned(network(), "bm1684x", TAIL, symmetric=True), built("bm1684x", "tail")) == {}


def test_structure_tells_what_cannot_be_negative() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,8,8] x) => (float[1,6,8,8] y, float[1,3,8,8] z) {
            r = Relu (x)
            s = Sigmoid (x)
            sum = Add (r, s)
            z = Add (r, x)
            y = Concat <axis = 1> (sum, r)
        }"""
    )
    plan = PrecisionPlan("", {"x": symmetric_grid(-1.0, 1.0)}, {}, {})
    assert never_negative(model, plan) == {"r", "s", "sum", "y"}
    assert never_negative(model, replace(plan, activations={"x": symmetric_grid(0.0, 1.0)})) == {
        *("x", "r", "s", "sum", "y", "z")
    }


def test_the_compilers_time_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("TCYC : 2487\nflops: 450560, runtime: 0.002487ms, ComputationAbility: 0.1T\n")
    assert estimated_ms(tmp_path, "profile") == 0.0025
    assert estimated_ms(tmp_path, "nothing") is None


def test_a_table_of_the_vendors_making_reaches_to_its_threshold() -> None:
    """KL chooses thresholds below what was seen."""
    text = "# op_name    threshold    min    max\nr_Relu 3.0 -0.0 3.13\nd_Conv 2.54 -1.418 2.72\n"
    grids = vendor_grids(text)
    assert (grids["r_Relu"].dtype, float(grids["r_Relu"].scale)) == ("uint8", pytest.approx(3.0 / 255))
    assert (grids["d_Conv"].dtype, float(grids["d_Conv"].scale)) == ("int8", pytest.approx(2.54 / 127))
    assert row_of("d_Conv", grids["d_Conv"]).threshold == pytest.approx(2.54)
