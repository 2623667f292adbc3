"""Nothing inexact leaves `apply_rewrite`; rewrites compose."""

from __future__ import annotations

import re

import numpy as np
import onnx_ir as ir
import pytest

from edgewright.errors import ModelError, UserError
from edgewright.graph.model import Model
from edgewright.graph.rewrites import REWRITES, Restorer, Rewritten, apply_rewrite, compose
from edgewright.graph.rewrites.apply import _compare, _Rounding
from edgewright.graph.rewrites.base import RewriteContext
from tests.graph.rewrites.graphs import (
    DETECTOR,
    context,
    detector,
    ops,
    outputs,
    rewritten,
    run,
    same_function,
    samples,
)


class Broken:
    """A rewrite that does something else than it says."""

    name, requires, ensures, cost = "broken", "", "", ""

    def __init__(self, change, restore=None) -> None:
        self.change, self.restore = change, restore

    def apply(self, model: Model, context: RewriteContext) -> Rewritten:
        changed = model.clone()
        self.change({node.name: node for node in changed.graph}, changed.graph)
        return Rewritten(Model(changed), self.restore, {"rewrite": "broken", "text": "."})


def scale_output(nodes, graph) -> None:
    graph.initializers["strides"].const_value = ir.tensor(np.full((1, 1, 16), 9.601, np.float32), name="strides")


def rename_inner(nodes, graph) -> None:
    nodes["cells_op"].outputs[0].name = "other"


def same_name_other_values(nodes, graph) -> None:
    """Swaps the names of two tensors that lie one behind the other."""
    stem, active = nodes["stem_op"].outputs[0], nodes["active_op"].outputs[0]
    stem.name, active.name = "active", "stem"


def wrong_output(nodes, graph) -> None:
    graph.outputs[0].name = "renamed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (scale_output, "relative L2"),
        (rename_inner, "'cells' did not change, but is called 'other'"),
        (same_name_other_values, "differs by|did not change"),
        (wrong_output, "did not change"),
    ],
)
def test_a_rewrite_that_is_not_exact_is_refused(change, reason: str) -> None:
    model = detector()
    with pytest.raises(ModelError, match="'broken' is not exact") as caught:
        apply_rewrite(Broken(change), model, context(model), samples(model))
    assert re.search(reason, caught.value.why)


@pytest.mark.parametrize(
    ("difference", "rounding", "passes"),
    [
        (5e-6, 0.0, True),  # what rounding explains in any network
        (3e-5, 2e-5, True),  # what this network's own rounding makes, as often
        (3e-5, 1e-6, False),
        (9e-4, 1.0, True),
        (2e-3, 1.0, False),  # a network whose rounding would excuse anything
    ],
)
def test_rounding_that_the_network_itself_shows_is_no_change(difference: float, rounding: float, passes: bool) -> None:
    reference = np.ones(64, np.float32)
    found = {"scores": reference * np.float32(1 + difference)}
    otherwise = reference * np.float32(1 + rounding)
    if passes:
        _compare("some", "scores", reference, found, lambda: otherwise)
        return
    with pytest.raises(ModelError, match="not exact"):
        _compare("some", "scores", reference, found, lambda: otherwise)


@pytest.mark.parametrize(("rounding", "passes"), [(3e-4, True), (3e-5, False), (0.5, False)])
def test_one_value_that_is_wrong_is_seen_among_many(rounding: float, passes: bool) -> None:
    """A difference that no sum over all values shows: one score of 4 million."""
    reference = np.full(1 << 22, 0.5, np.float32)
    found, otherwise = reference.copy(), reference.copy()
    found[7] += np.float32(1e-3 if rounding < 0.1 else 0.01)
    otherwise[9] += np.float32(rounding)
    if passes:
        _compare("some", "scores", reference, {"scores": found}, lambda: otherwise)
        return
    with pytest.raises(ModelError, match="not exact") as caught:
        _compare("some", "scores", reference, {"scores": found}, lambda: otherwise)
    assert "single values" in caught.value.why


def test_the_rounding_of_a_network_is_that_between_its_two_ways_of_running() -> None:
    model = detector()
    sample = samples(model)[0]
    name = model.outputs[0].name
    assert _Rounding(model, [])(sample, name) == pytest.approx(run(model, sample)[name], rel=1e-4, abs=1e-4)


def test_a_restoration_of_something_else_is_refused() -> None:
    model = detector()
    good = rewritten("split-outputs", model)
    bad = Rewritten(good.model, None, {})

    class Forgetful(Broken):
        def apply(self, model, context):
            return bad

    with pytest.raises(ModelError, match="not exact") as caught:
        apply_rewrite(Forgetful(None), model, context(model), samples(model))
    assert "wanted are output" in caught.value.why


def test_rewrites_are_found_by_name_and_say_what_they_are() -> None:
    model = detector()
    with pytest.raises(UserError, match="unknown rewrite"):
        apply_rewrite("split-output", model, RewriteContext(), samples(model))
    with pytest.raises(ValueError, match="sample"):
        apply_rewrite("cut-tail", model, RewriteContext(), [])
    for rewrite in REWRITES:
        for line in (rewrite.requires, rewrite.ensures, rewrite.cost):
            assert line
            assert "\n" not in line


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        ("split-outputs", "cut-tail", ["box_map", "score_map"]),
        ("rescale-boxes", "split-outputs", ["boxes_rescaled", "scores"]),
        ("rescale-boxes", "cut-tail", ["box_map", "score_map"]),
        ("cut-tail", "equalise", ["box_map", "score_map"]),
        ("equalise", "rescale-boxes", ["output_rescaled"]),
    ],
)
def test_a_second_rewrite_puts_its_restoration_in_front(first: str, second: str, ends: list[str]) -> None:
    model = detector(DETECTOR.replace("active = Relu (stem)", "mid = Conv (stem, w_mid) active = Relu (mid)"))
    ranges = {"boxes_rescaled": (0.0, 2.0), "scores": (0.0, 0.1)}
    one = rewritten(first, model)
    two = apply_rewrite(second, one.model, context(one.model, **ranges), samples(model))
    assert two is not None
    both = compose(one, two)
    assert outputs(both.model) == ends
    assert both.facts["rewrite"] == f"{first} + {second}"
    assert [step["rewrite"] for step in both.facts["steps"]] == [first, second]
    same_function(model, both)


def test_names_that_stand_in_both_restorations_are_kept_apart() -> None:
    text = DETECTOR.replace("float[1,6,16] output", "float[1,6,16] output, float[1,6,16] extra")
    text = text.replace("}\n", "extra = Concat <axis = 1> (boxes, scores) }\n")
    model = detector(text)
    one = rewritten("rescale-boxes", model)
    # a second factor on the same outputs has constants and nodes of the same names
    again = apply_rewrite(
        "rescale-boxes",
        one.model,
        context(one.model, boxes_rescaled=(0, 9000), boxes_rescaled_2=(0, 9000)),
        samples(model),
    )
    assert again is not None
    both = compose(one, again)
    assert ops(both.restore) == ["Mul"] * 4
    same_function(model, both)
    third = apply_rewrite("cut-tail", both.model, context(both.model), samples(model))
    assert third is not None
    same_function(model, compose(both, third))


def test_restorations_that_do_not_fit_are_refused() -> None:
    split, cut = rewritten("split-outputs", detector()), rewritten("cut-tail", detector())
    with pytest.raises(ModelError, match="do not fit"):
        compose(cut, split)


def test_the_restorer_without_a_restoration_hands_on() -> None:
    model = detector()
    found = run(model, samples(model)[0])
    assert Restorer(None)(found)["output"] is found["output"]
