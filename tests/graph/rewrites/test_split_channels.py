"""Output channels with weights of unlike size become Convs of their own."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.model import Model
from edgewright.graph.rewrites import RewriteContext, apply_rewrite
from tests.graph.rewrites.graphs import named, nodes, nothing_to_do, ops, rewritten
from tests.helpers import normal

PLAIN = """
<ir_version: 8, opset_import: ["" : 17]>
plain (float[1,3,8,8] x) => (float[1,4,8,8] y) {
    a = Conv (x, wa, ba) s = Sigmoid (a) m = Mul (a, s)
    y = Conv <pads = [1,1,1,1]> (m, w)
}
"""
CHAIN = """
<ir_version: 8, opset_import: ["" : 17]>
chain (float[1,3,8,8] x) => (float[1,4,8,8] y, float[1,4,8,8] v) {
    a = Conv (x, wa, ba) s = Sigmoid (a) m = Mul (a, s)
    d = Conv <pads = [1,1,1,1], group = 6> (m, wd) r = Relu (d)
    e = Conv <pads = [1,1,1,1], group = 6> (m, we)
    y = Conv <pads = [1,1,1,1]> (r, w)
    v = Conv <pads = [1,1,1,1]> (e, w)
}
"""
SIZES = np.array([1.0, 0.01, 1.0, 0.01, 0.012, 0.9], np.float32)[:, None, None, None]


def net(text: str, sizes: np.ndarray = SIZES, depthwise: np.ndarray | float = 1.0) -> Model:
    even = np.sign(normal(6, 3, 1, 1)).astype(np.float32)
    weights = {"wa": even * sizes, "ba": normal(6), "w": normal(4, 6, 3, 3)}
    weights["wd"] = (np.ones((6, 1, 3, 3)) * depthwise).astype(np.float32)
    weights["we"] = -weights["wd"]
    return named(text, **{name: value for name, value in weights.items() if f", {name}" in text})


def test_each_size_has_a_conv_and_an_activation_and_the_next_conv_reads_the_join() -> None:
    found = rewritten("split-channels", net(PLAIN))
    assert ops(found.model) == ["Concat", "Conv", "Conv", "Conv", "Mul", "Mul", "Sigmoid", "Sigmoid"]
    assert found.facts["layers"] == {"a_op": [3, 3]}
    made = nodes(found.model)
    largest = [float(np.abs(made[f"a_op_channels_{n}"].inputs[1].const_value.numpy()).max()) for n in (1, 2)]
    assert largest == pytest.approx([1.0, 0.012])
    join = made["a_op_join"]
    assert [value.producer().op_type for value in join.inputs] == ["Mul", "Mul"]
    assert made["y_op"].inputs[0] is join.outputs[0]


def test_depthwise_convs_behind_go_with_their_channels() -> None:
    found = rewritten("split-channels", net(CHAIN))
    made = nodes(found.model)
    assert found.facts["layers"] == {"a_op": [3, 3], "d_op": [3, 3], "e_op": [3, 3]}
    for name in ("d_op", "e_op"):
        for number in (1, 2):
            part = made[f"{name}_channels_{number}"]
            assert part.attributes.get_int("group", 1) == 3
            assert part.inputs[0] is made[f"m_op_channels_{number}"].outputs[0], "no join between the two"
    assert ops(found.model).count("Concat") == 2
    assert ops(found.model).count("Relu") == 2


def test_a_depthwise_conv_of_unlike_weights_decides_as_well() -> None:
    model = net(CHAIN, np.ones_like(SIZES), depthwise=SIZES)
    assert rewritten("split-channels", model).facts["layers"] == {"a_op": [3, 3], "d_op": [3, 3], "e_op": [3, 3]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("y = Conv <pads = [1,1,1,1]> (m, w)", "n = Neg (m) y = Conv <pads = [1,1,1,1]> (n, w)"),
        ("y = Conv <pads = [1,1,1,1]> (m, w)", "n = Add (m, a) y = Conv <pads = [1,1,1,1]> (n, w)"),
        ("y) {", "y, float[1,6,8,8] m) {"),
        ("y) {", "y, float[1,6,8,8] a) {"),
        ("y) {", "y, float[1,6,8,8] s) {"),
    ],
)
def test_what_must_have_all_channels_in_order_is_left_alone(old: str, new: str) -> None:
    assert old in PLAIN
    assert nothing_to_do("split-channels", net(PLAIN.replace(old, new)))


def test_weights_of_like_size_are_left_alone() -> None:
    assert nothing_to_do("split-channels", net(PLAIN, np.ones_like(SIZES)))


def test_only_convs_that_are_named() -> None:
    model, feeds = net(PLAIN), [{"x": normal(1, 3, 8, 8)}]
    assert apply_rewrite("split-channels", model, RewriteContext(convs=frozenset({"y_op"})), feeds) is None
    assert apply_rewrite("split-channels", model, RewriteContext(convs=frozenset({"a_op"})), feeds) is not None
