"""What each op does to each part, against really quantising that op alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgewright.diagnose.effects import tensor_effects, weigh_positions
from edgewright.graph.model import Model
from edgewright.quant.layout import layout
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Part
from tests.helpers import model_from_text, normal
from tests.quant import test_sensitivity as sensitivity
from tests.quant.error_nets import PROFILE, SILU, images, network, plan_for

PARTS = (Part("act", "act"), Part("out", "out"))


def leaders(model: Model, plan: PrecisionPlan, profile: Any = PROFILE) -> dict[str, str]:
    return dict(layout(model, profile, plan.ops).leaders)


def named(model: Model) -> Model:
    """With a name for each node, as preparation leaves a model."""
    changed = model.clone()
    for number, node in enumerate(changed.graph):
        node.name = node.name or f"{node.op_type}_{number}"
    return Model(changed)


def without_weights(plan: PrecisionPlan) -> PrecisionPlan:
    return replace(plan, weights={})


def with_weight(model: Model, plan: PrecisionPlan, name: str) -> Model:
    """The float model with one weight rounded."""
    changed = model.clone()
    value = changed.graph.initializers[name]
    assert value.const_value is not None
    grid, array = plan.weights[name], value.const_value.numpy()
    value.const_value = ir.tensor(grid.dequantise(grid.quantise(array)), name=name)
    return Model(changed)


def part_error(model: Model, other: Model, feeds: list[dict[str, NDArray[Any]]], part: Part) -> float:
    """Relative L2 of a part between two models."""
    from edgewright.graph.reference import ReferenceSession

    one, two = ReferenceSession(model.data), ReferenceSession(other.data)
    pairs = [(part.take(one(image)), part.take(two(image))) for image in feeds]
    return float(np.sqrt(sum(((b - a) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs)))


def test_effects_of_grids_are_near_to_injection() -> None:
    model, feeds = named(sensitivity.network()), sensitivity.images(6)
    parts = sensitivity.PARTS
    plan = plan_for(model, feeds=feeds)
    found = tensor_effects(model, without_weights(plan), leaders(model, plan), parts, feeds)
    assert found.unknown == ()
    assert "q" not in found.parts, "a MaxPool has the grid of its input"
    for name, effects in found.parts.items():
        true = np.sqrt(sensitivity.injected(model, name, plan.activations[name], feeds, parts))
        for part, wanted in zip(parts, true, strict=True):
            assert effects[part.name] == pytest.approx(wanted, rel=0.5, abs=1e-4), (name, part.name)


def test_a_weight_adds_to_the_tensor_that_its_op_makes() -> None:
    model, feeds = network(), images(6)
    plan = plan_for(model, SILU, feeds=feeds)
    own = leaders(model, plan, SILU)
    whole = tensor_effects(model, plan, own, PARTS, feeds).parts
    grids = tensor_effects(model, without_weights(plan), own, PARTS, feeds).parts
    # Conv, Sigmoid and Mul are one op here: the weight of the Conv belongs to what the Mul gives
    for tensor, weight in (("act", "w"), ("r", "wg")):
        added = np.sqrt(whole[tensor]["out"] ** 2 - grids[tensor]["out"] ** 2)
        assert added == pytest.approx(part_error(model, with_weight(model, plan, weight), feeds, PARTS[1]), rel=0.5)
    assert whole["a"] == pytest.approx(grids["a"]), "what reads no weight has none added"


def test_a_shared_weight_is_one_error_in_two_shares() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        twice (float[1,4,8,8] image) => (float[1,4,8,8] out) {
            a = Conv (image, w)
            r = Relu (a)
            b = Conv (r, w)
            out = Add (a, b)
        }
        """,
        w=normal(4, 4, 1, 1),
    )
    feeds = images(6)
    plan = plan_for(model, feeds=feeds)
    parts = (Part("out", "out"),)
    own = leaders(model, plan)
    whole = tensor_effects(model, plan, own, parts, feeds).parts
    grids = tensor_effects(model, without_weights(plan), own, parts, feeds).parts
    shares = {name: whole[name]["out"] ** 2 - grids[name]["out"] ** 2 for name in ("a", "b")}
    assert shares["a"] == pytest.approx(shares["b"])
    true = part_error(model, with_weight(model, plan, "w"), feeds, parts[0])
    assert np.sqrt(sum(shares.values())) == pytest.approx(true, rel=0.5)


def test_tensors_behind_which_no_derivative_is_known_are_told() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        stops (float[1,4,8,8] image) => (float[1,4,8,8] out) {
            a = Conv (image, w)
            [sums] c = CumSum (a, axis)
            out = Add (c, c)
        }
        """,
        w=normal(4, 4, 1, 1),
        axis=np.array(1, np.int64),
    )
    feeds = images(1)
    plan = plan_for(model, feeds=feeds)
    found = tensor_effects(model, plan, leaders(model, plan), (Part("out", "out"),), feeds)
    assert set(found.unknown) == {"image", "a"}
    assert found.stops
    assert set(found.parts) == {"c", "out"}


def test_boxes_count_by_the_score_beside_them() -> None:
    parts = (Part("boxes", "y", 1, 0, 2, "boxes"), Part("scores", "y", 1, 2, None, "probability"))
    outputs = {"y": np.array([[[10.0, 20.0], [1.0, 2.0], [0.1, 0.9], [0.3, 0.2]]], np.float32)}
    weights = weigh_positions(parts)(outputs)
    np.testing.assert_allclose(weights["y"], [[[0.3, 0.9], [0.3, 0.9], [1, 1], [1, 1]]])
