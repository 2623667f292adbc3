"""The best of what was found, and the front."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgewright.repair.bench import Confirmation, Trial
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.cost import Cost
from edgewright.repair.damage import Damage
from edgewright.repair.result import Entry, SearchResult
from edgewright.tasks.metric import Metric
from tests.repair.nets import candidate_of, chain

PLAIN = candidate_of(chain(2, 2))
FREE = Cost(0.0, 0.0, 0, 0, 0)


def named(name: str) -> Candidate:
    return PLAIN.with_remedy(Applied("r", name, f"{name}."))


def entry(
    name: str, cost: Cost = FREE, *, drop: float | None = 0.0, passed: bool = False, parts: object = None
) -> Entry:
    confirmation = Confirmation(name, None, drop, parts or {"a": 0.1}, passed, cost)
    return Entry(named(name), cost, None, confirmation)


def trial(images: int) -> Trial:
    return Trial(images, Damage(("a",), np.ones((images, 1))), Metric("agreement AP", 90.0, images))


def test_the_cheapest_that_passed_is_best_whatever_lost_less() -> None:
    dear = entry("dear", replace(FREE, int16_macs=0.2), drop=0.0, passed=True)
    cheap = entry("cheap", replace(FREE, int16_macs=0.1), drop=0.9, passed=True)
    free = entry("free", drop=1.1)
    assert SearchResult((dear, free, cheap)).best is cheap
    assert SearchResult((dear, free)).best is dear


def test_where_the_toolchain_tells_the_time_the_quickest_is_best() -> None:
    def timed(name: str, cost: Cost, beside_float: float) -> Entry:
        plain = entry(name, cost, passed=True)
        assert plain.confirmation is not None
        return replace(plain, confirmation=replace(plain.confirmation, beside_float=beside_float))

    slow = timed("slow", FREE, 2.8)
    quick = timed("quick", replace(FREE, float_macs=0.1), 0.401)
    cheap = timed("cheap", replace(FREE, float_macs=0.05), 0.402)
    assert SearchResult((slow, quick)).best is quick
    assert SearchResult((quick, cheap)).best is cheap, "less than a percent is no reason"
    assert [one.suffices for one in (slow, quick, timed("even", FREE, 0.96), entry("untimed", passed=True))] == [
        False,
        True,
        False,
        True,
    ]
    assert not entry("fails").suffices


def test_float_weighs_more_than_16_bits_and_macs_more_than_conversions() -> None:
    ranks = [
        FREE.rank,
        replace(FREE, conversions=9).rank,
        replace(FREE, int16_ops=1).rank,
        replace(FREE, float_ops=1).rank,
        replace(FREE, int16_macs=0.01).rank,
        replace(FREE, float_macs=0.001).rank,
    ]
    assert ranks == sorted(ranks)


def test_where_nothing_passed_the_least_loss_is_best() -> None:
    first, second = entry("first", drop=8.0), entry("second", replace(FREE, float_macs=0.5), drop=3.0)
    assert SearchResult((first, second)).best is second
    assert SearchResult(()).best is None
    assert SearchResult((Entry(PLAIN, FREE, trial(4), None),)).best is None, "a trial proves nothing"


def test_without_a_metric_the_largest_error_of_a_part_counts() -> None:
    first = entry("first", drop=None, parts={"a": 0.1, "b": 0.9})
    second = entry("second", drop=None, parts={"a": 0.5, "b": 0.5})
    broken = entry("broken", drop=None, parts={"a": None, "b": 0.0})
    assert SearchResult((broken, first, second)).best is second


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_front_is_what_no_other_beats(found: list[tuple[int, int, int]], random: object) -> None:
    entries = [
        entry(f"e{number}", replace(FREE, int16_macs=macs, int16_ops=ops), drop=float(drop))
        for number, (macs, ops, drop) in enumerate(found)
    ]
    front = SearchResult((*entries, Entry(PLAIN, FREE, None, None))).front
    figures = [(one.cost.rank, one.confirmation.drop) for one in front]
    assert figures == sorted(figures)
    assert len(set(figures)) == len(figures)
    every = {(one.cost.rank, one.confirmation.drop) for one in entries}
    unbeaten = {
        (rank, drop)
        for rank, drop in every
        if not any(other != (rank, drop) and other[0] <= rank and other[1] <= drop for other in every)
    }
    assert set(figures) == unbeaten


def test_of_two_trials_the_one_on_more_images_is_kept() -> None:
    few = Entry(PLAIN, FREE, trial(4), None)
    assert few.with_figures(trial(8), None).trial.images == 8
    assert few.with_figures(trial(8), None).with_figures(trial(4), None).trial.images == 8
    confirmation = entry("x").confirmation
    both = few.with_figures(None, confirmation)
    assert (both.trial.images, both.confirmation) == (4, confirmation)
    assert both.with_figures(trial(8), None).confirmation is confirmation


def test_the_result_as_data() -> None:
    passed = entry("cheap", replace(FREE, int16_macs=0.1), drop=0.5, passed=True)
    dominated = entry("dominated", replace(FREE, int16_macs=0.2), drop=0.6)
    tried = Entry(named("tried"), FREE, trial(4), None)
    data = SearchResult((tried, dominated, passed), "the time limit is reached").to_json()
    data = json.loads(json.dumps(data, allow_nan=False))
    assert data["best"] == "int8, cheap"
    assert data["passed"] is True
    assert data["ended"] == "the time limit is reached"
    assert data["front"] == ["int8, cheap"]
    assert [one["name"] for one in data["entries"]] == ["int8, tried", "int8, dominated", "int8, cheap"]
    assert data["entries"][0]["trial"] == {
        "images": 4,
        "relative_l2": {"a": 1.0},
        "metric": {**trial(4).metric.to_json()},
    }
    assert data["entries"][0]["confirmation"] is None
    assert data["entries"][2]["confirmation"]["drop"] == 0.5
    assert data["entries"][2]["remedies"][0]["text"] == "cheap."
    assert SearchResult(()).to_json()["passed"] is False


def test_a_trial_as_data() -> None:
    damage = Damage(("a", "b"), np.array([[0.5, np.nan], [0.25, 1.0]]))
    for metric in (None, Metric("agreement AP", 90.0, 2)):
        again = Trial.from_json(json.loads(json.dumps(Trial(2, damage, metric).to_json(), allow_nan=False)))
        assert (again.images, again.metric) == (2, metric)
        np.testing.assert_array_equal(again.damage.images, damage.images)
