"""Candidates: what tells two of them apart, and what they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewright.repair.candidate import Applied, PlanMaker
from tests.repair.nets import CPU, OPTIONS, candidate_of, chain, statistics

PLAIN = candidate_of(chain(2, 2))
STEP = Applied("ranges", "ranges by effect", "Done.", {"tensors": 2})


@pytest.mark.parametrize(
    "changes",
    [
        {"model": chain(2, 3)},
        {"restore": chain(1)},
        {"ops": {**PLAIN.ops, "c1": "int16"}},
        {"ops": {"c1": "int8"}},
        {"observer": "mse"},
        {"ranges": {"t1": (-1.0, 1.0)}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_the_build_changes_the_digest(changes) -> None:
    assert replace(PLAIN, **changes).digest != PLAIN.digest


def test_what_is_told_of_it_does_not() -> None:
    told = replace(PLAIN.with_remedy(STEP), reasons={"c1": "why"}, plain=chain(5))
    assert told.digest == PLAIN.digest
    assert candidate_of(chain(2, 2)).digest == PLAIN.digest


def test_the_name_says_what_was_done_in_order() -> None:
    assert PLAIN.name == "int8"
    assert replace(PLAIN, ops=dict.fromkeys(PLAIN.ops, "int16")).name == "int16"
    both = PLAIN.with_remedy(STEP).with_remedy(Applied("cut-tail", "decoded on the host", "Cut."))
    assert both.name == "int8, ranges by effect, decoded on the host"
    again = both.with_remedy(Applied("ranges", "other ranges", "Done again."))
    assert again.name == "int8, decoded on the host, other ranges", "a remedy replaces itself"
    assert again.applied[-1].to_json() == {
        "remedy": "ranges",
        "short": "other ranges",
        "text": "Done again.",
        "facts": {},
    }


def test_the_plan_follows_observer_ranges_precisions_and_reasons() -> None:
    maker = PlanMaker(CPU, OPTIONS)
    seen = statistics(PLAIN.model)
    plain = maker.plan(PLAIN, seen)
    assert plain.activations["t1"].high == pytest.approx(1.0, abs=0.01)
    narrow = maker.plan(replace(PLAIN, ranges={"t1": (-0.25, 0.25)}), seen)
    assert narrow.activations["t1"].high == pytest.approx(0.25, abs=0.01)
    assert narrow.activations["x"].high == plain.activations["x"].high
    wide = maker.plan(replace(PLAIN, ops={"c2": "int16"}, reasons={"c1": "too dear"}), seen)
    assert wide.ops["c2"] == "int16"
    assert wide.ops.get("c1", "float") == "float"
    assert wide.activations["t2"].bits == 16
