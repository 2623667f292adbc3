"""Reading TPU-MLIR's text, and whose tensors it talks of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgewright.errors import ToolchainError
from edgewright.targets.sophgo.lowered import Lookup
from edgewright.targets.sophgo.mlir import computed, parse_mlir, tensor_types
from edgewright.targets.sophgo.names import lookup_of, match_names
from tests.helpers import model_from_text, normal
from tests.targets.sophgo.nets import network

MODULES = Path(__file__).parent / "modules"

TOP = """
#loc = loc(unknown)
module @net attributes {module.chip = "ALL", module.weight_file = "net.npz"} {
  func.func @main(%arg0: tensor<1x4x8x8xf32> loc(unknown)) -> tensor<1x2x8x8xf32> {
    %0 = "top.None"() : () -> none loc(#loc)
    %1 = "top.Input"(%arg0) {pad_value = 0 : i64} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> loc(#loc1)
    %2:2 = "top.Split"(%1, %0) {axis = 1 : si32} : (HALVES, none) -> (HALF, HALF) loc(#loc4)
    %3 = "top.Add"(%2#0, %2#1) {do_relu = true} : (HALF, HALF) -> HALF loc(#loc5)
    return %3 : tensor<1x2x8x8xf32> loc(#loc)
  } loc(#loc)
} loc(#loc)
#loc1 = loc("x")
#loc2 = loc("a_Split")
#loc3 = loc("b/with \\22quotes\\22_Split")
#loc4 = loc(fused[#loc2, #loc3])
#loc5 = loc("y_Relu")
""".replace("HALVES", "tensor<1x4x8x8xf32>").replace("HALF", "tensor<1x2x8x8xf32>")


def test_ops_have_names_types_and_what_they_read() -> None:
    ops = parse_mlir(TOP)
    split, add = computed(ops)
    assert split.names == ("a_Split", 'b/with "quotes"_Split')
    assert add.operands == split.names
    assert tensor_types(ops)["y_Relu"].shape == (1, 2, 8, 8)
    assert {kind.precision for kind in tensor_types(ops).values() if kind.store} == {"float"}


def test_grids_of_a_lowered_module() -> None:
    types = tensor_types(parse_mlir((MODULES / "bm1684x_all.mlir").read_text(encoding="utf-8")))
    assert (types["r_Relu"].store, types["r_Relu"].precision) == ("u8", "int8")
    assert types["r_Relu"].scale == pytest.approx(0.012278, rel=1e-3)
    assert types["image"].precision == "float", "calibrated, not quantised: the conversion behind it is"
    assert types["out_Mul_f32"].store == "f32"


def test_conversions_are_told_from_ops() -> None:
    ops = computed(parse_mlir((MODULES / "bm1684_tail.mlir").read_text(encoding="utf-8")))
    conversions = [op.names[0] for op in ops if op.converts]
    assert "pooled_MaxPool_f32" in conversions
    assert not {"sum_Add", "body_Mul", "pooled_MaxPool"} & set(conversions)


@pytest.mark.parametrize("text", ["", "module @net {\n}", "not a module at all"])
def test_a_module_without_ops_is_an_error(text: str) -> None:
    with pytest.raises(ToolchainError, match="cannot be read"):
        parse_mlir(text)


def test_fused_ops_compute_all_nodes_up_to_the_next_known_tensor() -> None:
    names = match_names(network(), parse_mlir(_top_of_network()))
    assert set(names.nodes["r_Relu"]) == {"c1", "r1"}
    assert set(names.nodes["body_Mul"]) == {"s2", "m2"}
    assert names.tensors["image"] == "image"
    assert names.strange == ()
    assert lookup_of(network(), names).weights["r_Relu"] == ("w1", "b1")


def test_the_lookup_of_the_recorded_modules_is_still_what_we_make() -> None:
    recorded = Lookup.from_json(json.loads((MODULES / "names.json").read_text(encoding="utf-8")))
    made = lookup_of(network(), match_names(network(), parse_mlir(_top_of_network())))
    assert dict(made.weights) == {name: tuple(found) for name, found in recorded.weights.items()}
    assert {name: set(nodes) for name, nodes in made.nodes.items()} == {
        name: set(nodes) for name, nodes in recorded.nodes.items()
    }


def test_a_name_with_an_unusual_ending_is_the_tensor_if_nothing_else_is() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,4,8,8] x) => (float[1,2,8,8] y) <float[1,2,8,8] a, float[1,8,8,2] b> {
            a, b = Split <axis = 1> (x)
            y = Add (a, b)
        }"""
    )
    text = TOP.replace('"a_Split"', '"a_Split_slice"').replace('"b/with \\22quotes\\22_Split"', '"b_Split_r_reordered"')
    names = match_names(model, parse_mlir(text.replace('"y_Relu"', '"something_else"')))
    assert names.tensors["a_Split_slice"] == "a"
    assert names.derived == {"b_Split_r_reordered": "b"}, "its shape is another"
    assert names.strange == ("something_else",)


def test_weights_that_a_folded_op_changes_are_not_read_back() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,8,8] image) => (float[1,4,8,8] y) {
            [conv] a = Conv (image, w)
            [scale] y = Mul (a, two)
        }""",
        w=normal(4, 3, 1, 1),
        two=normal(1),
    )
    text = TOP.replace('"x"', '"image"').replace('"y_Relu"', '"y_Mul"').replace('"a_Split"', '"image_one"')
    names = match_names(model, parse_mlir(text.replace('"b/with \\22quotes\\22_Split"', '"image_two"')))
    assert set(names.nodes["y_Mul"]) == {"conv", "scale"}
    assert lookup_of(model, names).weights == {}


def _top_of_network() -> str:
    """The float module of the network, made from a lowered one: the same tensors, conversions left out."""
    lines = (MODULES / "bm1684x_all.mlir").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if "tpu.Cast" not in line and "MulShift" not in line)
