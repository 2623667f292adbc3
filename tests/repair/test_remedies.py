"""Remedies, applied to a real network: what each changes, and when there is nothing to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from edgewright.graph.model import Model
from edgewright.graph.reference import Outputs, ReferenceSession
from edgewright.graph.rewrites import Restorer
from edgewright.quant.observers import parse_observer
from edgewright.quant.planner import QuantOptions
from edgewright.quant.qdq import write_qdq
from edgewright.repair.candidate import Candidate, PlanMaker
from edgewright.repair.damage import Damage, DamageMeter
from edgewright.repair.effects import candidate_effects
from edgewright.repair.remedies import KINDS, REMEDIES
from edgewright.repair.widen import WIDENINGS
from edgewright.targets.registry import get_backend
from edgewright.tensors import Part
from edgewright.workflow.bench import ExpectedPlans
from tests.helpers import normal
from tests.quant.graphs import model_of
from tests.repair.fake_bench import FakeBench, Memory, pictures
from tests.repair.nets import CPU, chain
from tests.targets.sophgo.nets import network

TAIL = ("Add_moved", "Mul_boxes", "Sigmoid_scores", "Concat_answer")


@pytest.fixture
def bench(memory: Memory) -> FakeBench:
    return FakeBench(memory, lambda _: 1.0)


def outputs(candidate: Candidate, count: int = 4) -> list[Outputs]:
    """What the float graph computes, with what the host does behind it."""
    session, restorer = ReferenceSession(candidate.model.data), Restorer(candidate.restore)
    return [restorer(session(feeds)) for feeds in pictures(candidate.whole, count, seed=7)]


def damage(candidate: Candidate, bench: FakeBench) -> Damage:
    """Of the candidate's plan, emulated, on images that nothing was fitted to."""
    plan = bench.material.maker.plan(candidate, bench.statistics(candidate))
    session, restorer = ReferenceSession(write_qdq(candidate.model, plan).data), Restorer(candidate.restore)
    whole = ReferenceSession(bench.model.data)
    meter = DamageMeter(bench.material.parts)
    for feeds in pictures(bench.model, 6, seed=3):
        meter.add(whole(feeds), restorer(session(feeds)))
    return meter.result()


def test_every_remedy_says_what_it_needs_ensures_and_costs() -> None:
    entries = (*REMEDIES, *WIDENINGS)
    assert len({entry.name for entry in entries}) == len(entries)
    assert {entry.kind for entry in entries} == set(KINDS)
    for entry in entries:
        for told in (entry.requires, entry.ensures, entry.cost):
            assert len(told) > 10
            assert "\n" not in told


@pytest.mark.parametrize("name", ["rescale-boxes", "split-outputs", "cut-tail"])
def test_a_rewrite_with_its_restoration_computes_the_same(bench: FakeBench, name: str) -> None:
    start = bench.start()
    found = REMEDIES.get(name).propose(start, bench)
    assert found is not None
    assert found.restore is not None
    assert [applied.remedy for applied in found.applied] == [name]
    for ours, theirs in zip(outputs(found), outputs(start), strict=True):
        assert list(ours) == list(theirs)
        np.testing.assert_allclose(ours["answer"], theirs["answer"], rtol=1e-4, atol=1e-4)
    before, after = damage(start, bench).by_part, damage(found, bench).by_part
    assert before["scores"] > 0.5, "the step of the boxes leaves no room for scores"
    assert after["scores"] < 0.1
    assert after["boxes"] < 1.5 * before["boxes"]


def test_a_rewrite_upon_a_rewrite_computes_the_same(bench: FakeBench) -> None:
    start = bench.start()
    rescaled = REMEDIES.get("rescale-boxes").propose(start, bench)
    found = REMEDIES.get("split-outputs").propose(rescaled, bench) or REMEDIES.get("cut-tail").propose(rescaled, bench)
    assert found is not None
    assert len(found.applied) == 2
    for ours, theirs in zip(outputs(found), outputs(start), strict=True):
        np.testing.assert_allclose(ours["answer"], theirs["answer"], rtol=1e-4, atol=1e-4)


def test_a_rewrite_keeps_precisions_and_gives_new_ops_8_bits(bench: FakeBench) -> None:
    start = bench.start()
    mixed = {**start.ops, "Conv_c": "int16"}
    del mixed["Conv_b2"]
    found = REMEDIES.get("rescale-boxes").propose(replace(start, ops=mixed), bench)
    assert found is not None
    assert found.ops["Conv_c"] == "int16"
    assert "Conv_b2" not in found.ops, "what is in float stays in float"
    new = {name for name in found.ops if name not in start.ops}
    assert {found.ops[name] for name in new} <= {"int8"}
    everywhere = replace(start, ops=dict.fromkeys(start.ops, "int16"))
    assert set(REMEDIES.get("rescale-boxes").propose(everywhere, bench).ops.values()) == {"int16"}


@pytest.mark.parametrize("name", ["rescale-boxes", "split-outputs", "cut-tail"])
def test_outputs_that_must_be_kept_are_not_rewritten(memory: Memory, name: str) -> None:
    bench = FakeBench(memory, lambda _: 1.0, keep_outputs=True)
    assert REMEDIES.get(name).propose(bench.start(), bench) is None


def test_where_there_is_nothing_to_do_nothing_is_proposed(memory: Memory) -> None:
    parts = (Part("t1", "t1", 0, 0, None, "other", 1),)
    bench = FakeBench(memory, lambda _: 1.0, model=chain(4), parts=parts)
    for name in ("plain-forms", "equalise", "rescale-boxes", "split-outputs", "cut-tail", "float-tail", "split-joins"):
        assert REMEDIES.get(name).propose(bench.start(), bench) is None, name


def test_layers_are_equalised_exactly(memory: Memory) -> None:
    """One channel is a hundred times as large as the others: on a grid for the tensor it takes their steps."""
    first = normal(4, 1, 1, 1)
    first[0] *= 100
    second = normal(4, 4, 1, 1, seed=1)
    second[:, 0] /= 100
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Relu", ["a"], ["r"], name="r1"),
        helper.make_node("Conv", ["r", "w2"], ["out"], name="c2"),
    ]
    model = model_of(nodes, ["out"], [1, 1, 8, 8], w1=np.abs(first), w2=second)
    bench = FakeBench(memory, lambda _: 1.0, model=model, parts=(Part("out", "out", 0, 0, None, "other", 1),))
    start = bench.start()
    found = REMEDIES.get("equalise").propose(start, bench)
    assert found is not None
    assert found.restore is None
    assert found.whole is found.model, "derivatives are taken of the graph with these ranges"
    for ours, theirs in zip(outputs(found), outputs(start), strict=True):
        np.testing.assert_allclose(ours["out"], theirs["out"], rtol=1e-4, atol=1e-5)
    assert damage(found, bench).total < damage(start, bench).total


def test_unlike_branches_are_not_joined_on_one_grid(memory: Memory) -> None:
    """One branch is a thousand times as large as the other, and the Conv behind their join makes them alike again."""
    first, second = 1000 * normal(4, 1, 1, 1), normal(4, 1, 1, 1, seed=1)
    third = normal(4, 8, 1, 1, seed=2)
    third[:, :4] /= 1000
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Conv", ["x", "w2"], ["b"], name="c2"),
        helper.make_node("Concat", ["a", "b"], ["j"], name="join", axis=1),
        helper.make_node("Conv", ["j", "w3"], ["out"], name="c3"),
    ]
    model = model_of(nodes, ["out"], [1, 1, 8, 8], w1=first, w2=second, w3=third)
    bench = FakeBench(memory, lambda _: 1.0, model=model, parts=(Part("out", "out", 0, 0, None, "other", 1),))
    start = bench.start()
    found = REMEDIES.get("split-joins").propose(start, bench)
    assert found is not None
    assert set(found.ops.values()) == {"int8"}
    for ours, theirs in zip(outputs(found), outputs(start), strict=True):
        np.testing.assert_allclose(ours["out"], theirs["out"], rtol=1e-4, atol=1e-5)
    assert damage(found, bench).total < 0.1 * damage(start, bench).total


@pytest.mark.parametrize("precisions", [("float", "int8"), ("float", "int8", "int16")])
def test_channels_of_unlike_weights_are_computed_apart_without_16_bits(
    memory: Memory, precisions: tuple[str, ...]
) -> None:
    """Small weights have few codes on a step for all of them, and the Conv behind makes their channels large again."""
    sizes = np.array([1, 1, 0.01, 0.01], np.float32)[:, None, None, None]
    first = (np.sign(normal(4, 1, 1, 1)) + 0.3 * normal(4, 1, 1, 1, seed=3).clip(-1, 1)) * sizes
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w2"], ["out"], name="second"),
    ]
    second = normal(3, 4, 1, 1, seed=1) / sizes.reshape(1, 4, 1, 1)
    model = model_of(nodes, ["out"], [1, 1, 8, 8], w1=np.abs(first).astype(np.float32), w2=second)
    parts = (Part("out", "out", 0, 0, None, "other", 1),)
    profile = replace(CPU, shift_only=True, per_channel_weights=False)
    fit = FakeBench(memory, lambda _: 1.0, model=model, parts=parts, profile=profile, precisions=precisions)
    found = REMEDIES.get("split-channels").propose(fit.start(), fit)
    if "int16" in precisions:
        assert found is None, "they mend the same for less"
        return
    assert found is not None
    assert damage(found, fit).total < 0.7 * damage(fit.start(), fit).total, "what is left is that of their join"
    assert {name: found.ops[name] for name in found.ops if "channels" in name} == {
        "first_channels_1": "int8",
        "first_channels_2": "int8",
        "relu_channels_1": "int8",
        "relu_channels_2": "int8",
    }


def test_the_decode_tail_leaves_the_plan(bench: FakeBench) -> None:
    start = bench.start()
    found = REMEDIES.get("float-tail").propose(start, bench)
    assert found is not None
    assert found.model is start.model
    gone = set(start.ops) - set(found.ops)
    assert gone >= set(TAIL)
    assert not any(name.startswith("Conv") for name in gone)
    assert all(found.reasons[name] for name in gone)
    plan = bench.material.maker.plan(found, bench.statistics(found))
    assert "answer" not in plan.activations
    assert damage(found, bench).total < 0.2 * damage(start, bench).total
    assert REMEDIES.get("float-tail").propose(found, bench) is None, "there is nothing left to do"


def test_no_float_tail_where_the_target_has_no_float(memory: Memory) -> None:
    bench = FakeBench(memory, lambda _: 1.0, precisions=("int8", "int16"))
    assert REMEDIES.get("float-tail").propose(bench.start(), bench) is None


def outlier_net() -> Model:
    """One value in a thousand of `a` is far below zero, where the sigmoid has nothing to tell apart."""
    weight = normal(4, 1, 3, 3, scale=0.2)
    weight[0] = -30.0
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Sigmoid", ["a"], ["s"], name="s1"),
        helper.make_node("Conv", ["s", "w2"], ["out"], name="c2"),
    ]
    return model_of(nodes, ["out"], [1, 1, 16, 16], w1=weight, w2=normal(2, 4, 1, 1))


def test_ranges_are_those_that_damage_least(memory: Memory) -> None:
    parts = (Part("out", "out", 0, 0, None, "other", 1),)
    bench = FakeBench(memory, lambda _: 1.0, model=outlier_net(), parts=parts)
    start = bench.start()
    found = REMEDIES.get("ranges").propose(start, bench)
    assert found is not None
    seen = bench.statistics(start)
    assert "a" in found.ranges
    for name, (low, high) in found.ranges.items():
        assert min(seen[name].minimum, 0) - 1e-6 <= low <= high <= max(seen[name].maximum, 0) + 1e-6
    assert found.ranges["a"][0] > 0.8 * seen["a"].minimum, "what lies far below zero is cut off"
    assert (found.model, found.ops) == (start.model, start.ops)
    assert damage(found, bench).total < 0.7 * damage(start, bench).total
    assert found.applied[0].facts == {"tensors": len(found.ranges), "narrower": found.applied[0].facts["narrower"]}
    again = REMEDIES.get("ranges").propose(start, bench)
    assert again.ranges == found.ranges


def test_ranges_chosen_before_stay_for_what_is_not_chosen_again(memory: Memory) -> None:
    parts = (Part("out", "out", 0, 0, None, "other", 1),)
    bench = FakeBench(memory, lambda _: 1.0, model=outlier_net(), parts=parts)
    before = replace(bench.start(), ranges={"a": (-1.0, 1.0), "elsewhere": (0.0, 1.0)})
    found = REMEDIES.get("ranges").propose(before, bench)
    assert found.ranges["elsewhere"] == (0.0, 1.0)
    assert found.ranges["a"] != (-1.0, 1.0)


def shifting(memory: Memory, *, known: bool) -> FakeBench:
    """A bench for BM1684; `known`: whether the remedy is told that weights' steps follow from ranges."""
    backend, model = get_backend("sophgo/bm1684"), network()
    profile = replace(backend.capabilities().fusion, shift_only=known, unsigned_inputs=False)
    parts = (Part("out", "out", 0, 0, None, "other", 1), Part("pooled", "pooled", 0, 0, None, "other", 1))
    options = QuantOptions(observer=parse_observer("minmax"), symmetric=True)
    bench = FakeBench(memory, lambda _: 1.0, model=model, parts=parts, profile=profile, options=options)
    bench.material = replace(bench.material, maker=ExpectedPlans(profile, options, backend.expected_plan))
    return bench


def test_where_a_chip_only_shifts_ranges_make_room_for_weights(memory: Memory) -> None:
    told, untold = shifting(memory, known=True), shifting(memory, known=False)
    start = told.start()
    found = REMEDIES.get("ranges").propose(start, told)
    plain = REMEDIES.get("ranges").propose(start, untold)
    assert found is not None
    assert plain is not None
    assert damage(found, told).total < damage(plain, told).total


def test_a_range_from_zero_on_is_judged_by_the_codes_that_the_target_has_for_it(memory: Memory) -> None:
    """Behind a ReLU the target has 255 steps, not 127: cutting off is worth less than it seems."""
    bench = shifting(memory, known=False)
    start = bench.start()
    found = REMEDIES.get("ranges").propose(start, bench)
    signed = replace(bench.material, maker=PlanMaker(bench.material.maker.profile, bench.material.maker.options))
    other = shifting(memory, known=False)
    other.material = signed
    blind = REMEDIES.get("ranges").propose(start, other)
    assert found is not None
    assert blind is not None
    assert found.ranges["r"][1] >= blind.ranges["r"][1]
    assert damage(found, bench).total <= damage(blind, bench).total


COARSE = QuantOptions(observer=parse_observer("minmax"), per_channel=False)


def coarse_bench(memory: Memory) -> FakeBench:
    """Weights of which one, that meets nothing, takes the steps of all others: their rounding is most of the error."""
    first, second = normal(8, 1, 3, 3), normal(4, 8, 1, 1, seed=1)
    first[0] *= 1e-3
    second[0, 0] = 60
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Relu", ["a"], ["r"], name="r1"),
        helper.make_node("Conv", ["r", "w2"], ["out"], name="c2"),
    ]
    model = model_of(nodes, ["out"], [1, 1, 12, 12], w1=first, w2=second)
    parts = (Part("out", "out", 0, 0, None, "other", 1),)
    return FakeBench(memory, lambda _: 1.0, model=model, parts=parts, options=COARSE)


def test_biases_take_back_what_moves_the_mean(memory: Memory) -> None:
    bench = coarse_bench(memory)
    start = bench.start()
    found = REMEDIES.get("bias-correction").propose(start, bench)
    assert found is not None
    assert found.model.digest != start.model.digest
    assert "on 4 images" in found.applied[0].text, "those that there were"
    assert found.plain is start.model
    assert found.whole is start.whole
    assert damage(found, bench).total < 0.8 * damage(start, bench).total
    weights = {name: value.const_value.numpy() for name, value in start.model.ir.graph.initializers.items()}
    for name, values in weights.items():
        if values.ndim > 1:
            np.testing.assert_array_equal(found.model.ir.graph.initializers[name].const_value.numpy(), values)


def test_what_runs_in_float_has_the_biases_that_were_trained(memory: Memory) -> None:
    fit = FakeBench(memory, lambda _: 1.0)
    corrected = REMEDIES.get("bias-correction").propose(fit.start(), fit)
    assert corrected is not None
    floating = next(entry for entry in WIDENINGS if entry.kind == "float")
    found = floating.widened(corrected, floating.steps(corrected, fit, 1.0), fit)
    assert set(found.ops) < set(corrected.ops)
    before, after = outputs(fit.start()), outputs(replace(found, plain=None))
    moved = outputs(corrected)
    for ours, theirs, other in zip(after, before, moved, strict=True):
        apart, still = (float(np.abs(one["answer"] - theirs["answer"]).max()) for one in (ours, other))
        assert apart < 0.2 * still


def test_weights_are_rounded_by_the_data(memory: Memory) -> None:
    bench = coarse_bench(memory)
    start = REMEDIES.get("bias-correction").propose(bench.start(), bench)
    found = REMEDIES.get("weight-rounding").propose(start, bench)
    assert found is not None
    assert damage(found, bench).total < damage(start, bench).total < damage(bench.start(), bench).total
    assert found.plain is start.plain, "what was fitted before is fitted anew"
    plan = bench.material.maker.plan(bench.start(), bench.statistics(bench.start()))
    step = float(plan.weights["w2"].scale.max())
    before = bench.model.ir.graph.initializers["w2"].const_value.numpy()
    after = found.model.ir.graph.initializers["w2"].const_value.numpy()
    assert np.abs(after - before).max() <= 1.01 * step, "up or down, no further"
    assert not np.allclose(after, before)
    again = REMEDIES.get("weight-rounding").propose(start, bench)
    assert again.digest == found.digest


def test_float_mends_what_weights_lose_too(memory: Memory) -> None:
    bench = coarse_bench(memory)
    start = bench.start()
    found = candidate_effects(start, bench)
    assert sum(found.in_float.values()) - sum(found.grids.values()) == pytest.approx(found.weights), "of all ops"
    assert found.in_float["out"] > 1.5 * found.grids["out"], "c2 has the coarse weights"
    wide, exact = ({step.tensor: step.gain for step in one.steps(start, bench, 1.0)} for one in WIDENINGS)
    assert wide == pytest.approx(found.grids), "16 bits leave weights as they are"
    assert exact == pytest.approx(found.in_float)


def test_a_tensor_that_the_target_computes_through_has_no_effect(memory: Memory) -> None:
    bench = coarse_bench(memory)

    class Through(PlanMaker):
        def plan(self, candidate, statistics):
            plan = super().plan(candidate, statistics)
            return replace(plan, activations={name: grid for name, grid in plan.activations.items() if name != "r"})

    maker = bench.material.maker
    bench.material = replace(bench.material, maker=Through(maker.profile, maker.options))
    assert set(candidate_effects(bench.start(), bench).grids) == {"out"}


def test_rounding_has_no_time_left_where_the_search_has_none(memory: Memory) -> None:
    bench = coarse_bench(memory)
    bench.left, bench.memory = 0.0, Memory(memory.folder)
    assert REMEDIES.get("weight-rounding").propose(bench.start(), bench) is None


def test_wide_tensors_are_wide_from_end_to_end(bench: FakeBench) -> None:
    start = bench.start()
    widening = WIDENINGS[0]
    steps = widening.steps(start, bench, 1.0)
    first = {step.tensor: step for step in steps[:2]}
    assert set(first) == {"answer", "boxes"}
    joined = {"Concat_answer", "Mul_boxes", "Sigmoid_scores"}
    assert set(first["answer"].ops) == joined, "a join is as wide as what it joins"
    assert damage(widening.widened(start, steps[:2], bench), bench).total < 0.2 * damage(start, bench).total
    found = widening.widened(start, steps, bench)
    plan = bench.material.maker.plan(found, bench.statistics(found))
    for step in steps:
        assert plan.activations[step.tensor].bits == 16
    assert all(found.reasons[name] for step in steps for name in step.ops)
    assert found.applied[0].facts["wide"] == [step.tensor for step in steps]


def test_what_was_made_by_a_division_is_judged_by_what_was_divided(bench: FakeBench) -> None:
    """Derivatives are taken of the whole graph, which does not have the tensors that a rewrite made."""
    start = bench.start()
    gains = {step.tensor: step.gain for step in WIDENINGS[0].steps(start, bench, 1.0)}
    rescaled = REMEDIES.get("rescale-boxes").propose(start, bench)
    (made,) = rescaled.applied[0].facts["tensors"]
    assert made not in {value.name for node in rescaled.whole.ir.graph for value in node.outputs}
    found = {step.tensor: step.gain for step in WIDENINGS[0].steps(rescaled, bench, 1.0)}
    assert found[made] == pytest.approx(gains["boxes"], rel=0.01), "the codes are the same, and so is what they lose"


def test_no_steps_where_the_target_lacks_the_type(memory: Memory) -> None:
    bench = FakeBench(memory, lambda _: 1.0, precisions=("int8",))
    assert [widening.steps(bench.start(), bench, 1.0) for widening in WIDENINGS] == [(), ()]


@pytest.mark.parametrize("number", [0, 1], ids=["16bit", "float"])
def test_the_share_that_is_told_is_the_share_that_it_costs(bench: FakeBench, number: int) -> None:
    start, widening = bench.start(), WIDENINGS[number]
    steps = widening.steps(start, bench, 1.0)
    assert len(steps) > 5
    for count in range(1, len(steps) + 1):
        found = widening.widened(start, steps[:count], bench)
        cost = bench.cost(found)
        share = cost.float_macs if number else cost.int16_macs
        assert found.applied[0].facts["macs"] == pytest.approx(share, abs=1e-9)
        assert f"({100 * share:.1f} % of MACs)" in found.name
        assert steps[count - 1].macs == pytest.approx(share, abs=1e-9)
