"""Biases take back what rounding does to means, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewright.errors import DataError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.bias_correction import correct_biases
from edgewright.quant.grids import activation_grid, weight_grid
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.tensors import Grid
from tests.helpers import model_from_text, normal

FEEDS = [{"x": np.random.default_rng(seed).random((1, 4, 6, 6), np.float32)} for seed in range(6)]
FINE = activation_grid(0.0, 1.0, "uint16", symmetric=False)


def conv(attributes: str = "", bias: bool = True, **weights: np.ndarray) -> Model:
    names = "x, w, b" if bias else "x, w"
    return model_from_text(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,6,6] x) => (float[n,c,h,v] y) {{ [conv] y = Conv {attributes} ({names}) }}""",
        **weights,
    )


def plan_of(model: Model, inputs: Grid = FINE, **weights: Grid) -> PrecisionPlan:
    ops = {node.name or "": "int8" for node in model.ir.graph}
    return PrecisionPlan(model.digest, {"x": inputs}, weights, ops)  # type: ignore[arg-type]


def coarse(values: np.ndarray, axis: int | None = 0) -> Grid:
    """A grid of steps so large that rounding to it moves means."""
    grid = weight_grid(values, "int8", axis)
    return replace(grid, scale=grid.scale * np.float32(20))


def shift(changed: Model, trained: Model, plan: PrecisionPlan, output: str = "y") -> np.ndarray:
    """Mean of each output channel in the quantised form of `changed`, less that in float."""
    made, wanted = ReferenceSession(write_qdq(changed, plan).data), ReferenceSession(trained.data)
    difference = [made(feeds)[output] - wanted(feeds)[output] for feeds in FEEDS]
    axes = tuple(axis for axis in range(difference[0].ndim) if axis != 1)
    return np.mean([one.mean(axis=axes) for one in difference], axis=0)


def initialiser(model: Model, name: str) -> np.ndarray:
    tensor = model.ir.graph.initializers[name].const_value
    assert tensor is not None
    return tensor.numpy()


def test_the_shift_of_a_known_weight_error_is_taken_back() -> None:
    """The weight 0.6 becomes 1 on a grid of whole numbers: each of 4 inputs of mean m adds 0.4 m."""
    w, b = np.full((1, 4, 1, 1), 0.6, np.float32), np.array([0.5], np.float32)
    model = conv(w=w, b=b)
    plan = plan_of(model, w=Grid("int8", np.float32(1), np.int64(0)))
    changed = correct_biases(model, plan, FEEDS)
    added = 0.4 * 4 * np.mean([feeds["x"].mean() for feeds in FEEDS])
    assert initialiser(changed, "b") == pytest.approx([0.5 - added], rel=1e-4)
    assert initialiser(model, "b") == pytest.approx([0.5]), "the model that was given stays as it is"
    assert [node.name for node in changed.ir.graph] == ["conv"]


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ("<pads = [1,1,1,1]>", (5, 4, 3, 3)),
        ("<group = 4, pads = [1,1,1,1], strides = [2,2]>", (4, 1, 3, 3)),
        ("<group = 2, dilations = [2,2]>", (6, 2, 3, 3)),
        ('<auto_pad = "SAME_UPPER">', (3, 4, 2, 2)),
    ],
)
def test_every_kind_of_conv_keeps_its_means(attributes: str, shape: tuple[int, ...]) -> None:
    w = normal(*shape)
    model = conv(attributes, w=w, b=normal(shape[0]))
    plan = plan_of(model, w=coarse(w))
    assert np.abs(shift(model, model, plan)).max() > 0.05
    assert np.abs(shift(correct_biases(model, plan, FEEDS), model, plan)).max() < 1e-3


def test_transposed_conv_and_gemm() -> None:
    w, g = normal(4, 3, 2, 2), normal(3 * 12 * 12, 5)
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,6,6] x) => (float[1,3,12,12] u, float[1,5] y) {
            [up] u = ConvTranspose <strides = [2,2]> (x, w, b)
            [flat] f = Flatten (u)
            [gemm] y = Gemm <alpha = 0.1, beta = 2.0> (f, g, c)
        }""",
        w=w,
        g=g,
        b=normal(3),
        c=normal(5),
    )
    plan = plan_of(model, w=coarse(w, 1), g=coarse(g, 1))
    changed = correct_biases(model, plan, FEEDS)
    assert np.abs(shift(model, model, plan, "u")).max() > 0.05
    assert np.abs(shift(changed, model, plan, "u")).max() < 1e-3
    before, after = (np.abs(shift(one, model, plan, "y")).max() for one in (model, changed))
    assert before > 0.2
    assert after < before / 5, "what the ConvTranspose moved was corrected there, so it does not arrive here"


def test_a_conv_without_bias_gets_one_if_that_is_allowed() -> None:
    w = normal(5, 4, 3, 3)
    model = conv(bias=False, w=w)
    plan = plan_of(model, w=coarse(w))
    changed = correct_biases(model, plan, FEEDS)
    assert len(changed.ir.graph.initializers) == 2
    assert np.abs(shift(changed, model, plan)).max() < 1e-3
    kept = correct_biases(model, plan, FEEDS, add_missing=False)
    assert kept.digest == Model(model.clone()).digest


def test_a_bias_that_two_ops_share_is_split() -> None:
    w, v, b = normal(5, 4, 1, 1), normal(5, 4, 1, 1, seed=1), normal(5)
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,6,6] x) => (float[1,5,6,6] y, float[1,5,6,6] z) {
            [first] y = Conv (x, w, b)
            [second] z = Conv (x, v, b)
        }""",
        w=w,
        v=v,
        b=b,
    )
    plan = plan_of(model, w=coarse(w), v=coarse(v))
    changed = correct_biases(model, plan, FEEDS)
    for output in ("y", "z"):
        assert np.abs(shift(model, model, plan, output)).max() > 0.05
        assert np.abs(shift(changed, model, plan, output)).max() < 1e-3


def test_an_input_rounded_to_a_coarse_grid_counts_and_a_clipped_one_does_not() -> None:
    """Steps of 0.6 round a mean of 0.5 up; a range that ends at 0.3 cuts off, which no bias is to spread."""
    w = np.ones((1, 4, 1, 1), np.float32)
    model, fine = conv(w=w, b=np.zeros(1, np.float32)), weight_grid(w, "int8", 0)
    feeds = [{"x": np.where(one["x"] > 0.5, 0.5, 0.0).astype(np.float32)} for one in FEEDS]
    rounded = correct_biases(model, plan_of(model, Grid("uint8", np.float32(0.6), np.int64(0)), w=fine), feeds)
    share = np.mean([(one["x"] > 0).mean() for one in feeds])
    assert initialiser(rounded, "b") == pytest.approx([-4 * 0.1 * share], rel=1e-3)
    clipped = correct_biases(model, plan_of(model, activation_grid(0.0, 0.3, "uint8", False), w=fine), feeds)
    assert initialiser(clipped, "b") == pytest.approx([0.0], abs=1e-5)


def test_after_rounding_the_trained_weights_are_the_reference() -> None:
    w = normal(5, 4, 3, 3)
    model = conv(w=w, b=normal(5))
    plan = plan_of(model, w=coarse(w))
    rounded = conv(w=plan.weights["w"].dequantise(plan.weights["w"].quantise(w)), b=normal(5))
    assert np.allclose(initialiser(correct_biases(rounded, plan, FEEDS), "b"), normal(5), atol=1e-3), "no error is left"
    changed = correct_biases(rounded, plan, FEEDS, reference=model)
    assert np.abs(shift(changed, model, plan)).max() < 1e-3


def test_float_ops_are_left_alone_and_no_images_is_an_error() -> None:
    w = normal(5, 4, 3, 3)
    model = conv(w=w, b=normal(5))
    plan = replace(plan_of(model, w=coarse(w)), ops={"conv": "float"})
    assert np.array_equal(initialiser(correct_biases(model, plan, FEEDS), "b"), normal(5))
    with pytest.raises(DataError, match="no images"):
        correct_biases(model, plan_of(model, w=coarse(w)), [])
