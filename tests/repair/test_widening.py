"""Which tensors get wide first, and what that costs."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from edgewright.graph.macs import count_macs
from edgewright.graph.model import Model
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.profile import FusionProfile
from edgewright.repair.widening import Step, wide_share, widening_order, worthwhile
from tests.helpers import normal
from tests.quant.graphs import model_of
from tests.repair.nets import CPU, NPU, RandomNet, candidate_of, chain, plan_of, priced


def order(
    model: Model, effects: dict[str, float], profile: FusionProfile = CPU, largest_share: float = 1.0
) -> tuple[Step, ...]:
    ops = default_precisions(model, profile, "int8")
    return widening_order(model, profile, ops, effects, count_macs(model), largest_share)


def share(model: Model, ops: set[str], profile: FusionProfile = CPU) -> float:
    """What the plan says of these ops in 16 bits."""
    return priced(candidate_of(model, profile, **dict.fromkeys(ops, "int16")), profile).int16_macs


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), size=st.integers(1, 9), fused=st.booleans(), most=st.sampled_from((1.0, 0.5, 0.2, 0.0))
)
def test_the_share_of_every_step_is_that_of_the_plan(seed: int, size: int, fused: bool, most: float) -> None:
    """On any network, with ops that stay in float and tensors of which nothing is known."""
    model, profile = RandomNet(seed, size).model(), NPU if fused else CPU
    choice = random.Random(seed)
    ops = {name: entry for name, entry in default_precisions(model, profile, "int8").items() if choice.random() < 0.9}
    grids = sorted(set(layout(model, profile, ops).leaders.values()))
    effects = {name: choice.choice((0.0, 1e-6, 0.1, choice.random())) for name in grids if choice.random() < 0.8}
    steps = widening_order(model, profile, ops, effects, count_macs(model), most)
    base = replace(candidate_of(model, profile), ops=ops)
    wide: set[str] = set()
    before = 0.0
    for step in steps:
        assert set(step.ops) <= set(ops)
        assert step.gain == effects[step.tensor] > 0
        wide |= set(step.ops)
        grown = replace(base, ops={**ops, **dict.fromkeys(wide, "int16")})
        assert step.macs == pytest.approx(priced(grown, profile).int16_macs, abs=1e-12)
        assert before <= step.macs <= most + 1e-9
        before = step.macs
        plan = plan_of(grown, profile)
        assert plan.activations[step.tensor].bits == 16
        assert not set(plan.narrowed) & {
            name for name, leader in layout(model, profile, grown.ops).leaders.items() if leader == step.tensor
        }, "an 8-bit op reads it through an 8-bit grid"
    if most == 1.0:
        assert {step.tensor for step in steps} == {name for name, effect in effects.items() if effect > 0}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 9), most=st.sampled_from((1.0, 0.3)))
def test_an_op_in_float_costs_its_macs_whatever_it_reads(seed: int, size: int, most: float) -> None:
    model = RandomNet(seed, size).model()
    base = candidate_of(model)
    effects = dict.fromkeys(set(layout(model, CPU, base.ops).leaders.values()), 0.5)
    steps = widening_order(model, CPU, base.ops, effects, count_macs(model), most, by_op=True)
    wide: set[str] = set()
    for step in steps:
        wide |= set(step.ops)
        kept = {name: precision for name, precision in base.ops.items() if name not in wide}
        assert step.macs == pytest.approx(priced(replace(base, ops=kept)).float_macs, abs=1e-12)
        assert step.macs == pytest.approx(wide_share(model, CPU, base.ops, count_macs(model), wide, by_op=True))
        assert step.macs <= most + 1e-9


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_same_every_time(seed: int) -> None:
    model = RandomNet(seed, 7).model()
    grids = layout(model, CPU, default_precisions(model, CPU, "int8")).observed
    effects = dict.fromkeys(grids, 0.5)
    backwards = dict(reversed(effects.items()))
    assert order(model, effects) == order(Model(model.clone()), backwards)


def test_a_tensor_costs_what_its_readers_multiply() -> None:
    model = chain(8, 2, 4)  # 8, 16 and 8 MACs a position
    (step,) = order(model, {"t1": 1.0})
    assert step.ops == ("c1", "c2")
    assert step.macs == pytest.approx(share(model, {"c1", "c2"}))
    # c1 reads the network's input, which is as wide as its widest reader
    assert step.macs == pytest.approx(24 / 32)


def test_an_op_that_reads_8_bits_and_writes_16_costs_nothing() -> None:
    model = chain(8, 2, 4)
    (step,) = order(model, {"t3": 1.0})
    assert (step.ops, step.macs) == (("c3",), 0.0)
    (step,) = order(model, {"t2": 1.0})
    assert (step.ops, step.macs) == (("c2", "c3"), pytest.approx(8 / 32))


def test_a_second_tensor_costs_only_what_is_not_wide_yet() -> None:
    model = chain(8, 2, 4)
    first, second = order(model, {"t2": 2.0, "t3": 1.0})
    assert {first.tensor, second.tensor} == {"t2", "t3"}
    assert second.macs == pytest.approx(8 / 32)


def test_the_best_ratio_of_gain_to_cost_comes_first() -> None:
    model = chain(1, 1, 64, 1, side=8)  # 1, 1, 64 and 64 MACs a position
    steps = order(model, {"t1": 0.5, "t2": 1.0})
    assert [step.tensor for step in steps] == ["t1", "t2"], "half the gain for a sixtieth of the MACs"
    assert [step.tensor for step in order(model, {"t1": 0.012, "t2": 1.0})] == ["t2", "t1"]


def test_what_exceeds_the_budget_is_passed_over_and_cheaper_ones_follow() -> None:
    model = chain(1, 1, 64, 1, side=8)
    steps = order(model, {"t1": 0.001, "t2": 1.0, "t4": 0.001}, largest_share=0.1)
    assert {step.tensor for step in steps} == {"t1", "t4"}
    assert order(model, {"t2": 1.0}, largest_share=0.1) == ()
    assert [step.tensor for step in order(model, {"t4": 1.0, "t2": 1.0}, largest_share=0.0)] == ["t4"]


def test_tensors_without_an_effect_are_left_alone() -> None:
    model = chain(2, 2)
    assert order(model, {}) == ()
    assert order(model, {"t1": 0.0, "nowhere": 1.0}) == ()


def silu_net() -> Model:
    """Two Conv+SiLU blocks and a Conv+Relu."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Sigmoid", ["a"], ["sa"], name="s1"),
        helper.make_node("Mul", ["a", "sa"], ["t1"], name="m1"),
        helper.make_node("Conv", ["t1", "w2"], ["b"], name="c2"),
        helper.make_node("Sigmoid", ["b"], ["sb"], name="s2"),
        helper.make_node("Mul", ["b", "sb"], ["t2"], name="m2"),
        helper.make_node("Conv", ["t2", "w3"], ["c"], name="c3"),
        helper.make_node("Relu", ["c"], ["t3"], name="r3"),
    ]
    kernels = {f"w{number}": normal(2, 2, 1, 1, seed=number) for number in (1, 2, 3)}
    return model_of(nodes, ["t3"], [1, 2, 4, 4], **kernels)


def test_fused_ops_move_together() -> None:
    (step,) = order(silu_net(), {"t2": 1.0}, NPU)
    assert set(step.ops) == {"c2", "s2", "m2", "c3", "r3"}
    assert step.macs == pytest.approx(1 / 3)


def test_where_silu_is_not_fused_its_ops_move_alone() -> None:
    (step,) = order(silu_net(), {"b": 1.0}, CPU)
    assert set(step.ops) == {"c2", "s2", "m2"}
    assert step.macs == 0, "only the element-wise ops read wide"
    (step,) = order(silu_net(), {"t3": 1.0}, CPU)
    assert set(step.ops) == {"c3", "r3"}, "a Relu belongs to its Conv everywhere"


def test_moves_follow_the_tensor_that_they_move() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Reshape", ["a", "flat"], ["f"], name="flatten"),
        helper.make_node("Transpose", ["f"], ["g"], name="turn", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["g", "w2"], ["out"], name="multiply"),
    ]
    constants = {"w1": normal(2, 2, 1, 1), "w2": normal(2, 3), "flat": np.array([1, 2, 16])}
    model = model_of(nodes, ["out"], [1, 2, 4, 4], **constants)
    (step,) = order(model, {"a": 1.0})
    assert set(step.ops) == {"c1", "flatten", "turn", "multiply"}
    assert step.macs == pytest.approx(share(model, set(step.ops)))


def test_every_step_that_mends_much_comes_first_and_is_worth_taking_at_once() -> None:
    model = chain(1, 1, 64, 1, side=8)
    steps = order(model, {"t1": 0.01, "t2": 3.0, "t3": 0.1, "t4": 0.009})
    assert [step.tensor for step in steps[:2]] == ["t2", "t3"], "t1 and t4 would be cheaper, but mend nearly nothing"
    assert worthwhile(steps) == 2
    assert worthwhile(steps[1:2]) == 1
    assert worthwhile([]) == 1
