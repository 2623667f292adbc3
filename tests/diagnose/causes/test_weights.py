"""Causes that lie in weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgewright.diagnose.causes import CauseContext
from edgewright.diagnose.causes.weights import output_channels
from tests.diagnose.causes.contexts import context, found, with_effects
from tests.helpers import model_from_text, normal

DEPTHWISE = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,8,12,12] x) => (float[1,8,12,12] y) { [conv] y = Conv <group = 8, pads = [1,1,1,1]> (x, w) }
"""
DENSE = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,8,12,12] x) => (float[1,4,12,12] y) { [conv] y = Conv <pads = [1,1,1,1]> (x, w) }
"""
FEEDS = [{"x": normal(1, 8, 12, 12, seed=seed)} for seed in range(4)]
SIZES = np.array([1, 1, 1, 1, 1, 0.02, 0.02, 0.01], np.float32).reshape(8, 1, 1, 1)


def depthwise(sizes: np.ndarray, *, per_channel: bool) -> CauseContext:
    made = context(model_from_text(DEPTHWISE, w=sizes * normal(8, 1, 3, 3)), FEEDS, per_channel=per_channel)
    return with_effects(made, {"y": {"scores": 0.3}})


def dense(weights: np.ndarray) -> CauseContext:
    channels = weights.shape[1]
    feeds = [{"x": normal(1, channels, 12, 12, seed=seed)} for seed in range(4)]
    return context(model_from_text(DENSE.replace("1,8,", f"1,{channels},"), w=weights), feeds)


def weights_only(made: CauseContext) -> CauseContext:
    """As if all of the op's error came from its weights: what is looked for is in them, not in how much it matters."""
    errors = {name: replace(error, isolated=error.weight or error.isolated) for name, error in made.errors.items()}
    return replace(made, errors=errors)


def test_depthwise_channels_on_one_step() -> None:
    (finding,) = found(weights_only(depthwise(SIZES, per_channel=False)), "uneven-weights")
    assert (finding.code, finding.where) == ("EW313", "conv")
    assert finding.evidence["kind"] == "uneven"
    assert finding.evidence["depthwise"]
    assert sorted(finding.evidence["channels"]) == [5, 6, 7]
    assert finding.evidence["channels"][0] == 7
    assert finding.evidence["ratio"] > 50
    assert finding.evidence["remedies"] == ["equalise", "bias-correction", "weight-rounding", "float"]
    assert finding.evidence["damage"] == pytest.approx(0.3)
    assert "3 of 8" in finding.message


def test_a_step_per_channel_or_channels_alike_are_fine() -> None:
    assert found(weights_only(depthwise(SIZES, per_channel=True)), "uneven-weights") == []
    assert found(weights_only(depthwise(np.ones_like(SIZES), per_channel=False)), "uneven-weights") == []
    made = weights_only(depthwise(SIZES, per_channel=False))
    assert found(with_effects(made, {"y": {"scores": 0.001}}), "uneven-weights") == []  # it costs nothing


def test_16_bit_weights_are_offered_where_the_target_has_them() -> None:
    made = weights_only(depthwise(SIZES, per_channel=False))
    wide = replace(made.profile, weight_dtypes={"int8": "int8", "int16": "int16"})
    (finding,) = found(replace(made, profile=wide), "uneven-weights")
    assert "16bit" in finding.evidence["remedies"]


def test_an_outlier_inside_a_channel() -> None:
    weights = normal(4, 64, 3, 3)
    weights[2, 0, 0, 0] = 60.0
    (finding,) = found(weights_only(dense(weights)), "uneven-weights")
    assert finding.evidence["kind"] == "outliers"
    assert finding.evidence["channels"] == [2]
    assert finding.evidence["ratio"] > 15
    assert found(weights_only(dense(normal(4, 64, 3, 3))), "uneven-weights") == []


def test_weights_make_the_error() -> None:
    made = dense(normal(4, 8, 3, 3))
    error = replace(made.errors["y"], weight=0.09, isolated=0.1)
    (finding,) = found(replace(made, errors={"y": error}), "weight-error")
    assert (finding.code, finding.where) == ("EW319", "conv")
    assert finding.evidence["share"] == pytest.approx(0.81)
    assert finding.evidence["damage"] == pytest.approx(0.09)
    assert finding.evidence["remedies"] == ["bias-correction", "weight-rounding", "float"]
    shared = replace(made.errors["y"], weight=0.06, isolated=0.1)
    assert found(replace(made, errors={"y": shared}), "weight-error") == []
    weightless = replace(made.errors["y"], weight=None, isolated=0.1)
    assert found(replace(made, errors={"y": weightless}), "weight-error") == []


def test_uneven_weights_are_told_once() -> None:
    made = weights_only(depthwise(SIZES, per_channel=False))
    assert found(made, "weight-error") == []


def test_the_op_inside_a_fused_group_is_found() -> None:
    text = DEPTHWISE.replace("[conv] y = Conv", "[conv] c = Conv").replace(
        "(x, w) }", "(x, w) [sig] s = Sigmoid (c) [mul] y = Mul (c, s) }"
    )
    made = context(model_from_text(text, w=SIZES * normal(8, 1, 3, 3)), FEEDS, per_channel=False, fuse_silu=True)
    assert set(made.errors) == {"x", "y"}
    (finding,) = found(with_effects(weights_only(made), {"y": {"scores": 0.3}}), "uneven-weights")
    assert finding.where == "mul"
    assert finding.evidence["weight"] == "w"


def _node(op: str, **attributes: int) -> ir.Node:
    return ir.Node("", op, [None, None], [ir.AttrInt64(name, value) for name, value in attributes.items()])


@pytest.mark.parametrize(
    ("node", "index", "shape", "place", "expected"),
    [
        (_node("Conv", group=2), 1, (4, 3, 1, 1), (3, 1, 0, 0), (4, 3)),
        (_node("ConvTranspose"), 1, (4, 3, 2, 2), (1, 2, 0, 0), (3, 2)),
        (_node("ConvTranspose", group=2), 1, (4, 3, 2, 2), (2, 1, 0, 0), (6, 4)),  # the second group's second channel
        (_node("Gemm"), 1, (5, 3), (4, 2), (3, 2)),
        (_node("Gemm", transB=1), 1, (3, 5), (2, 4), (3, 2)),
        (_node("Gemm"), 0, (3, 5), (2, 4), (3, 2)),
        (_node("Gemm", transA=1), 0, (5, 3), (4, 2), (3, 2)),
        (_node("MatMul"), 1, (2, 5, 3), (0, 4, 2), (3, 2)),
        (_node("MatMul"), 0, (3, 5), (2, 4), (3, 2)),
        (_node("MatMul"), 1, (5,), (4,), (1, 0)),
    ],
)
def test_output_channels(
    node: ir.Node, index: int, shape: tuple[int, ...], place: tuple[int, ...], expected: tuple[int, int]
) -> None:
    weights = np.zeros(shape, np.float32)
    weights[place] = 1.0
    channels = output_channels(node, index, weights)
    count, channel = expected
    assert channels.shape == (count, weights.size // count)
    assert np.flatnonzero(channels.any(axis=1)).tolist() == [channel]
