"""A Conv over a join of unlike ranges becomes a sum of Convs."""

from __future__ import annotations

import pytest

from edgewright.graph.model import Model
from tests.graph.rewrites.graphs import named, nodes, nothing_to_do, ops, outputs, rewritten
from tests.helpers import normal

JOIN = """
<ir_version: 8, opset_import: ["" : 17]>
join (float[1,3,8,8] x) => (float[1,4,8,8] y) {
    a = Conv (x, wa) b = Conv (x, wb) c = Conv (x, wc)
    j = Concat <axis = 1> (a, b, c)
    z = Conv <pads = [1,1,1,1]> (j, w, bias)
    y = Relu (z)
}
"""
WIDE, NARROW = (-90.0, 90.0), (-1.0, 1.0)


def join(text: str = JOIN) -> Model:
    weights = {"wa": normal(2, 3, 1, 1), "wb": normal(3, 3, 1, 1), "wc": normal(5, 3, 1, 1)}
    groups = 2 if "group = 2" in text else 1
    weights |= {"w": normal(4, 10 // groups, 3, 3), "bias": normal(4), "w2": normal(2, 10, 1, 1)}
    return named(text, **{name: value for name, value in weights.items() if f", {name}" in text})


def test_each_range_has_a_conv_of_its_own() -> None:
    found = rewritten("split-joins", join(), a=WIDE, b=NARROW, c=WIDE)
    assert ops(found.model) == ["Add", "Concat", "Conv", "Conv", "Conv", "Conv", "Conv", "Relu"]
    assert found.facts["joins"] == {"j_op": [["a", "c"], ["b"]]}
    made = nodes(found.model)
    assert made["z_op"].inputs[1].const_value.shape == (4, 7, 3, 3)  # the first Conv stands for the old one
    assert len(made["z_op"].inputs) == 3  # and has its bias
    assert len(made["z_op_part_2"].inputs) == 2
    assert made["z_op_sum_2"].outputs[0].name == "z"
    assert outputs(found.model) == ["y"]


def test_three_ranges_and_a_result_that_is_an_output() -> None:
    text = JOIN.replace("y = Relu (z)", "").replace("z = Conv", "y = Conv")
    found = rewritten("split-joins", join(text), a=WIDE, b=NARROW, c=(-0.01, 0.01))
    assert ops(found.model).count("Conv") == 6
    assert ops(found.model).count("Add") == 2
    assert "Concat" not in ops(found.model)
    assert outputs(found.model) == ["y"]


def test_two_convs_that_read_the_join() -> None:
    text = JOIN.replace("y) {", "y, float[1,2,8,8] v) {").replace("y = Relu", "v = Conv (j, w2) y = Relu")
    found = rewritten("split-joins", join(text), a=WIDE, b=NARROW, c=NARROW)
    assert ops(found.model).count("Add") == 2
    assert outputs(found.model) == ["y", "v"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Conv <pads = [1,1,1,1]> (j", "Conv <pads = [1,1,1,1], group = 2> (j"),
        ("j = Concat <axis = 1> (a, b, c)", "h = Concat <axis = 1> (a, b, c) j = Relu (h)"),
        ("y) {", "y, float[1,10,8,8] j) {"),
        ("y = Relu (z)", "v = Neg (j) t = ReduceMax (v) y = Add (z, t)"),
    ],
)
def test_other_readers_are_left_alone(old: str, new: str) -> None:
    assert old in JOIN
    assert nothing_to_do("split-joins", join(JOIN.replace(old, new)), a=WIDE, b=NARROW, c=NARROW)


def test_like_ranges_are_left_alone() -> None:
    assert nothing_to_do("split-joins", join(), a=(-7, 7), b=NARROW, c=NARROW)
