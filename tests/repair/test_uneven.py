"""Layers are split only where the outputs feel what they lose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from edgewright.repair.remedies import REMEDIES
from edgewright.repair.uneven import most_damaging
from edgewright.tensors import Part
from tests.helpers import normal
from tests.quant.graphs import model_of
from tests.repair.fake_bench import FakeBench, Memory
from tests.repair.nets import CPU


def branches(memory: Memory, second: float, *, per_channel: bool = True) -> FakeBench:
    """Two branches with channels of unlike weights are added; the second one is so large beside the first."""
    nodes, weights = [], {}
    sizes = np.array([1, 1, 0.01, 0.01], np.float32)[:, None, None, None]
    for number, scale in ((1, 1.0), (2, second)):
        nodes += [
            helper.make_node("Conv", ["x", f"w{number}"], [f"a{number}"], name=f"first{number}"),
            helper.make_node("Relu", [f"a{number}"], [f"r{number}"], name=f"relu{number}"),
            helper.make_node("Conv", [f"r{number}", f"v{number}"], [f"b{number}"], name=f"last{number}"),
        ]
        weights[f"w{number}"] = np.abs(normal(4, 1, 1, 1, seed=number).clip(-1, 1)) * sizes
        weights[f"v{number}"] = scale * normal(3, 4, 1, 1, seed=5) / sizes.reshape(1, 4, 1, 1)
    nodes.append(helper.make_node("Add", ["b1", "b2"], ["out"], name="add"))
    profile = replace(CPU, shift_only=True, per_channel_weights=per_channel)
    model = model_of(nodes, ["out"], [1, 1, 8, 8], **weights)
    parts = (Part("out", "out", 0, 0, None, "other", 1),)
    return FakeBench(memory, lambda _: 1.0, model=model, parts=parts, profile=profile, precisions=("float", "int8"))


@pytest.mark.parametrize(("second", "split"), [(1.0, {"first1", "first2"}), (0.001, {"first1"})])
def test_layers_that_the_outputs_do_not_feel_stay_whole(memory: Memory, second: float, split: set[str]) -> None:
    bench = branches(memory, second)
    found = REMEDIES.get("split-channels").propose(bench.start(), bench)
    assert found is not None
    assert set(found.applied[0].facts["layers"]) == split


def test_where_a_layer_has_one_weight_step_every_uneven_layer_is_split(memory: Memory) -> None:
    bench = branches(memory, 0.001, per_channel=False)
    found = REMEDIES.get("split-channels").propose(bench.start(), bench)
    assert found is not None
    assert set(found.applied[0].facts["layers"]) == {"first1", "first2"}


def test_the_fewest_layers_without_which_little_is_left() -> None:
    assert most_damaging({"a": 0.002, "b": 0.5, "c": 0.4, "d": 0.002}) == {"b", "c"}


def test_a_layer_that_ruins_everything_does_not_hide_the_others() -> None:
    assert most_damaging({"a": 1000.0, "b": 0.2, "c": 0.3}) == {"a", "b", "c"}


def test_no_more_layers_than_a_compiler_bears() -> None:
    damage = {f"layer {number}": 2.0 + number for number in range(100)}
    assert most_damaging(damage) == {f"layer {number}" for number in range(84, 100)}, "the worst, ruined or not"


def test_layers_that_do_nothing_stay_whole() -> None:
    assert most_damaging({"a": 0.0, "b": 0.0}) == frozenset()
