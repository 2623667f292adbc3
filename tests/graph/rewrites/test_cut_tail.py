"""The decode tail leaves the chip and becomes the restoration."""

from __future__ import annotations

import numpy as np

from edgewright.graph.rewrites import RewriteContext, apply_rewrite
from tests.graph.rewrites.graphs import (
    DETECTOR,
    detector,
    named,
    nodes,
    nothing_to_do,
    ops,
    outputs,
    rewritten,
    samples,
)
from tests.helpers import normal


def test_raw_heads_become_outputs() -> None:
    model = detector()
    found = rewritten("cut-tail", model)
    assert outputs(found.model) == ["box_map", "score_map"]
    assert ops(found.model) == ["Conv", "Conv", "Conv", "Relu"]
    assert ops(found.restore) == ["Add", "Concat", "Mul", "Reshape", "Reshape", "Sigmoid"]
    assert "strides" not in found.model.ir.graph.initializers
    assert "strides" in found.restore.ir.graph.initializers
    assert "w_box" not in found.restore.ir.graph.initializers
    assert {**nodes(found.model), **nodes(found.restore)}.keys() == nodes(model).keys()
    assert [spec.shape for spec in found.model.outputs] == [(1, 4, 4, 4), (1, 2, 4, 4)]


def test_entries_that_are_outputs_already() -> None:
    text = DETECTOR.replace("float[1,6,16] output", "float[1,2,4,4] score_map, float[1,6,16] output")
    found = rewritten("cut-tail", detector(text))
    assert outputs(found.model) == ["score_map", "box_map"]
    assert outputs(found.restore) == ["score_map", "output"]


def test_every_entry_is_an_output_already() -> None:
    model = named(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,4,4] x) => (float[1,2,4,4] logits, float[1,2,4,4] scores) {
            logits = Conv (x, w) scores = Sigmoid (logits) }""",
        w=normal(2, 3, 1, 1),
    )
    found = rewritten("cut-tail", model)
    assert outputs(found.model) == ["logits"]
    assert outputs(found.restore) == ["logits", "scores"]


def test_what_depends_on_constants_only_goes_along_and_stays_where_it_is_needed() -> None:
    model = named(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x) => (float[1,2,4,4] y) {
            shared = Exp (k) early = Mul (x, shared) a = Conv (early, w)
            own = Exp (shared) b = Mul (a, own) y = Add (b, shared)
        }""",
        k=normal(1, 2, 1, 1),
        w=normal(2, 2, 1, 1),
    )
    found = rewritten("cut-tail", model)
    assert outputs(found.model) == ["a"]
    assert ops(found.model) == ["Conv", "Exp", "Mul"]
    assert ops(found.restore) == ["Add", "Exp", "Exp", "Mul"]


def test_an_activation_that_the_conv_absorbs_stays() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x) => (float[1,2,4,4] y) { a = Conv (x, w) r = LeakyRelu (a) y = Sigmoid (r) }"""
    model = named(text, w=normal(2, 2, 1, 1))
    assert outputs(rewritten("cut-tail", model).model) == ["a"]
    absorbing = RewriteContext({}, frozenset({"LeakyRelu"}))
    found = apply_rewrite("cut-tail", model, absorbing, samples(model))
    assert found is not None
    assert outputs(found.model) == ["r"]


def test_nothing_is_cut_from_a_network_that_ends_in_convs_or_moves() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x) => (float[1,4,4,2] y) {{ a = Conv (x, w) y = {} }}"""
    weight = normal(2, 2, 1, 1)
    assert nothing_to_do("cut-tail", named(text.format("Transpose <perm = [0,2,3,1]> (a)"), w=weight))
    arithmetic = named("""<ir_version: 8, opset_import: ["" : 17]> g (float[4] x) => (float[4] y) { y = Exp (x) }""")
    assert nothing_to_do("cut-tail", arithmetic)


def test_a_tail_that_reads_the_input_is_not_cut() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x, float[1,1,1,1] size) => (float[1,2,4,4] y) { a = Conv (x, w) y = Mul (a, size) }"""
    assert nothing_to_do("cut-tail", named(text, w=normal(2, 2, 1, 1)))


def test_a_graph_inside_a_node_is_followed() -> None:
    model = named(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x) => (float[1,2,4,4] y) {
            a = Conv (x, w) b = Conv (x, w2) small = ReduceMax <keepdims = 0> (a) any = Greater (small, zero)
            y = If (any) <then_branch = yes () => (float[1,2,4,4] t) { t = Mul (a, b) },
                          else_branch = no () => (float[1,2,4,4] e) { e = Neg (b) }>
        }""",
        w=normal(2, 2, 1, 1),
        w2=normal(2, 2, 1, 1, seed=1),
        zero=np.array(0, np.float32),
    )
    found = rewritten("cut-tail", model)
    assert outputs(found.model) == ["a", "b"]
    assert ops(found.restore) == ["Greater", "If", "ReduceMax"]
