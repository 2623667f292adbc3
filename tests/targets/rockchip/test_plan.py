"""Plans in the toolkit's format, without the toolkit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.errors import ToolchainError, UserError
from edgewright.findings import Severity
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.targets.rockchip.backend import RockchipBackend
from edgewright.targets.rockchip.fused import FusedNode, match_tensors, observed_ranges, planned_precisions
from edgewright.targets.rockchip.plan import (
    Prepared,
    grid_of,
    limits,
    prepared_from,
    read_config,
    write_config,
)
from edgewright.targets.rockchip.readback import read_built
from edgewright.targets.rockchip.review import review
from edgewright.tensors import Grid
from tests.helpers import model_from_text, normal
from tests.targets.rockchip.graphs import NODES, entry, images, plan_for, samples, silu_model


def prepared(nodes: list[dict[str, Any]] = NODES) -> Prepared:
    """The toolkit's first step, as it answers for the small network."""
    model = silu_model()
    ranges = observed_ranges(model, images())
    parameters = {"x": entry(0, 1, "float32"), "x_int8": entry(0, 1), "y": entry(*ranges["y"], "float32")}
    parameters |= {name: entry(*ranges[name]) for name in "cmdnp"} | {"y_int8": entry(*ranges["y"])}
    return prepared_from({"nodes": nodes, "parameters": parameters}, model, ranges)


def plan_without_d() -> PrecisionPlan:
    """A plan that lacks a grid where the toolkit has one: inside a SiLU."""
    plan = plan_for(silu_model())
    return replace(plan, activations={name: grid for name, grid in plan.activations.items() if name != "d"})


def config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "plan.quantization.cfg").read_text(encoding="utf-8"))


def test_every_tensor_is_found_under_its_name_or_by_its_range() -> None:
    matched = prepared().matched
    assert {name: matched[name] for name in "cmdnpx"} == {name: name for name in "cmdnpx"}
    assert matched["x_int8"] == "x"
    assert matched["y_int8"] == "y"


def test_a_name_that_was_given_to_other_values_is_not_believed() -> None:
    """RKNN-Toolkit2 moves a Softmax over a Transpose and gives the new tensor a name of the old input."""
    model = silu_model()
    ranges = observed_ranges(model, images())
    nodes = tuple(FusedNode.from_json(node) for node in NODES)
    parameters = {"x": entry(0, 1, "float32"), "x_int8": entry(0, 1)}
    parameters |= {name: entry(*ranges[name]) for name in "cmdn"} | {"p": entry(*ranges["y"])}
    assert match_tensors(nodes, parameters, model, ranges)["p"] == "y"


def test_a_tensor_that_the_toolkit_made_up_is_part_of_the_op_behind_it() -> None:
    nodes = [FusedNode("A", "a", ("x",), ("made",)), FusedNode("B", "b", ("made",), ("z",))]
    found = planned_precisions(nodes, {"x": "x", "z": "z"}, {"x": "int8", "z": "float"})
    assert found == {"made": "float", "z": "float"}
    last = [FusedNode("B", "b", ("x",), ("z",)), FusedNode("C", "c", ("z",), ("made",))]
    assert planned_precisions(last, {"z": "z"}, {"z": "int16"})["made"] == "int16"


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("zero", [0, 17, 255])
def test_limits_give_the_toolkit_our_grid_back(dtype: str, zero: int) -> None:
    zero = zero - 128 if dtype == "int8" else zero
    grid = Grid(dtype, np.float32(0.0137), np.asarray(zero))
    low, high = limits(grid)
    again = grid_of({"dtype": "int16" if dtype == "int16" else "int8", "min": [low], "max": [high]})
    assert again.scale == pytest.approx(grid.scale, rel=1e-6)
    assert again.low == pytest.approx(grid.low, rel=1e-6, abs=1e-9)
    assert int(again.zero_point) == zero - (128 if dtype == "uint8" else 0)


def test_planned_ranges_are_written_and_the_toolkits_own_kept(tmp_path: Path) -> None:
    plan = plan_without_d()
    write_config(prepared(), silu_model(), plan, tmp_path)
    written = config(tmp_path)["quantize_parameters"]
    for name in ("m", "n"):
        assert (written[name]["min"][0], written[name]["max"][0]) == limits(plan.activations[name])
    assert written["y_int8"]["max"][0] == limits(plan.activations["y"])[1]
    before = prepared().parameters
    assert written["d"] == before["d"], "the plan has no grid there"
    assert written["x"] == before["x"], "the graph's own inputs and outputs stay as they are"
    assert {name: one["scale"] for name, one in written.items()} == {name: one["scale"] for name, one in before.items()}
    assert config(tmp_path)["custom_quantize_layers"] == {}


def test_wider_ops_are_named_by_the_tensor_that_the_fused_graph_computes(tmp_path: Path) -> None:
    model = silu_model()
    write_config(prepared(), model, plan_for(model, {"p": "int16", "y": "float"}), tmp_path)
    assert config(tmp_path)["custom_quantize_layers"] == {"p": "int16", "y_int8": "float16"}


def test_a_wide_op_that_the_fused_graph_has_not_is_an_error(tmp_path: Path) -> None:
    model = silu_model()
    without = Prepared(prepared().nodes, prepared().parameters, {"x": "x", "x_int8": "x", "c": "c"})
    with pytest.raises(ToolchainError, match="'p' is to be in 16 bits"):
        write_config(without, model, plan_for(model, {"p": "int16"}), tmp_path)


def test_a_written_plan_reads_back(tmp_path: Path) -> None:
    model = silu_model()
    plan = plan_for(model, {"n": "int16", "t": "int16"})
    found = read_config(write_config(prepared(), model, plan, tmp_path))
    assert {"x", "m", "n", "y"} <= set(found.activations)
    for name, grid in found.activations.items():
        assert grid.bits == plan.activations[name].bits
        assert grid.scale == pytest.approx(plan.activations[name].scale, rel=1e-5)
    (tmp_path / "match.json").unlink()
    with pytest.raises(ToolchainError, match="cannot be read back"):
        read_config(tmp_path / "plan.quantization.cfg")


def built(folder: Path, changes: dict[str, dict[str, Any]]) -> Artifact:
    """What a build leaves: every tensor as it was planned, but for `changes`."""
    table = {}
    for name, one in config(folder)["quantize_parameters"].items():
        low, high = one["min"][0], one["max"][0]
        built_entry = {"min": [low], "max": [high], "scale": [(high - low) / 255], "zero_point": [0]}
        table[name] = {**built_entry, "dtype": one["dtype"], "fused": name in "cp", **changes.get(name, {})}
    (folder / "built.json").write_text(json.dumps({"nodes": NODES, "table": table}), encoding="utf-8")
    return Artifact("rockchip/rk3588", "int8", ("model.rknn",), folder, (), (), {}, "")


def test_what_was_built_is_counted_by_its_type(tmp_path: Path) -> None:
    write_config(prepared(), silu_model(), plan_for(silu_model()), tmp_path)
    built(tmp_path, {"n": {"dtype": "float16", "scale": [], "zero_point": []}, "y_int8": {"dtype": "int16"}})
    counts = read_built(tmp_path).counts()
    # c and p end no group: exSwish and Add compute them on
    assert counts == {"int8": 2, "int16": 1, "float": 1, "conversions": 2, "fused_away": 2}


def test_review_is_quiet_but_for_the_grid_that_the_plan_lacks(tmp_path: Path) -> None:
    plan = plan_without_d()
    write_config(prepared(), silu_model(), plan, tmp_path)
    findings = review(built(tmp_path, {}), plan, read_built(tmp_path))
    assert [(one.severity, one.evidence) for one in findings] == [(Severity.INFO, {"tensors": ["d"]})]


def test_review_tells_of_a_precision_that_did_not_take_hold(tmp_path: Path) -> None:
    plan = plan_for(silu_model(), {"n": "int16"})
    write_config(prepared(), silu_model(), plan, tmp_path)
    findings = review(built(tmp_path, {}), plan, read_built(tmp_path))
    errors = [one for one in findings if one.severity is Severity.ERROR]
    assert [one.evidence for one in errors] == [{"tensors": {"n": ["int16", "int8"]}}]


def test_review_takes_a_wider_type_than_planned_lightly(tmp_path: Path) -> None:
    plan = plan_for(silu_model())
    write_config(prepared(), silu_model(), plan, tmp_path)
    artifact = built(tmp_path, {"n": {"dtype": "float16", "scale": [], "zero_point": []}})
    findings = [one for one in review(artifact, plan, read_built(tmp_path)) if one.code == "EW503"]
    assert [(one.severity, one.evidence) for one in findings] == [
        (Severity.INFO, {"tensors": {"n": ["int8", "float"]}}),
    ]


def test_review_tells_of_a_replaced_range(tmp_path: Path) -> None:
    plan = plan_for(silu_model())
    write_config(prepared(), silu_model(), plan, tmp_path)
    findings = review(built(tmp_path, {"m": {"scale": [1.0]}}), plan, read_built(tmp_path))
    warned = [one for one in findings if one.severity is Severity.WARNING]
    assert len(warned) == 1
    assert list(warned[0].evidence["steps"]) == ["m"]


def test_review_tells_of_weights_on_another_grid(tmp_path: Path) -> None:
    plan = plan_for(silu_model())
    write_config(prepared(), silu_model(), plan, tmp_path)
    artifact = built(tmp_path, {})
    data = json.loads((tmp_path / "built.json").read_text(encoding="utf-8"))
    for name, factor in (("w", 1.0), ("u", 2.0)):
        grid = plan.weights[name]
        scale, zero = (grid.scale * factor).tolist(), grid.zero_point.tolist()
        data["table"][name] = {"dtype": "int8", "scale": scale, "zero_point": zero, "fused": False}
    (tmp_path / "built.json").write_text(json.dumps(data), encoding="utf-8")
    findings = review(artifact, plan, read_built(tmp_path))
    assert [one.evidence for one in findings if "weights" in one.evidence] == [{"weights": ["u"]}]


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="cannot be read back"):
        read_built(tmp_path)


def test_a_chip_without_float_refuses_float_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rockchip/rv1106 cannot compute in float"):
        RockchipBackend("rv1106").build(silu_model(), None, tmp_path, samples)
    with pytest.raises(UserError, match="cannot compute in float"):
        RockchipBackend("rv1106").build(silu_model(), plan_for(silu_model(), {"y": "float"}), tmp_path, samples)
    with pytest.raises(UserError, match="rockchip/rk2118 cannot compute in int8"):
        RockchipBackend("rk2118").build(silu_model(), plan_for(silu_model()), tmp_path, samples)
    assert not list(tmp_path.iterdir())


def test_an_opset_that_is_too_new_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    model = silu_model()
    model.ir.graph.opset_imports[""] = 21
    with pytest.raises(UserError, match="opset 21 is newer"):
        RockchipBackend("rk3588").build(model, None, tmp_path)


def test_integers_need_calibration_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs calibration images"):
        RockchipBackend("rk3588").build(silu_model(), plan_for(silu_model()), tmp_path)


@pytest.mark.parametrize(
    ("text", "chip", "found"),
    [
        ("Sub (k, c)", "rk3588", "float"),
        ("Sub (c, k)", "rk3588", "int16"),
        ("Add (k, c)", "rk3588", "int16"),
        ("Sub (k, c)", "rv1106", "int16"),
    ],
)
def test_a_constant_minus_a_tensor_has_no_16_bits(text: str, chip: str, found: str) -> None:
    model = model_from_text(
        f"""<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,16,16] x) => (float[1,8,16,16] s)
        {{ c = Conv <pads=[1,1,1,1]> (x, w)  s = {text} }}""",
        w=normal(8, 3, 3, 3),
        k=normal(1, 8, 1, 1),
    )
    for node in model.ir.graph:
        node.name = node.outputs[0].name
    plan = plan_for(model, {"s": "int16"})
    expected = RockchipBackend(chip).expected_plan(model, plan)
    assert (plan.ops["s"], expected.ops["s"]) == ("int16", found)
    assert expected.ops["c"] == "int8"
