"""Outputs of their own for what a Concat joins from unlike ranges."""

from __future__ import annotations

import numpy as np

from edgewright.graph.rewrites import RewriteContext, apply_rewrite
from tests.graph.rewrites.graphs import (
    DETECTOR,
    detector,
    named,
    nothing_to_do,
    ops,
    outputs,
    rewritten,
    samples,
)
from tests.helpers import normal


def test_boxes_and_scores_become_outputs_and_the_host_joins_them() -> None:
    found = rewritten("split-outputs", detector())
    assert outputs(found.model) == ["boxes", "scores"]
    assert [spec.shape for spec in found.model.outputs] == [(1, 4, 16), (1, 2, 16)]
    assert "Concat" not in ops(found.model)
    assert ops(found.restore) == ["Concat"]
    assert [node.name for node in found.restore.ir.graph] == ["output_op"]
    assert found.facts["outputs"] == {"output": ["boxes", "scores"]}


def test_a_join_behind_moves() -> None:
    text = DETECTOR.replace("output = Concat <axis = 1>", "joined = Concat <axis = 1>").replace(
        "float[1,6,16] output", "float[1,16,6] output"
    )
    found = rewritten(
        "split-outputs", detector(text.replace("}\n", "output = Transpose <perm = [0,2,1]> (joined) }\n"))
    )
    assert outputs(found.model) == ["boxes", "scores"]
    assert ops(found.restore) == ["Concat", "Transpose"]


LEVELS = """
<ir_version: 8, opset_import: ["" : 17]>
levels (float[1,3,4,4] a, float[1,3,4,4] b) => (float[1,10,32] output) {
    box_a = Conv (a, wb) score_a = Conv (a, ws) prob_a = Sigmoid (score_a)
    box_b = Conv (b, wb2) score_b = Conv (b, ws2) prob_b = Sigmoid (score_b)
    both_a = Concat <axis = 1> (box_a, prob_a) both_b = Concat <axis = 1> (box_b, prob_b)
    flat_a = Reshape (both_a, flat) flat_b = Reshape (both_b, flat)
    output = Concat <axis = 2> (flat_a, flat_b)
}
"""


def levels():
    weights = {"wb": normal(8, 3, 1, 1), "ws": normal(2, 3, 1, 1), "wb2": normal(8, 3, 1, 1), "ws2": normal(2, 3, 1, 1)}
    return named(LEVELS, **weights, flat=np.array([1, 10, 16], np.int64))


def test_levels_of_like_ranges_that_each_join_unlike_ones() -> None:
    found = rewritten("split-outputs", levels(), box_a=(-50, 50), both_a=(-50, 50), box_b=(-50, 50), both_b=(-50, 50))
    assert outputs(found.model) == ["box_a", "prob_a", "box_b", "prob_b"]
    assert ops(found.restore) == ["Concat", "Concat", "Concat", "Reshape", "Reshape"]


def test_a_level_is_taken_apart_with_its_neighbours() -> None:
    found = rewritten("split-outputs", levels(), box_a=(-50, 50), both_a=(-50, 50), box_b=(-7, 7), both_b=(-50, 50))
    assert outputs(found.model) == ["box_a", "prob_a", "box_b", "prob_b"]


def test_a_join_that_is_read_inside_stays_for_its_reader() -> None:
    text = DETECTOR.replace("float[1,6,16] output", "float[1,6,16] output, float[1,6,16] other")
    found = rewritten("split-outputs", detector(text.replace("}\n", "other = Exp (output) }\n")), output=(0, 40))
    assert outputs(found.model) == ["boxes", "scores", "other"]
    assert {"Concat", "Exp"} <= set(ops(found.model))
    assert outputs(found.restore) == ["output", "other"]


def test_a_branch_that_is_an_output_already_and_a_constant_branch() -> None:
    text = DETECTOR.replace("float[1,6,16] output", "float[1,4,16] boxes, float[1,7,16] output").replace(
        "(boxes, scores)", "(boxes, scores, anchors)"
    )
    found = rewritten("split-outputs", detector(text))
    assert outputs(found.model) == ["boxes", "scores"]
    assert outputs(found.restore) == ["boxes", "output"]
    assert list(found.restore.ir.graph.initializers) == ["anchors"]


def test_like_ranges_unknown_ranges_and_no_join_are_left_alone() -> None:
    assert nothing_to_do("split-outputs", detector(), boxes=(0, 2), scores=(0, 1))
    model = detector()
    assert apply_rewrite("split-outputs", model, RewriteContext(), samples(model)) is None
    assert nothing_to_do(
        "split-outputs", detector(DETECTOR.replace("Concat <axis = 1> (boxes, scores)", "Relu (boxes)"))
    )


def test_a_graph_input_cannot_become_an_output() -> None:
    text = DETECTOR.replace("float[1,3,32,32] image", "float[1,3,32,32] image, float[1,2,16] extra").replace(
        "(boxes, scores)", "(boxes, extra)"
    )
    assert nothing_to_do("split-outputs", detector(text), extra=(0, 0.1))
