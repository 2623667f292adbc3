"""Boxes are divided before they are joined with scores, for nothing where a constant takes the factor up."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.rewrites import Restorer
from tests.graph.rewrites.graphs import (
    DETECTOR,
    context,
    detector,
    named,
    nodes,
    nothing_to_do,
    ops,
    outputs,
    rewritten,
    run,
    samples,
)
from tests.graph.rewrites.test_split_outputs import levels
from tests.helpers import normal

JOINED = """
<ir_version: 8, opset_import: ["" : 17]>
joined (float[1,3,4,4] image) => (float[1,6,4,4] output) {{
    probability = Sigmoid (image)
    {body}
    output = Concat <axis = 1> (large, probability)
}}
"""


def joined(body: str):
    constants = {
        "w": normal(3, 3, 1, 1, scale=30),
        "wt": normal(3, 3, 1, 1, scale=30),
        "b": normal(3, scale=10),
        "c": np.full((1, 3, 1, 1), 50, np.float32),
        "tenth": np.array([0.02], np.float32),
        "low": np.array(-5, np.float32),
        "high": np.array(40, np.float32),
    }
    text = JOINED.format(body=body)
    return named(
        text, **{name: value for name, value in constants.items() if f", {name}" in text or f"({name}" in text}
    )


def test_the_strides_take_the_factor_up() -> None:
    model = detector()
    found = rewritten("rescale-boxes", model, boxes=(-10, 40), scores=(0, 0.9))
    assert ops(found.model) == ops(model)
    assert outputs(found.model) == ["output_rescaled"]
    assert found.facts["branches"][0]["divisor"] == 32  # boxes in pixels of a 32x32 image
    assert found.facts["absorbed"] == ["boxes_op"]
    assert found.facts["inserted"] == []
    assert found.facts["tensors"]["boxes_rescaled"] == {"source": "boxes", "divisor": 32.0}
    strides = nodes(found.model)["boxes_op"].inputs[1]
    assert strides.name == "strides_rescaled"
    np.testing.assert_allclose(strides.const_value.numpy(), 9.6 / 32, rtol=1e-6)
    assert "output_op" in nodes(found.model)
    assert ops(found.restore) == ["Mul"]
    new = run(found.model, samples(model)[0])["output_rescaled"]
    assert np.abs(new).max() < np.abs(run(model, samples(model)[0])["output"]).max() / 30


def test_ranges_that_are_no_pixels_get_a_power_of_two_and_stay_exact() -> None:
    model = detector()
    found = rewritten("rescale-boxes", model, boxes=(0, 3000), scores=(0, 0.9))
    assert found.facts["branches"][0]["divisor"] == 4096
    for sample in samples(model):
        restored = Restorer(found.restore)(run(found.model, sample))
        np.testing.assert_array_equal(restored["output"], run(model, sample)["output"])


@pytest.mark.parametrize(
    ("body", "absorbed"),
    [
        ("large = Conv (image, w, b)", ["large_op"]),
        ("large = ConvTranspose (image, wt)", ["large_op"]),
        ("x = Conv (image, w, b) large = Relu (x)", ["x_op"]),
        ("x = Conv (image, w, b) large = Clip (x, low, high)", ["large_op", "x_op"]),
        ("large = Div (image, tenth)", ["large_op"]),
        ("x = Mul (image, c) y = Conv (image, w) large = Sub (x, y)", ["x_op", "y_op"]),
        ("large = Mul (c, image)", ["large_op"]),
        ("x = Conv (image, w) large = Mul (image, x)", ["x_op"]),
    ],
)
def test_what_takes_a_factor_up(body: str, absorbed: list[str]) -> None:
    model = joined(body)
    found = rewritten("rescale-boxes", model, probability=(0, 0.9))
    assert sorted(found.facts["absorbed"]) == absorbed
    assert ops(found.model) == ops(model)


@pytest.mark.parametrize(
    "body",
    [
        "x = Mul (image, c) large = Exp (x)",
        "x = Mul (image, c) y = Sigmoid (image) z = Exp (y) large = Add (x, z)",
        "large = Mul (image, image)",
    ],
)
def test_a_new_op_where_nothing_takes_it_up(body: str) -> None:
    model = joined(body)
    found = rewritten("rescale-boxes", model, large=(0, 100.0), probability=(0, 0.9))
    assert found.facts["inserted"] == ["large_op_rescaled"]
    assert found.facts["absorbed"] == []
    assert ops(found.model) == sorted([*ops(model), "Mul"])


def test_a_tensor_that_others_read_keeps_its_values_for_them() -> None:
    text = DETECTOR.replace("float[1,6,16] output", "float[1,6,16] output, float[1,4,16] boxes, float[1,6,16] other")
    model = detector(text.replace("}\n", "other = Neg (output) }\n"))
    found = rewritten("rescale-boxes", model)
    assert outputs(found.model) == ["output_rescaled", "boxes", "other"]
    sample = samples(model)[0]
    old, new = run(model, sample), run(found.model, sample)
    np.testing.assert_array_equal(new["boxes"], old["boxes"])
    np.testing.assert_array_equal(new["other"], old["other"])
    assert {"output_op", "output_op_rescaled", "boxes_op", "boxes_op_rescaled"} <= set(nodes(found.model))


def test_a_conv_that_others_read_is_not_computed_twice() -> None:
    model = joined("x = Conv (image, w) large = Identity (x) y = Identity (x)")
    model.ir.graph.outputs.append(nodes(model)["y_op"].outputs[0])
    found = rewritten("rescale-boxes", model, probability=(0, 0.9))
    assert ops(found.model).count("Conv") == 1


def test_levels_behind_reshapes_have_factors_by_channel() -> None:
    wide, one = (-50.0, 50.0), (0.0, 1.0)
    found = rewritten(
        "rescale-boxes", levels(), box_a=wide, both_a=wide, box_b=wide, both_b=wide, prob_a=one, prob_b=one
    )
    assert found.facts["absorbed"] == ["box_a_op", "box_b_op"]
    (factors,) = found.restore.ir.graph.initializers.values()
    values = factors.const_value.numpy()
    assert values.shape == (1, 10, 1)
    assert values.ravel().tolist() == [64.0] * 8 + [1.0] * 2


def test_like_ranges_are_left_alone() -> None:
    assert nothing_to_do("rescale-boxes", detector(), boxes=(0, 2), scores=(0, 1))


def test_an_unknown_range_is_left_alone() -> None:
    from edgewright.graph.rewrites import RewriteContext, apply_rewrite

    model = detector()
    known = {name: entry for name, entry in context(model).ranges.items() if name != "boxes"}
    assert apply_rewrite("rescale-boxes", model, RewriteContext(known), samples(model)) is None
