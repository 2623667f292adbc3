"""Which tensors get a grid, and which grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.profile import FusionProfile
from edgewright.targets.registry import get_backend
from tests.helpers import model_from_text, normal

PROFILE = FusionProfile(
    quantised_ops=frozenset({"Conv", "Relu", "Sigmoid", "Mul", "MaxPool", "Concat", "Reshape", "MatMul"}),
    same_grid_ops=frozenset({"MaxPool", "Reshape"}),
    fused_activations=frozenset({"Relu"}),
    weight_ops=frozenset({"Conv", "MatMul"}),
)
TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,3,8,8] image) => (float[1,96] out) {
    [conv] c = Conv <pads = [1,1,1,1]> (image, w, b)
    [relu] r = Relu (c)
    [pool] p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (r)
    [sig] s = Sigmoid (p)
    [silu] m = Mul (p, s)
    [half] h = Mul (m, two)
    [join] j = Concat <axis = 1> (h, m)
    [exp] e = Exp (j)
    [cut] q = Slice (e, zero, three, one)
    [flat] out = Reshape (q, shape)
}
"""


@pytest.fixture
def model() -> Model:
    return model_from_text(
        TEXT,
        w=normal(3, 3, 3, 3),
        b=normal(3),
        two=np.array([2.0], np.float32),
        zero=np.array([0], np.int64),
        three=np.array([6], np.int64),
        one=np.array([1], np.int64),
        shape=np.array([1, 96], np.int64),
    )


def plan_of(model: Model, precisions: dict[str, str] | None = None, **options: object) -> PrecisionPlan:
    chosen = precisions if precisions is not None else default_precisions(model, PROFILE, "int8")
    observed = layout(model, PROFILE, chosen).observed  # type: ignore[arg-type]
    feeds = [{"image": normal(1, 3, 8, 8, seed=seed)} for seed in range(4)]
    statistics = collect_statistics(model, observed, feeds, histogram=False)
    settings = QuantOptions(parse_observer("minmax"), **options)  # type: ignore[arg-type]
    return make_plan(model, PROFILE, statistics, chosen, settings)  # type: ignore[arg-type]


def test_grids_follow_the_fusion_profile(model: Model) -> None:
    plan = plan_of(model)
    assert set(plan.activations) == {"image", "r", "p", "s", "m", "h", "j", "q", "out"}
    assert "c" not in plan.activations, "the Conv absorbs its Relu"
    assert "e" not in plan.activations, "Exp and its readers are in float"
    assert plan.activations["p"] is plan.activations["r"] or plan.activations["p"] == plan.activations["r"]
    assert plan.activations["out"].to_json() == plan.activations["q"].to_json()
    assert plan.activations["r"].to_json() == plan.activations["p"].to_json()
    assert plan.ops["flat"] == "int8"
    assert "exp" not in plan.ops
    assert plan.activations["r"].low == 0.0


def test_weights_per_channel_and_bias_on_the_product_grid(model: Model) -> None:
    plan = plan_of(model)
    assert plan.weights["w"].axis == 0
    assert plan.weights["w"].scale.shape == (3,)
    assert plan.weights["b"].dtype == "int32"
    expected = plan.activations["image"].scale * plan.weights["w"].scale
    assert np.allclose(plan.weights["b"].scale, expected)
    assert plan.weights["two"].dtype == "uint8"
    assert plan_of(model, per_channel=False).weights["w"].axis is None


def test_float_nodes_take_their_grids_away(model: Model) -> None:
    chosen = default_precisions(model, PROFILE, "int8")
    for name in ("join", "half", "flat"):
        chosen[name] = "float"
    plan = plan_of(model, chosen)  # type: ignore[arg-type]
    assert "j" not in plan.activations
    assert "h" not in plan.activations
    assert "two" not in plan.weights
    assert "m" in plan.activations, "the op that makes it is quantised"


def test_a_relu_in_float_is_not_absorbed(model: Model) -> None:
    chosen = default_precisions(model, PROFILE, "int8")
    chosen["relu"] = "float"
    assert "c" in plan_of(model, chosen).activations  # type: ignore[arg-type]


def test_16_bit_and_symmetric(model: Model) -> None:
    wide = plan_of(model, dict(default_precisions(model, PROFILE, "int16")))
    assert {grid.dtype for grid in wide.activations.values()} == {"uint16"}
    assert wide.weights["w"].dtype == "int8"
    even = plan_of(model, symmetric=True, activation_dtype="int8")
    assert {(grid.dtype, int(grid.zero_point)) for grid in even.activations.values()} == {("int8", 0)}


def test_an_input_that_is_never_negative_has_unsigned_codes_where_the_target_takes_them(model: Model) -> None:
    profile = replace(PROFILE, unsigned_inputs=True)
    chosen = default_precisions(model, profile, "int8")
    for low, dtype, last in ((0.0, "uint8", 255), (-0.01, "int8", 127)):
        feeds = [{"image": np.linspace(low, 1.0, 192, dtype=np.float32).reshape(1, 3, 8, 8)}]
        statistics = collect_statistics(model, layout(model, profile, chosen).observed, feeds, histogram=False)
        options = QuantOptions(parse_observer("minmax"), symmetric=True, activation_dtype="int8")
        grids = make_plan(model, profile, statistics, chosen, options).activations
        assert (grids["image"].dtype, int(grids["image"].zero_point)) == (dtype, 0)
        assert float(grids["image"].scale) == pytest.approx(1 / last)
        assert grids["s"].dtype == "int8", "of inputs alone"
        plain = make_plan(model, PROFILE, statistics, chosen, options).activations
        assert plain["image"].dtype == "int8"


def test_silu_is_one_op_where_the_target_fuses_it() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,8,8] image) => (float[1,3,8,8] m) {
            [conv] c = Conv <pads = [1,1,1,1]> (image, w)
            [sig] s = Sigmoid (c)
            [mul] m = Mul (c, s)
        }""",
        w=normal(3, 3, 3, 3),
    )
    fused = replace(PROFILE, fuse_silu=True)
    chosen = default_precisions(model, fused, "int8")
    assert set(layout(model, fused, chosen).leaders) == {"image", "m"}
    assert "c" in layout(model, PROFILE, chosen).leaders


def test_a_dead_channel_with_a_bias_does_not_overflow_32_bits() -> None:
    weights = normal(2, 3, 1, 1)
    weights[1] = 1e-30
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,8,8] image) => (float[1,2,8,8] c) { [conv] c = Conv (image, w, b) }""",
        w=weights,
        b=np.array([0.5, 3.0], np.float32),
    )
    plan = plan_of(model)
    codes = plan.weights["b"].quantise(np.array([0.5, 3.0], np.float32))
    assert abs(int(codes[1])) < 2**31 - 1, "saturated: the channel would be garbage"
    assert plan.weights["b"].dequantise(codes) == pytest.approx([0.5, 3.0], rel=1e-4)


def test_round_trip(model: Model) -> None:
    plan = plan_of(model)
    again = PrecisionPlan.from_json(plan.to_json())
    assert again.digest == plan.digest
    assert again.activations["m"].to_json() == plan.activations["m"].to_json()
    assert set(plan.ops.values()) == {"int8"}
    assert len(plan.ops) == 8


def test_constants_that_no_grid_can_hold() -> None:
    """Clip's bounds are no operands, an infinite mask keeps its op in float, a bias must be one number a channel."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,8] x) => (float[1,4] y, float[1,4] z) {
            [mask] a = Mul (x, inf)
            [gemm] y = Gemm (x, w, bias)
            [clip] c = Relu (y)
            [bound] z = Clip (c, low, high)
        }""",
        inf=np.array([-np.inf], np.float32),
        w=normal(8, 4),
        bias=normal(1, 4),
        low=np.array(0.0, np.float32),
        high=np.array(6.0, np.float32),
    )
    profile = get_backend("onnxruntime/cpu").capabilities().fusion
    chosen = default_precisions(model, profile, "int8")
    assert "mask" not in chosen
    operands = {operand.name for operand in layout(model, profile, chosen).operands}
    assert operands == {"w"}


def test_everything_that_a_repair_may_quantise_is_observed(model: Model) -> None:
    from edgewright.quant.layout import observable

    chosen = default_precisions(model, PROFILE, "int8")
    for name in chosen:
        partly = {**chosen, name: "float"}
        assert set(layout(model, PROFILE, partly).observed) <= set(observable(model, PROFILE))  # type: ignore[arg-type]


def mixed_model() -> Model:
    return model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,8,8] image) => (float[1,3,8,8] y, float[1,3,64] flat) {
            [first] a = Conv (image, w)
            [wide] b = Mul (a, a)
            [shape] shaped = Reshape (b, sizes)
            [narrow] c = Conv (b, w)
            [soft] d = Sigmoid (c)
            [softer] e = Sigmoid (d)
            [join] y = Mul (d, e)
            [turn] flat = Reshape (shaped, back)
        }""",
        w=normal(3, 3, 1, 1),
        sizes=np.array([1, 3, 8, 8], np.int64),
        back=np.array([1, 3, 64], np.int64),
    )


def test_an_8_bit_op_reads_a_16_bit_tensor_through_a_second_grid() -> None:
    model = mixed_model()
    chosen = {**default_precisions(model, PROFILE, "int8"), "wide": "int16"}
    plan = plan_of(model, chosen)  # type: ignore[arg-type]
    assert plan.activations["b"].dtype == "uint16"
    assert set(plan.narrowed) == {"b"}, "the moves behind it keep its 16 bits"
    assert plan.grid_seen("b", "narrow") is plan.narrowed["b"]
    assert plan.narrowed["b"].dtype == "uint8"
    assert plan.ops["shape"] == plan.ops["turn"] == "int16"
    assert plan.activations["flat"] == plan.activations["b"]
    assert PrecisionPlan.from_json(plan.to_json()).digest == plan.digest


def test_a_range_that_was_chosen_goes_before_the_observer_at_8_bits() -> None:
    model = mixed_model()
    chosen = {**default_precisions(model, PROFILE, "int8"), "wide": "int16"}
    plan = plan_of(model, chosen, ranges={"a": (-0.5, 0.25), "b": (0.0, 0.125)})  # type: ignore[arg-type]
    assert (plan.activations["a"].low, plan.activations["a"].high) == pytest.approx((-0.5, 0.25), abs=3e-3)
    assert plan.narrowed["b"].high == pytest.approx(0.125, rel=1e-3)
    assert plan.activations["b"].high > 0.5, "16 bits hold the whole range"


def test_qdq_gives_each_reader_what_the_plan_says() -> None:
    """Codes for ops on codes, real values between float ops; and what was written can be read back."""
    from edgewright.quant.qdq import write_qdq
    from edgewright.quant.qdq_read import read_qdq

    model = mixed_model()
    chosen = {**default_precisions(model, PROFILE, "int8"), "wide": "int16"}
    del chosen["soft"], chosen["softer"]
    plan = plan_of(model, chosen)  # type: ignore[arg-type]
    written = write_qdq(model, plan)
    sources = {node.name: [value.name for value in node.inputs if value is not None] for node in written.ir.graph}
    assert sources["wide"] == ["a_dequantised", "a_dequantised"]
    assert sources["narrow"][0] == "b_narrowed_dequantised"
    assert sources["shape"][0] == "b_dequantised"
    assert sources["softer"] == ["d"], "from a float op to a float op"
    assert sources["join"] == ["d_dequantised", "e_dequantised"]
    found = read_qdq(written)
    for name in ("activations", "narrowed", "weights"):
        asked, read = getattr(plan, name), getattr(found, name)
        assert {key: grid.to_json() for key, grid in read.items()} == {k: g.to_json() for k, g in asked.items()}


def test_a_tensor_of_a_float_op_is_as_wide_as_its_widest_reader() -> None:
    model = mixed_model()
    chosen = {**default_precisions(model, PROFILE, "int8"), "soft": "int16"}
    del chosen["narrow"]
    plan = plan_of(model, chosen)  # type: ignore[arg-type]
    assert plan.activations["c"].dtype == "uint16"
    assert "c" not in plan.narrowed
