from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewright.quant.stability import half_range_change, half_range_changes
from edgewright.quant.statistics import load_statistics, save_statistics
from tests.quant.graphs import statistics_of

BASE = replace(statistics_of(np.array([-1.0, 3.0])), halves=((-1.0, 3.0), (-1.0, 3.0)))


@pytest.mark.parametrize(
    ("halves", "change"),
    [
        (((-1, 3), (-1, 3)), 0.0),
        (((-1, 3), (-1, 1)), 0.5),
        (((-1, 3), (0.5, 3)), 0.25),
        (((0, 0), (-1, 3)), 0.75),
        ((None, (-1, 3)), None),
    ],
)
def test_change_is_the_larger_move_of_an_end(halves: tuple, change: float | None) -> None:
    assert half_range_change(replace(BASE, halves=halves)) == change


def test_constant_tensors_do_not_move() -> None:
    assert half_range_change(replace(BASE, minimum=0, maximum=0, halves=((0, 0), (0, 0)))) == 0


def test_summary_names_what_moves() -> None:
    moved = replace(BASE, halves=((-1, 3), (-1, 1)))
    found = {"still": BASE, "moved": moved, "single": replace(BASE, halves=((-1, 3), None))}
    assert half_range_changes(found) == {"still": 0.0, "moved": 0.5}


def test_statistics_survive_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = {
        "a": statistics_of(rng.standard_normal(999).astype(np.float32)),
        "b/ü": replace(statistics_of(np.full(3, 1e-38)), non_finite=4, halves=((0.1, 0.2), None)),
        "c": replace(statistics_of(np.zeros(0)), histogram=None),
        "d": statistics_of(np.abs(rng.standard_normal(9)) * 1e30),
    }
    save_statistics(tmp_path / "statistics.npz", found)
    back = load_statistics(tmp_path / "statistics.npz")
    assert list(back) == list(found)
    for name, entry in found.items():
        assert replace(back[name], histogram=None) == replace(entry, histogram=None)
        first, second = back[name].histogram, entry.histogram
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            np.testing.assert_array_equal(first.edges, second.edges)
            np.testing.assert_array_equal(first.counts, second.counts)
            first.add(np.array([2e30]))  # a restored one goes on counting
            second.add(np.array([2e30]))
            np.testing.assert_array_equal(first.counts, second.counts)


def test_mean_and_deviation() -> None:
    values = np.random.default_rng(0).normal(3, 2, 5000)
    found = statistics_of(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.std == pytest.approx(values.std())
