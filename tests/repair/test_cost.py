"""What a plan costs beside 8 bits throughout."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from edgewright.graph.model import Model
from edgewright.repair.cost import Cost
from tests.helpers import normal
from tests.quant.graphs import model_of
from tests.repair.nets import NPU, candidate_of, chain, priced

CHAIN = chain(8, 2, 4)  # 8, 16 and 8 MACs a position


def test_8_bits_throughout_cost_nothing() -> None:
    assert priced(candidate_of(CHAIN)) == Cost(0.0, 0.0, 0, 0, 0)


def test_an_op_that_only_writes_16_bits_multiplies_8_bit_numbers() -> None:
    """And its reader needs a conversion."""
    cost = priced(candidate_of(CHAIN, c2="int16"))
    assert cost == Cost(0.0, 0.0, int16_ops=1, float_ops=0, conversions=1)


def test_what_reads_16_bits_multiplies_them() -> None:
    cost = priced(candidate_of(CHAIN, c2="int16", c3="int16"))
    assert cost.int16_macs == pytest.approx(8 / 32)
    assert (cost.int16_ops, cost.conversions) == (2, 0)
    everything = priced(candidate_of(CHAIN, c1="int16", c2="int16", c3="int16"))
    assert everything == Cost(1.0, 0.0, int16_ops=3, float_ops=0, conversions=0)


def test_an_op_in_float_costs_all_its_macs_and_two_conversions() -> None:
    cost = priced(candidate_of(CHAIN, c2="float"))
    assert cost.float_macs == pytest.approx(16 / 32)
    assert (cost.int16_macs, cost.float_ops, cost.conversions) == (0.0, 1, 2)
    first = priced(candidate_of(CHAIN, c1="float"))
    assert (first.float_ops, first.conversions) == (1, 1), "the network's input is float anyway"


def test_a_tail_that_runs_elsewhere_changes_no_share() -> None:
    """Shares are of the whole network, so that a network does not seem dearer because less of it is left."""
    cut = candidate_of(chain(8, 2), c1="int16", c2="int16")
    assert priced(cut).int16_macs == pytest.approx(1.0)
    assert priced(cut, whole_macs=32 * 16).int16_macs == pytest.approx(24 / 32)


def elu_net() -> Model:
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Elu", ["a"], ["b"], name="elu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], name="c2"),
        helper.make_node("Add", ["a", "c"], ["out"], name="add"),
    ]
    return model_of(nodes, ["out"], [1, 2, 4, 4], w1=normal(2, 2, 1, 1), w2=normal(2, 2, 1, 1, seed=1))


def test_what_the_target_has_in_float_only_is_no_cost_of_the_candidate() -> None:
    cost = priced(candidate_of(elu_net()))
    assert (cost.float_ops, cost.float_macs) == (0, 0.0)
    assert cost.conversions == 2, "into the op and out of it"


def test_a_tensor_of_several_readers_is_converted_once() -> None:
    cost = priced(candidate_of(elu_net(), c1="int16", add="float"))
    plain = priced(candidate_of(elu_net(), c1="int16"))
    assert (cost.float_ops, plain.float_ops) == (1, 0)
    assert cost.conversions <= plain.conversions + 1


def test_a_network_without_macs_divides_by_nothing() -> None:
    model = model_of([helper.make_node("Add", ["x", "one"], ["out"], name="add")], ["out"], [4], one=np.float32([1]))
    assert priced(candidate_of(model, add="int16")).int16_macs == 0.0


def test_fused_ops_count_as_the_plan_has_them() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="c1"),
        helper.make_node("Sigmoid", ["a"], ["s"], name="s1"),
        helper.make_node("Mul", ["a", "s"], ["t"], name="m1"),
        helper.make_node("Conv", ["t", "w2"], ["out"], name="c2"),
    ]
    model = model_of(nodes, ["out"], [1, 2, 4, 4], w1=normal(2, 2, 1, 1), w2=normal(2, 2, 1, 1, seed=1))
    wide = candidate_of(model, NPU, c1="int16", s1="int16", m1="int16", c2="int16")
    assert priced(wide, NPU).int16_macs == pytest.approx(1.0)
    block = candidate_of(model, NPU, c1="float", s1="float", m1="float")
    assert priced(block, NPU).float_macs == pytest.approx(0.5)
    assert priced(block, NPU).conversions == 1


def test_the_cost_as_data() -> None:
    cost = Cost(0.1, 0.2, 3, 4, 5, 1.1)
    assert Cost.from_json(json.loads(json.dumps(cost.to_json()))) == cost
    assert replace(cost, latency=None).rank == cost.rank, "time is a limit, not a rank"
