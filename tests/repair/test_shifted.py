"""Ranges and weight steps of chips that only shift."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgewright.quant.plan import PrecisionPlan
from edgewright.repair.shifted import Layer, jointly, ladder, shifted_layers
from edgewright.targets.sophgo.shifts import right_shift
from edgewright.tensors import Grid
from tests.helpers import model_from_text, normal


def grid(step: float) -> Grid:
    return Grid("int8", np.asarray(step, np.float32), np.asarray(0))


@pytest.mark.parametrize("result", [0.03, 0.05, 0.0999, 0.1, 0.17])
def test_the_step_is_the_one_that_the_chip_takes(result: float) -> None:
    weight = normal(4, 3, 1, 1, seed=3)
    largest = float(np.abs(weight).max())
    shift = right_shift(weight, None, grid(0.02), grid(result))
    assert shift is not None
    step = result / 0.02 / 2.0**shift
    assert 63 < largest / step < 127
    layer = Layer("x", "y", largest, step, 1.0)
    assert layer.damage_at(0.02, result) == pytest.approx(1.0)
    assert layer.damage_at(0.02, 2 * result) == pytest.approx(1.0), "a power of two more is shifted away"


def test_a_range_is_given_up_where_the_weights_gain_more() -> None:
    """At step 1 the weights use 64 codes, at 1.05 they use 122."""
    layer = Layer("x", "y", 64.0, 1.0, 10.0)
    steps = {"y": [1.0, 1.05 / 2]}
    assert layer.damage_at(1.0, 1.05 / 2) < 0.3 * layer.damage_at(1.0, 1.0)
    damage = {"y": np.array([1.0, 1.5])}
    assert jointly([layer], steps, damage, {"x": 1.0}) == {"y": 1}
    assert jointly([Layer("x", "y", 64.0, 1.0, 0.1)], steps, damage, {"x": 1.0}) == {"y": 0}
    assert jointly([layer], steps, damage, {}) == {"y": 0}, "nothing is known of a layer that reads real values"


def test_neighbours_are_settled_together() -> None:
    """Both layers of a chain fit where the tensor between them, which costs nothing, is at 0.5."""
    layers = [Layer("a", "b", 63.0, 1.0, 10.0), Layer("b", "c", 63.0, 1.0, 10.0)]
    steps = {"b": [1.0, 0.75, 0.501], "c": [1.0, 0.75, 0.501]}
    damage = {"b": np.array([0.0, 0.1, 0.2]), "c": np.array([0.0, 0.1, 0.2])}
    chosen = jointly(layers, steps, damage, {"a": 1.0})

    def total(picked: dict[str, int]) -> float:
        at = {"a": 1.0, **{name: steps[name][index] for name, index in picked.items()}}
        own = sum(float(damage[name][index]) for name, index in picked.items())
        return own + sum(layer.damage_at(at[layer.source], at[layer.result]) for layer in layers)

    assert total(chosen) <= total({"b": 0, "c": 0})
    for name in steps:
        for index in range(3):
            assert total(chosen) <= total({**chosen, name: index}) + 1e-12


def test_proposals_lie_close_enough() -> None:
    found = ladder([(-8.0, 8.0), (-2.0, 2.0)])
    reach = sorted({high for _, high in found})
    assert found[:2] == [(-8.0, 8.0), (-2.0, 2.0)]
    assert reach[0] < 2.0
    assert reach[-1] > 11.0
    assert max(b / a for a, b in itertools.pairwise(reach)) < 1.1
    assert ladder([(0.0, 0.0)]) == [(0.0, 0.0)]


def test_layers_are_those_with_one_step_and_codes_on_both_sides() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,4,4] x) => (float[1,4,4,4] z) { y = Conv (x, w) r = Relu (y) z = Conv (r, v) }""",
        w=normal(4, 3, 1, 1, seed=1),
        v=normal(4, 4, 1, 1, seed=2),
    )
    plan = PrecisionPlan(
        model.digest,
        {"x": grid(0.1), "r": grid(0.2), "z": grid(0.3)},
        {"w": grid(0.01), "v": Grid("int8", np.full(4, 0.01, np.float32), np.zeros(4, np.int64), 0)},
        {},
    )
    found = shifted_layers(model, plan, {}, {"w": 2.0, "v": 3.0})
    assert [(layer.source, layer.result, layer.damage) for layer in found] == [("x", "r", 2.0)]
    assert found[0].largest == pytest.approx(float(np.abs(normal(4, 3, 1, 1, seed=1)).max()))
