"""Errors by tensor, in relative figures and in the user's names."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgewright.diagnose.layer_errors import layer_errors, with_effects
from edgewright.diagnose.tensor_error import TensorError
from edgewright.graph.model import Model
from tests.quant.error_nets import SILU, accumulated, images, network, on_grids, plan_for, squared, tensors


def test_rows_stand_in_the_order_of_depth_with_relative_figures() -> None:
    model, feeds = network(), images(2)
    plan = plan_for(model, SILU)
    rows = layer_errors(model, None, plan, feeds, channels=["r"])
    assert [row.tensor for row in rows] == ["image", "act", "r", "f", "h", "a", "j", "out"]
    assert [row.depth for row in rows] == sorted(row.depth for row in rows)
    first, act, relu = rows[:3]
    assert (first.op, first.op_type, first.depth, first.source_ops) == ("", "Input", 0, ())
    assert (act.op, act.op_type, act.depth, act.bits, act.elements) == ("act", "Mul", 3, 8, 512)
    assert act.source_ops == ("conv", "sig", "act")
    assert relu.source_ops == ("group", "relu")
    assert len(relu.channels) == 8
    error = reference = alone = 0.0
    for image in feeds:
        values = tensors(model, image)
        reference += squared(values["r"])
        error += squared(accumulated(model, plan, image)["r"] - values["r"])
        alone += squared(on_grids(model, plan, ("group", "relu"), values) - values["r"])
    assert relu.accumulated == pytest.approx(np.sqrt(error / reference), rel=1e-3)
    assert relu.isolated == pytest.approx(np.sqrt(alone / reference), rel=1e-3)
    assert relu.accumulated != pytest.approx(relu.isolated, rel=0.05)
    assert rows[-1].weight is None
    assert relu.weight is not None
    assert all(row.effects == {} for row in rows)


def test_names_come_from_the_source() -> None:
    model = network()
    changed = model.clone()
    for node in changed.graph:
        node.name = f"user/{node.name}"
    rows = layer_errors(model, Model(changed), plan_for(model, SILU), images(1))
    assert rows[1].op == "act"
    assert rows[1].source_ops == ("user/conv", "user/sig", "user/act")


def test_shares_of_saturated_values() -> None:
    model, feeds = network(), images()
    plan = plan_for(model, feeds=[{"image": image["image"] / 4} for image in feeds])
    row = layer_errors(model, None, plan, feeds)[0]
    values = np.concatenate([image["image"].ravel() for image in feeds])
    grid = plan.activations["image"]
    outside = (values < grid.low - grid.step / 2) | (values > grid.high + grid.step / 2)
    assert row.saturated == pytest.approx(outside.mean())
    assert row.saturated > 0.01


def test_effects_are_merged_by_tensor() -> None:
    model = network()
    rows = layer_errors(model, None, plan_for(model), images(1))
    merged = with_effects(rows, {"r": {"boxes": 0.5}})
    assert {row.tensor: row.effects for row in merged if row.effects} == {"r": {"boxes": 0.5}}
    assert [replace(row, effects={}) for row in merged] == list(rows)


def test_rows_are_json_even_where_values_are_not_finite() -> None:
    model = network()
    broken = {"image": np.full((1, 4, 8, 8), np.inf, np.float32)}
    rows = layer_errors(model, None, plan_for(model), [broken])
    text = json.dumps([row.to_json() for row in rows], allow_nan=False)
    assert [TensorError.from_json(data) for data in json.loads(text)] == list(rows)
    assert rows[0].accumulated is None
